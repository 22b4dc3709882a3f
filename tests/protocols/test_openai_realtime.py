"""Golden conversations: what goes in and out, message for message."""

from __future__ import annotations

import base64
import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.config import EndpointSettings
from fastring.events import (
    Audio,
    Clear,
    Configure,
    Echo,
    Failure,
    Final,
    Finalize,
    Latency,
    Partial,
    SpeechEnded,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from fastring.protocols.openai_realtime import RealtimeCodec
from fastring.protocols.openai_session import RealtimeSession

NO_TIME = Latency(0, 0, 0, 0)
ITEM = "conversation.item.input_audio_transcription"


def codec(*, old: bool = False) -> RealtimeCodec:
    numbers = itertools.count(1)
    session = RealtimeSession(
        "sess_1", expires_at=60, endpoint=EndpointSettings(), model="whisper-1", knows_model=lambda name: name != "no"
    )
    return RealtimeCodec(session, new_id=lambda prefix: f"{prefix}_{next(numbers)}", old=old)


def told(it: RealtimeCodec, *events: Any) -> list[dict[str, Any]]:
    return [json.loads(message) for event in events for message in it.encode(event)]


def send(it: RealtimeCodec, kind: str, **fields: Any) -> list[Any]:
    return it.decode(json.dumps({"type": kind, **fields}))


def partial(turn: int, stable: str) -> Partial:
    return Partial(turn, f"{stable} x", stable, (), 0.9, 16_000, 32_000, -20.0, 0.0, 0, NO_TIME)


def final(turn: int, text: str, start: int = 16_000, end: int = 48_000) -> Final:
    words = tuple(Word(word, start, end, 0.5) for word in text.split())
    return Final(0, turn, text, words, 0.5, start, end, NO_TIME)


def without_ids(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in message.items() if name != "event_id"} for message in messages]


def test_a_turn_found_by_voice_detection() -> None:
    it = codec()
    messages = told(
        it,
        SpeechStarted(0, 1, 16_000),
        partial(1, "one"),
        partial(1, "one"),
        partial(1, "one two"),
        SpeechStopped(1, 48_000),
        final(1, "one two three"),
        SpeechEnded(2, 1, 48_000),
    )
    assert len({message["event_id"] for message in messages}) == len(messages)
    item = {
        "id": "item_1",
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    delta = {"type": f"{ITEM}.delta", "item_id": "item_1", "content_index": 0, "logprobs": None}
    assert without_ids(messages) == [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 700, "item_id": "item_1"},
        {**delta, "delta": "one"},
        {**delta, "delta": " two"},
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3500, "item_id": "item_1"},
        {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": "item_1"},
        {"type": "conversation.item.added", "previous_item_id": None, "item": item},
        {"type": "conversation.item.done", "previous_item_id": None, "item": item},
        {**delta, "delta": " three"},
        {
            "type": f"{ITEM}.completed",
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "one two three",
            "usage": {"type": "duration", "seconds": 2.0},
            "logprobs": None,
        },
    ]


def test_a_turn_between_two_commits() -> None:
    """Several utterances are one item, and deltas may come before the commit."""
    it = codec()
    kinds = told(it, final(1, "one"), partial(1, "two"), Echo("commit", {"item": 1, "start": 0}), final(1, "two three"))
    assert [message.get("delta", message["type"]) for message in kinds][-1] == " three"
    it = codec()
    told(it, Echo("commit", {"item": 1, "start": 8_000}))
    messages = told(it, final(1, "one"), partial(1, "two"), final(1, "two three"), SpeechEnded(0, 1, 40_000))
    assert [message.get("delta") for message in messages] == ["one", " two", " three", None]
    assert messages[-1]["transcript"] == "one two three"
    assert messages[-1]["usage"] == {"type": "duration", "seconds": 2.0}


def test_items_name_the_one_before() -> None:
    it = codec()
    for turn in (1, 2):
        messages = told(
            it, SpeechStarted(0, turn, 0), SpeechStopped(turn, 1), final(turn, "one"), SpeechEnded(0, turn, 1)
        )
    committed = next(message for message in messages if message["type"] == "input_audio_buffer.committed")
    assert committed["previous_item_id"] not in (None, committed["item_id"])


def test_a_commit_of_silence_is_an_empty_transcript() -> None:
    it = codec()
    messages = told(it, Echo("commit", {"item": 3, "start": 0}), SpeechEnded(0, 3, 16_000))
    assert [message["type"] for message in messages][-1] == f"{ITEM}.completed"
    assert messages[-1]["transcript"] == ""


def test_lost_text_is_a_failed_item() -> None:
    it = codec()
    messages = told(
        it, SpeechStarted(0, 1, 0), Echo("lost", {"item": 1, "message": "it broke"}), final(1, ""), SpeechEnded(0, 1, 1)
    )
    assert messages[-1]["type"] == f"{ITEM}.failed"
    assert messages[-1]["error"] == {
        "type": "server_error",
        "code": "engine_failed",
        "message": "it broke",
        "param": None,
    }


def test_the_older_shape() -> None:
    it = codec(old=True)
    assert it.created(transcription=True).name == "transcription_session.created"
    assert it.created(transcription=False).name == "session.created"
    kinds = [
        message["type"]
        for message in told(it, SpeechStarted(0, 1, 0), SpeechStopped(1, 1), final(1, "one"), SpeechEnded(0, 1, 1))
    ]
    assert kinds == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        f"{ITEM}.delta",
        f"{ITEM}.completed",
    ]
    _, echo = send(it, "transcription_session.update", session={"input_audio_format": "g711_ulaw"})
    assert echo.name == "transcription_session.updated"
    assert echo.fields["session"]["input_audio_format"] == "g711_ulaw"


def test_logprobs_where_they_are_wanted() -> None:
    it = codec()
    send(it, "session.update", session={"include": ["item.input_audio_transcription.logprobs"]})
    *_, completed = told(it, SpeechStarted(0, 1, 0), final(1, "one two"), SpeechEnded(0, 1, 1))
    assert [item["token"] for item in completed["logprobs"]] == ["one", "two"]


def test_an_update_configures_and_is_told_as_it_was() -> None:
    it = codec()
    first = send(it, "session.update", session={"audio": {"input": {"turn_detection": None}}})
    second = send(it, "session.update", session={"audio": {"input": {"turn_detection": {"type": "server_vad"}}}})
    assert [type(command) for command in first] == [Configure, Echo]
    assert first[0].fields["endpoint"] is None
    assert first[1].name == "session.updated"
    assert first[1].fields["session"]["audio"]["input"]["turn_detection"] is None
    assert second[0].fields["endpoint"].trailing_silence_ms == 500


def test_audio_commits_and_clears() -> None:
    it = codec()
    audio = base64.b64encode(bytes(4_800)).decode()
    assert send(it, "input_audio_buffer.append", audio=audio) == [Audio(bytes(4_800))]
    assert send(it, "input_audio_buffer.append", audio="") == []
    assert send(it, "input_audio_buffer.commit") == [Finalize()]
    assert send(it, "input_audio_buffer.append", audio=audio)[0] == Audio(bytes(4_800))
    assert send(it, "input_audio_buffer.clear") == [Clear(), Echo("input_audio_buffer.cleared")]
    (refused,) = send(it, "input_audio_buffer.commit", event_id="mine")
    assert refused.fields["error"]["code"] == "input_audio_buffer_commit_empty"
    assert refused.fields["error"]["event_id"] == "mine"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (b"audio", "invalid_json", None),
        ("", "invalid_json", None),
        ("[]", "invalid_json", None),
        ("[" * 5000, "invalid_json", None),
        ("{}", "invalid_value", "type"),
        ('{"type": 5}', "invalid_value", "type"),
        ('{"type": "response.create"}', "invalid_value", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "session"),
        ('{"type": "session.update", "session": {"type": "realtime"}}', "invalid_value", "session.type"),
        (
            '{"type": "session.update", "session": {"input_audio_transcription": {"model": "no"}}}',
            "model_not_found",
            "",
        ),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": 5}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "invalid_audio", "audio"),
        ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
    ],
)
def test_what_is_wrong_is_an_error_event_and_counted(message: str | bytes, code: str, param: str | None) -> None:
    it = codec()
    (echo,) = it.decode(message)
    error = echo.fields["error"]
    assert echo.name == "error"
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert error["message"]
    if param != "":
        assert error["param"] == param
    assert (it.counters.messages, it.counters.malformed) == (1, 1)


def test_failures_of_the_server_are_errors_of_the_server() -> None:
    (message,) = told(codec(), Failure("internal", "why", fatal=True))
    assert (message["type"], message["error"]["type"]) == ("error", "server_error")
    (message,) = told(codec(), Failure("idle_timeout", "why", fatal=True))
    assert message["error"]["type"] == "invalid_request_error"


def test_a_flood_of_turns_is_not_kept() -> None:
    it = codec()
    for turn in range(1000):
        told(it, SpeechStarted(0, turn, 0))
    assert len(it._items) <= 256
    told(it, Echo("forget", {"items": list(range(1000))}))
    assert not it._items


AUDIO = base64.b64encode(bytes(range(256)) * 2000).decode()


APPEND = json.dumps({"type": "input_audio_buffer.append", "event_id": "e1", "audio": AUDIO})


def meant(commands: list[Any]) -> list[Any]:
    """The audio, in however many pieces it came, and the rest."""
    audio = b"".join(it.data for it in commands if isinstance(it, Audio))
    return [audio, *(it for it in commands if not isinstance(it, Audio))]


@pytest.mark.parametrize(
    "message",
    [
        APPEND,
        json.dumps({"audio": AUDIO, "event_id": "e1", "type": "input_audio_buffer.append"}, indent=1),
        APPEND.replace("/", "\\/"),
        json.dumps({"type": "input_audio_buffer.append", "audio": ""}),
        json.dumps({"type": "input_audio_buffer.append", "event_id": "\u00e9", "audio": AUDIO}, ensure_ascii=False),
    ],
    ids=["plain", "the audio first", "slashes escaped", "empty", "an id beyond ASCII"],
)
def test_a_long_message_in_steps_means_the_same(message: str) -> None:
    whole, stepped = codec(), codec()
    steps = list(stepped.decode_slices(bytearray(message.encode())))
    assert meant([command for step in steps for command in step]) == meant(whole.decode(message))
    assert (stepped.counters.messages, stepped.counters.malformed) == (1, 0)
    assert stepped.counters.bytes == len(message.encode())
    assert send(stepped, "input_audio_buffer.commit") == send(whole, "input_audio_buffer.commit")
    assert sum(map(bool, steps)) <= 1  # all or nothing


@pytest.mark.parametrize(
    ("message", "code", "event_id"),
    [
        (APPEND.replace(AUDIO, AUDIO[:-1]), "invalid_audio", "e1"),
        (APPEND.replace(AUDIO, AUDIO[:400] + "AA==" + AUDIO), "invalid_audio", "e1"),
        (APPEND.replace(AUDIO, "A" * ((1 << 17) - 4) + "AA==" + AUDIO), "invalid_audio", "e1"),
        (APPEND.replace(AUDIO, AUDIO + "\u00e9"), "invalid_audio", "e1"),
        (APPEND.replace(AUDIO, AUDIO[:40] + "\\u0041" + AUDIO), "invalid_audio", "e1"),
        (APPEND.replace(AUDIO, AUDIO[:40] + "\\" + AUDIO), "invalid_audio", "e1"),
        (json.dumps({"type": "input_audio_buffer.append", "session": {"audio": AUDIO}}), "invalid_json", None),
        ('{"type": "input_audio_buffer.append", "audio": "' + AUDIO + '", "audio": "AAAA"}', "invalid_json", None),
        ('{"type": "input_audio_buffer.append", "audio": "' + AUDIO, "invalid_json", None),
        (json.dumps({"type": "input_audio_buffer.commit", "audio": AUDIO}), "invalid_json", None),
        (json.dumps({"type": "session.update", "session": {"x": "y" * 100_000}}), "invalid_json", None),
        ('{"type": "input_audio_buffer.append", "audio": "", "x": "' + "y" * 100_000 + '"}', "invalid_json", None),
        ("[" * 9000, "invalid_json", None),
    ],
    ids=range(13),
)
def test_a_long_message_that_is_no_append_or_holds_no_base64_is_refused(
    message: str, code: str, event_id: str | None
) -> None:
    stepped = codec()
    steps = list(stepped.decode_slices(bytearray(message.encode())))
    assert not any(steps[:-1])
    (refusal,) = steps[-1]
    assert refusal.name == "error"
    assert (refusal.fields["error"]["code"], refusal.fields["error"]["event_id"]) == (code, event_id)
    assert (stepped.counters.messages, stepped.counters.malformed) == (1, 1)
    assert send(stepped, "input_audio_buffer.commit")[0].fields["error"]["code"] == "input_audio_buffer_commit_empty"


@given(st.integers(0, 500_000), st.integers(0, 1 << 32))
def test_base64_of_any_length_comes_out_of_the_steps(size: int, seed: int) -> None:
    data = random.Random(seed).randbytes(size)
    message = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})
    for text in (message, message.replace("/", "\\/")):
        steps = list(codec().decode_slices(bytearray(text.encode())))
        assert meant(steps[-1]) == [data]
