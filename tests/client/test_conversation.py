"""The client's half alone: tables of messages. `tests/client/test_model.py` runs it against the server's half."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastring.client.conversation import Conversation, Limits
from fastring.client.events import AudioLost, Closed, Ready, Restarted, Resumed, ServerError, SpeechStarted

RATE = 1000
FRESH: dict[str, Any] = {"type": "ready", "engine": "e", "model": "m", "resume_token": "t0"}


def conversation(**limits: Any) -> Conversation:
    return Conversation(RATE, 2, Limits(**{"buffer_s": 10.0, "message_s": 1.0, "catch_up_rate": 0, **limits}))


def opened(**limits: Any) -> Conversation:
    talk = conversation(**limits)
    talk.connected()
    assert talk.to_send(0.0) is None
    (ready,) = talk.receive(FRESH, 0.0)
    assert isinstance(ready, Ready)
    return talk


def sent(talk: Conversation, now: float = 0.0) -> list[Any]:
    out = []
    while (message := talk.to_send(now)) is not None:
        out.append(len(message) // 2 if isinstance(message, bytes) else json.loads(message))
    return out


def lose(talk: Conversation) -> dict[str, Any]:
    """Lose the connection, make another, and return what is asked for."""
    talk.lost()
    assert talk.to_send(0.0) is None
    talk.connected()
    (resume,) = sent(talk)
    talk.receive({**FRESH, "resume_token": "fresh"}, 0.0)
    return dict(resume)


def ack(received: int, committed: int) -> dict[str, Any]:
    return {"type": "ack", "received": received, "committed": committed}


def test_audio_goes_out_in_messages_and_the_close_after_it() -> None:
    talk = opened()
    talk.push(bytes(2 * 2500))
    talk.close()
    talk.push(bytes(2))
    assert sent(talk) == [1000, 1000, 500, {"type": "close"}]
    assert talk.receive({"type": "closed", "reason": "requested", "stats": {"a": 1}}, 0.0) == [
        Closed("requested", {"a": 1})
    ]
    assert talk.finished


def test_it_goes_on_where_the_server_says() -> None:
    talk = opened()
    talk.push(bytes(2 * 3000))
    sent(talk)
    talk.receive(ack(2000, 500), 0.0)
    talk.receive({"type": "speech_started", "seq": 0, "utterance": 0, "start": 0.7}, 0.0)
    assert lose(talk) == {"type": "resume", "token": "t0", "last_seq": 0, "oldest_sample": 500}
    assert sent(talk) == []
    told = talk.receive({"type": "resumed", "next_sample": 2200, "next_seq": 1, "resume_token": "t1"}, 0.0)
    assert told == [Resumed(0.8)]
    assert sent(talk) == [800]
    assert lose(talk)["token"] == "t1"


def test_what_is_told_again_is_told_once() -> None:
    talk = opened()
    started = {"type": "speech_started", "seq": 0, "utterance": 0, "start": 0.7}
    assert talk.receive(started, 0.0) == [SpeechStarted(0, 0, 0.7)]
    assert talk.receive(started, 0.0) == []


def test_finalizes_stand_at_their_sample_and_are_not_repeated() -> None:
    talk = opened()
    talk.push(bytes(2 * 300))
    talk.finalize()
    talk.push(bytes(2 * 200))
    talk.finalize()
    assert sent(talk) == [300, {"type": "finalize"}, 200, {"type": "finalize"}]
    lose(talk)
    talk.receive({"type": "resumed", "next_sample": 400, "next_seq": 0, "resume_token": "t", "finalizes": 1}, 0.0)
    assert sent(talk) == [100, {"type": "finalize"}]


def test_a_fresh_session_hears_what_was_not_answered_from_a_whole_frame_on() -> None:
    talk = opened()
    talk.push(bytes(2 * 5000))
    sent(talk)
    for message in (
        {"type": "speech_started", "seq": 0, "utterance": 0, "start": 0.5},
        {"type": "final", "seq": 1, "utterance": 0, "text": "a", "start": 0.5, "end": 1.0},
        {"type": "speech_ended", "seq": 2, "utterance": 0, "end": 1.0},
        {"type": "speech_started", "seq": 3, "utterance": 1, "start": 2.0},
    ):
        talk.receive(message, 0.0)
    lose(talk)
    told = talk.receive({"type": "error", "code": "resume_failed", "reason": "unknown", "message": ""}, 0.0)
    assert told == [Restarted("unknown", 0.992)]  # 31 frames of 32 ms
    assert sum(sent(talk)) == 5000 - 992
    assert talk.receive({"type": "speech_started", "seq": 0, "utterance": 0, "start": 1.0}, 0.0) == []
    (final,) = talk.receive({"type": "final", "seq": 1, "utterance": 0, "text": "b", "start": 1.0, "end": 2.0}, 0.0)
    assert (final.seq, final.utterance, final.start, final.end) == (4, 1, 1.992, 2.992)  # type: ignore[union-attr]
    assert lose(talk)["token"] == "fresh"


def test_a_full_buffer_gives_up_first_what_the_server_holds() -> None:
    talk = opened(buffer_s=1.0)
    talk.push(bytes(2 * 1000))
    assert talk.room == 0
    sent(talk)
    talk.receive(ack(600, 0), 0.0)
    assert talk.room == 600
    talk.push(bytes(2 * 600))
    assert (talk.oldest, talk.room) == (600, 0)
    talk.push(bytes(2 * 100))
    assert talk.oldest == 600, "what the server lacks is not given up"


def test_a_microphone_cannot_wait() -> None:
    talk = opened(buffer_s=1.0, drop=True)
    talk.push(bytes(2 * 1500))
    assert talk.oldest == 500
    assert talk.is_broken
    assert lose(talk)["oldest_sample"] == 500
    told = talk.receive({"type": "error", "code": "resume_failed", "reason": "gap", "message": ""}, 0.0)
    assert told == [AudioLost(0.0, 0.5), Restarted("gap", 0.5)]
    assert talk.lost_samples == 500


def test_catching_up_is_paced_and_what_is_live_is_not() -> None:
    talk = opened(catch_up_rate=4.0, message_s=0.1)
    talk.push(bytes(2 * 1000))
    assert len(sent(talk)) == 10
    lose(talk)
    talk.receive({"type": "resumed", "next_sample": 0, "next_seq": 0, "resume_token": "t"}, 100.0)
    times, now = [], 100.0
    while (due := talk.next_send_s()) is not None:
        now = max(now, due)
        assert sent(talk, now) == [100]
        times.append(round(now - 100, 6))
    assert times == [pytest.approx(0.025 * n) for n in range(10)]
    talk.push(bytes(2 * 1000))
    assert len(sent(talk, now)) == 10


def test_a_server_that_goes_away_is_not_the_end() -> None:
    talk = opened()
    assert talk.receive({"type": "closed", "reason": "going away", "stats": {}}, 0.0) == []
    assert not talk.finished


def test_a_token_may_come_with_an_acknowledgement() -> None:
    talk = opened()
    talk.push(bytes(2 * 100))
    sent(talk)
    talk.receive({**ack(100, 0), "resume_token": "t1"}, 0.0)
    talk.receive(ack(100, 50), 0.0)
    assert lose(talk)["token"] == "t1"


def test_errors_are_told() -> None:
    talk = opened()
    assert talk.receive({"type": "error", "code": "engine_failed", "message": "no", "fatal": False}, 0.0) == [
        ServerError("engine_failed", "no", False)
    ]


def test_a_server_without_tokens_begins_anew() -> None:
    talk = conversation()
    talk.connected()
    talk.receive({**FRESH, "resume_token": ""}, 0.0)
    talk.push(bytes(2 * 100))
    assert sent(talk) == [100]
    talk.lost()
    talk.connected()
    assert sent(talk) == []
    assert talk.receive({**FRESH, "resume_token": ""}, 0.0) == [Restarted("no token", 0.0)]
    assert sent(talk) == [100]
