from __future__ import annotations

import json
from typing import Any

import pytest

from fastring.errors import ProtocolError
from fastring.events import Audio, ChannelEvent, Close, Closed, Configure, Failure, Final, Latency, Partial, Ping, Pong
from fastring.protocols.whisper_live import WhisperLiveCodec

LATENCY = Latency(0, 0, 0, 0)


def opened(**options: Any) -> WhisperLiveCodec:
    codec = WhisperLiveCodec()
    assert codec.decode(json.dumps({"uid": "me", "task": "transcribe", **options})) == [
        Configure({"language": options.get("language") or ""}),
        Ping(),
    ]
    return codec


def final(text: str, **fields: Any) -> ChannelEvent:
    return ChannelEvent(0, 1, Final(0, 0, text, (), 0.75, 16_000, 19_840, LATENCY, **fields))


def partial(text: str) -> ChannelEvent:
    return ChannelEvent(0, 1, Partial(0, text, "", (), 0.9, 0, 16_000, -20.0, 0.0, 0, LATENCY))


def told(codec: WhisperLiveCodec, *events: Any) -> list[Any]:
    return [json.loads(message) for event in events for message in codec.encode(event)]


def test_it_is_ready_once_the_options_are_there() -> None:
    codec = opened(language=None, model="small", use_vad=True)
    assert told(codec, Pong()) == [{"uid": "me", "message": "SERVER_READY", "backend": "faster_whisper"}]
    assert codec.decode(b"\x00" * 5) == [Audio(b"\x00" * 5)]
    assert codec.decode(b"END_OF_AUDIO") == [Close()]
    assert WhisperLiveCodec().decode(b"\x00\x01") == []


def test_segments_grow_and_are_completed() -> None:
    codec = opened(send_last_n_segments=2)
    assert told(codec, partial("one")) == [
        {"uid": "me", "segments": [{"start": "0.000", "end": "1.000", "text": " one", "completed": False}]}
    ]
    language, first = told(codec, final("one two", language="en"))
    assert language == {"uid": "me", "language": "en", "language_prob": 1.0}
    assert first["segments"] == [{"start": "1.000", "end": "1.240", "text": " one two", "completed": True}]
    told(codec, final("three"), final(""))
    (newest,) = told(codec, partial("four"))
    assert [(it["text"], it["completed"]) for it in newest["segments"]] == [(" three", True), (" four", False)]
    assert told(codec, Closed("requested")) == []


def test_a_language_that_the_client_gives_is_not_told_it() -> None:
    assert [it.keys() for it in told(opened(language="en"), final("one", language="en"))] == [{"uid", "segments"}]


def test_a_full_house_is_a_wait() -> None:
    assert told(opened(), Failure("too_many_streams", "1 stream at most", fatal=True)) == [
        {"uid": "me", "status": "WAIT", "message": 1.0}
    ]


def test_troubles_are_told() -> None:
    codec = opened()
    assert told(codec, Failure("engine_failed", "broken")) == [{"uid": "me", "status": "WARNING", "message": "broken"}]
    assert told(codec, Failure("internal", "gone", fatal=True))[0]["status"] == "ERROR"
    assert codec.close_frame(Closed("requested"))[0] == 1000


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        '{"uid": 3}',
        '{"uid": "a", "task": "translate"}',
        '{"uid": "a", "language": 3}',
        '{"uid":"a","send_last_n_segments":"x"}',
    ],
)
def test_what_cannot_be_done_is_refused(message: str) -> None:
    codec = WhisperLiveCodec()
    with pytest.raises(ProtocolError):
        codec.decode(message)
    assert codec.counters.malformed == 1
