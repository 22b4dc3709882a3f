from __future__ import annotations

import pytest

from fastring.events import Ack, Closed, Failure, Final, Latency, Partial, SpeechEnded, SpeechStarted, Status, Word
from fastring.server.sessions.journal import Journal

NO_TIME = Latency(0, 0, 0, 0)
WORDS = (Word("six", 0, 1, 0.9),) * 100


def final(seq: int, words: tuple[Word, ...] = ()) -> Final:
    return Final(seq, seq // 3, "six", words, 0.9, 0, 1, NO_TIME)


def partial(text: str) -> Partial:
    return Partial(0, text, "", (), 0.9, 0, 1, -20.0, 0.0, 0, NO_TIME)


def conversation(utterances: int) -> list[SpeechStarted | Final | SpeechEnded]:
    return [
        event
        for n in range(utterances)
        for event in (SpeechStarted(3 * n, n, 0), final(3 * n + 1), SpeechEnded(3 * n + 2, n, 1))
    ]


@pytest.mark.parametrize("last_seq", range(-1, 6))
def test_numbered_events_are_told_again_from_anywhere(last_seq: int) -> None:
    journal, events = Journal(100), conversation(2)
    for event in events:
        journal.note(event, heard=True)
    assert journal.next_seq == 6
    assert journal.reaches(last_seq)
    assert journal.replay(last_seq) == events[last_seq + 1 :]
    assert journal.replay(last_seq) == events[last_seq + 1 :], "the answer may be lost too"


def test_a_number_that_was_never_given_is_out_of_reach() -> None:
    journal = Journal(100)
    assert journal.reaches(-1)
    assert not journal.reaches(0)


def test_what_was_pushed_out_is_out_of_reach() -> None:
    journal = Journal(4)
    for event in conversation(3):
        journal.note(event, heard=True)
    assert [journal.reaches(last_seq) for last_seq in (3, 4, 8, 9)] == [False, True, True, False]


def test_of_what_nobody_heard_the_rest_is_told_once_and_only_the_newest_partial() -> None:
    journal = Journal(100)
    busy, failed = Status("server_busy"), Failure("engine_failed", "no")
    for event in (SpeechStarted(0, 0, 0), partial("o"), busy, partial("one"), failed, Ack(1, 1)):
        journal.note(event, heard=False)
    assert journal.replay(-1) == [SpeechStarted(0, 0, 0), busy, partial("one"), failed]
    assert journal.replay(-1) == [SpeechStarted(0, 0, 0)]


def test_a_final_makes_its_partial_useless() -> None:
    journal = Journal(100)
    for event in (SpeechStarted(0, 0, 0), partial("o"), final(1)):
        journal.note(event, heard=False)
    assert journal.replay(-1) == [SpeechStarted(0, 0, 0), final(1)]


def test_what_was_heard_without_a_number_is_not_kept() -> None:
    journal = Journal(100)
    for event in (partial("o"), Status("server_busy"), Failure("engine_failed", "no")):
        journal.note(event, heard=True)
    assert journal.replay(-1) == []
    assert journal.memory_bytes == 0


def test_the_end_is_told_whenever_it_is_asked_for() -> None:
    journal, closed = Journal(16), Closed("requested", {"a": 1})
    journal.note(closed, heard=True)
    assert journal.replay(-1) == [closed]
    assert journal.replay(-1) == [closed]


def test_memory_follows_the_words() -> None:
    journal = Journal(2)
    journal.note(final(0, WORDS), heard=True)
    full = journal.memory_bytes
    assert full > 100 * 100
    journal.note(final(1, WORDS), heard=True)
    journal.note(final(2), heard=True)
    journal.note(final(3), heard=True)
    assert journal.memory_bytes < full / 10
