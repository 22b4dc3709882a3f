from __future__ import annotations

from dataclasses import replace

import pytest
from block_runner import block_session, pcm, runner_of

from fastring.errors import ProtocolError
from fastring.events import Ack, Audio, Closed, Event, Final, Resume, SpeechEnded, SpeechStarted
from fastring.server.sessions.resumable import Identity, ResumableSession

IDENTITY = Identity("ab" * 16, "mic", "key", "linear16", 16_000, 1)


class Connection:
    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.relieved = 0
        self.moved = 0

    def hear(self, event: Event) -> None:
        self.heard.append(event)

    def relieve(self) -> None:
        self.relieved += 1

    def move(self) -> None:
        self.moved += 1


@pytest.fixture
def session() -> ResumableSession:
    return block_session(IDENTITY)


def send(session: ResumableSession, *samples: int) -> None:
    session.receive_audio(Audio(pcm(*samples)), 1.0)


def test_it_goes_on_while_nobody_listens(session: ResumableSession) -> None:
    first, second, runner = Connection(), Connection(), runner_of(session)
    session.attach(first, 0.0)
    send(session, 0, 5, 6)
    session.leave(first, 1.0)
    assert runner.away
    send(session, 7, 0, 0)
    runner.work()
    assert [type(event) for event in first.heard] == [SpeechStarted]
    session.attach(second, 2.0)
    assert not runner.away
    assert [type(event) for event in session.replay(0)] == [Final, SpeechEnded]
    assert session.received == 6
    assert second.heard == []


def test_only_the_newest_connection_has_it(session: ResumableSession) -> None:
    first, second = Connection(), Connection()
    session.attach(first, 0.0)
    session.attach(second, 0.0)
    assert (first.moved, second.moved) == (1, 0)
    session.leave(first, 0.0)
    assert not runner_of(session).away
    send(session, 5)
    session.relieve()
    assert (len(first.heard), len(second.heard)) == (0, 1)
    assert (first.relieved, second.relieved) == (0, 1)


def test_audio_confirms_the_token_that_was_given(session: ResumableSession) -> None:
    session.epoch = 3
    session.finalize(0.0)
    assert (session.confirmed, session.finalizes) == (0, 1)
    send(session, 0)
    assert session.confirmed == 3


def test_it_finishes_while_nobody_listens(session: ResumableSession) -> None:
    send(session, 5, 0)
    session.close(0.0, "requested")
    session.close(0.0, "again")
    send(session, 1)
    runner = runner_of(session)
    held = session.memory_bytes
    runner.work()
    runner.work()
    assert session.finished
    assert runner.stopped
    assert session.memory_bytes < held
    *_, closed = session.replay(-1)
    assert isinstance(closed, Closed)
    assert closed.reason == "requested"
    assert closed.stats["received"] == 2
    assert session.ack() == Ack(2, 2)
    session.attach(Connection(), 0.0)
    assert not session.congested


def test_bytes_of_a_container_are_counted() -> None:
    session = block_session(replace(IDENTITY, encoding="container"), frame_bytes=0)
    send(session, 0, 0, 0)
    assert (session.received, session.received_bytes) == (3, 6)
    assert session.ack() == Ack(3, 1, received_bytes=6)
    assert session.lacks_before(Resume("", 0, oldest_sample=99, oldest_byte=6)) == 0
    assert session.lacks_before(Resume("", 0, oldest_sample=0, oldest_byte=8)) == 2


def test_a_second_source_is_refused(session: ResumableSession) -> None:
    send(session, 1)
    with pytest.raises(ProtocolError, match="one source"):
        session.receive_audio(Audio(pcm(1), source="other"), 0.0)
    assert session.received == 1


def test_fencing_ends_it(session: ResumableSession) -> None:
    connection = Connection()
    session.attach(connection, 0.0)
    session.fence()
    assert connection.moved == 1
    assert runner_of(session).stopped


def test_the_record_is_what_a_store_needs(session: ResumableSession) -> None:
    send(session, 0, 0, 0, 0, 5)
    session.epoch = 2
    record = session.record("node")
    assert (record.session, record.owner, record.stream_id, record.node) == (IDENTITY.session, "key", "mic", "node")
    assert (record.epoch, record.received, record.committed, record.next_seq) == (2, 5, 4, 1)
    assert (record.encoding, record.sample_rate, record.channels) == IDENTITY.audio
