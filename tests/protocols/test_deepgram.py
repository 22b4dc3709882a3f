from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.errors import ProtocolError
from fastring.events import (
    Audio,
    ChannelEvent,
    Close,
    Closed,
    Event,
    Failure,
    Final,
    Finalize,
    Heard,
    Latency,
    Partial,
    Ping,
    Pong,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from fastring.protocols.deepgram import DeepgramCodec
from fastring.protocols.deepgram_channel import LiveOptions
from fastring.protocols.deepgram_results import ModelInfo

ID = "5f7c3f0e-3ad1-4b7e-8f5e-7f0b6a4f2f11"
MODEL = ModelInfo("digits", "1", "engine")
LATENCY = Latency(0, 0, 0, 0)
RATE = 16_000
GOLDEN = Path(__file__).parent / "golden" / "deepgram_live.json"


def codec(**options: Any) -> DeepgramCodec:
    return DeepgramCodec(
        ID, created="2026-01-02T03:04:05.678Z", model=MODEL, options=LiveOptions(**options), max_message_bytes=5000
    )


def words(text: str, start_s: float) -> tuple[Word, ...]:
    first = round(start_s * RATE)
    return tuple(Word(word, first + 4_000 * n, first + 4_000 * (n + 1), 0.9) for n, word in enumerate(text.split()))


def started(start_s: float, *, silent: bool = False) -> SpeechStarted:
    return SpeechStarted(0, 0, round(start_s * RATE), silent)


def partial(text: str, start_s: float, end_s: float) -> Partial:
    said = words(text, start_s)
    return Partial(0, text, "", said, 0.9, said[0].start, round(end_s * RATE), -20.0, 0.0, 0, LATENCY)


def final(text: str, start_s: float, end_s: float, **fields: Any) -> Final:
    return Final(0, 0, text, words(text, start_s), 0.9, round(start_s * RATE), round(end_s * RATE), LATENCY, **fields)


def heard(at_s: float) -> Heard:
    return Heard(round(at_s * RATE))


def told(subject: DeepgramCodec, *events: Any, channel: int = 0, channels: int = 1) -> list[dict[str, Any]]:
    """What these events of a channel become."""
    plain = (Failure, Closed, Pong)
    wrapped: list[Event] = [it if isinstance(it, plain) else ChannelEvent(channel, channels, it) for it in events]
    return [json.loads(message) for event in wrapped for message in subject.encode(event)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [
        message["type"] + ("!" if message.get("speech_final") else "." if message.get("is_final") else "")
        for message in messages
    ]


# --- in -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "commands"),
    [
        (b"\x01\x02\x03", [Audio(b"\x01\x02\x03")]),
        (b"", [Close()]),
        ('{"type": "KeepAlive"}', []),
        ('{"type":"Finalize"}', [Finalize()]),
        ('{"type":"Finalize","channel":1}', [Finalize(1)]),
        ('{"type":"Finalize","channel":null}', [Finalize()]),
        ('{"type": "CloseStream"}', [Close()]),
        ('{"type":"Configure"}', [Ping()]),
    ],
)
def test_messages_become_commands(message: str | bytes, commands: list[object]) -> None:
    subject = codec()
    assert subject.decode(message) == commands
    assert (subject.counters.messages, subject.counters.malformed) == (1, 0)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        '{"type":3}',
        '{"type":"Dance"}',
        '{"type":"Finalize","channel":"x"}',
        '{"type":"Configure","keyterms":3}',
    ],
)
def test_what_cannot_be_read_is_answered_with_the_original(message: str) -> None:
    subject = codec()
    with pytest.raises(ProtocolError) as caught:
        subject.decode(message)
    assert caught.value.close_code is None
    assert subject.counters.malformed == 1
    (error,) = told(subject, Failure(caught.value.code, str(caught.value)))
    assert error["type"] == "Error"
    assert error["variant"] == "SchemaError"
    assert error["description"]
    assert error["message"] == message
    assert subject.decode(b"\x00") == [Audio(b"\x00")]


def test_too_large_a_message_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec().decode(bytes(5001))
    assert caught.value.code == "message_too_large"


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_message_means_something_or_is_refused(message: str | bytes) -> None:
    subject = codec()
    try:
        commands = subject.decode(message)
    except ProtocolError as error:
        assert error.code == "schema"  # noqa: PT017
    else:
        assert len(commands) <= 1


# --- out ------------------------------------------------------------------------------------------------------------


def test_a_conversation_is_told_to_the_letter() -> None:
    subject = codec(punctuate=True, vad_events=True, utterance_end_ms=1000)
    subject.decode(b"audio")
    conversation = told(
        subject,
        started(0.5),
        partial("One,", 0.5, 0.9),
        final("One, two.", 0.5, 1.0),
        SpeechEnded(0, 0, 16_000),
        heard(1.5),
        heard(2.1),
        started(2.5, silent=True),
        Final(0, 0, "", (), 0.0, 40_000, 40_000, LATENCY, from_finalize=True, ended_by="forced"),
        Closed("requested", {"duration_s": 2.5, "channels": 1}),
    )
    assert conversation == json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert conversation[-1]["sha256"] == hashlib.sha256(b"audio").hexdigest()


def test_results_of_a_channel_leave_no_gap() -> None:
    subject = codec()
    messages = told(
        subject,
        *(started(0.5), partial("a", 0.5, 1.0), final("a b", 0.5, 1.1)),
        *(started(3.0), partial("c", 3.0, 3.5), partial("c d", 3.0, 4.0), final("c d", 3.0, 3.4)),  # words end later
    )
    at = 0.0
    for message in messages:
        assert message["start"] == at
        if message["is_final"]:
            at = round(message["start"] + message["duration"], 3)
    assert at == 3.5


def test_speech_events_are_told_if_asked_for() -> None:
    assert told(codec(), started(0.5)) == []
    assert told(codec(vad_events=True), started(0.5)) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.5}
    ]
    assert told(codec(vad_events=True), started(0.5, silent=True)) == []


@pytest.mark.parametrize(
    ("endpointing_ms", "ended_by", "speech_final"),
    [
        (0, "silence", True),
        (0, "longest", False),
        (0, "forced", False),
        (None, "silence", False),
        (500, "silence", False),
    ],
)
def test_only_silence_makes_a_final_speech_final(endpointing_ms: int | None, ended_by: Any, speech_final: bool) -> None:
    (result,) = told(codec(endpointing_ms=endpointing_ms), started(0.0), final("a", 0.0, 0.5, ended_by=ended_by))
    assert result["is_final"] is True
    assert result["speech_final"] is speech_final


def test_a_longer_silence_than_the_session_waits_for_is_told_when_it_is_there() -> None:
    subject = codec(endpointing_ms=800, interim=False)
    first = told(subject, started(0.0), final("a", 0.0, 0.5), heard(1.2))
    assert kinds(first) == ["Results."]
    assert told(subject, started(1.2), final("b", 1.2, 1.5), heard(1.9))[0]["speech_final"] is False
    (end,) = told(subject, heard(2.4))
    assert (end["speech_final"], end["is_final"], end["start"], end["duration"]) == (True, True, 1.5, 0.8)
    assert end["channel"]["alternatives"] == [{"transcript": "", "confidence": 0.0, "words": []}]
    assert told(subject, heard(3.0)) == []


def test_a_silence_is_told_before_the_speech_that_ends_it() -> None:
    """However late the final came: the next utterance says how long the silence was."""
    subject = codec(endpointing_ms=800, utterance_end_ms=1000, vad_events=True)
    assert kinds(told(subject, started(0.0), final("a", 0.0, 0.5), started(3.0))) == [
        *("SpeechStarted", "Results.", "UtteranceEnd", "Results!", "SpeechStarted"),
    ]


def test_an_utterance_ends_once_and_only_after_words() -> None:
    subject = codec(utterance_end_ms=1000, interim=False)
    assert told(subject, heard(4.5)) == []
    assert kinds(told(subject, started(4.5), heard(6.0), heard(7.0))) == []
    assert kinds(told(subject, final("a b", 4.5, 5.1), heard(5.9), heard(6.0), heard(8.5))) == [
        "Results!",
        "UtteranceEnd",
    ]
    assert kinds(told(subject, started(8.5), Final(0, 0, "", (), 0, 0, 160_000, LATENCY), heard(14.0))) == ["Results!"]


def test_speech_within_the_gap_puts_the_end_off() -> None:
    subject = codec(utterance_end_ms=1000, interim=False)
    messages = told(
        subject, started(0.0), final("a", 0.0, 0.25), started(1.0), heard(1.3), final("b", 1.0, 1.25), heard(2.3)
    )
    assert kinds(messages) == ["Results!", "Results!", "UtteranceEnd"]
    assert messages[-1]["last_word_end"] == 1.25


def test_channels_are_told_apart() -> None:
    subject = codec(vad_events=True, utterance_end_ms=100)
    told(subject, started(0.0), final("left", 0.0, 1.0), channels=2)
    right = told(subject, started(0.5), final("right", 0.5, 1.5), heard(3.0), channel=1, channels=2)
    assert kinds(right) == ["SpeechStarted", "Results!", "UtteranceEnd", "Results"]
    assert [message.get("channel_index", message.get("channel")) for message in right] == [[1, 2]] * 4
    assert right[1]["start"] == 0.0


def test_configure_switches_punctuation_and_declines_keyterms() -> None:
    subject = codec()
    assert subject.decode('{"type":"Configure","features":{"punctuate":true,"numerals":true}}') == [Ping()]
    assert subject.decode('{"type":"Configure","keyterms":[]}') == [Ping()]
    assert told(subject, Pong(), Pong()) == [
        {"type": "ConfigureSuccess", "request_id": ID},
        {"type": "ConfigureSuccess", "request_id": ID, "keyterms": []},
    ]
    (result,) = told(subject, started(0.0), final("One.", 0.0, 0.5))
    assert result["channel"]["alternatives"][0]["transcript"] == "One."
    with pytest.raises(ProtocolError) as caught:
        subject.decode('{"type":"Configure","keyterms":["fastring"]}')
    assert told(subject, Failure(caught.value.code, str(caught.value))) == [
        {
            "type": "ConfigureFailure",
            "request_id": ID,
            "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
            "description": str(caught.value),
        }
    ]


def test_without_audio_the_metadata_say_so() -> None:
    (metadata,) = told(codec(), Closed("requested", {"duration_s": 0.0, "channels": 0}))
    assert (metadata["duration"], metadata["channels"]) == (0.0, 0)
    assert metadata["sha256"] == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("event", "code", "reason", "messages"),
    [
        (Closed("requested"), 1000, "requested", ["Metadata"]),
        (Failure("idle_timeout", "nothing came", fatal=True), 1011, "NET-0001", []),
        (Failure("undecodable", "noise", fatal=True), 1008, "DATA-0000", []),
        (Failure("message_too_large", "too much", fatal=True), 1009, "message_too_large", ["Error"]),
        (Failure("engine_failed", "it broke"), 1011, "engine_failed", ["Error"]),
    ],
)
def test_ends(event: Closed | Failure, code: int, reason: str, messages: list[str]) -> None:
    subject = codec()
    said = told(subject, event)
    assert [message["type"] for message in said] == messages
    got, why = subject.close_frame(event)
    assert (got, why.startswith(reason)) == (code, True)
    for message in said:
        if message["type"] == "Error":
            assert message["variant"] == "".join(part.capitalize() for part in message["code"].split("_"))
