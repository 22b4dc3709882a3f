from __future__ import annotations

import json
from typing import Any

import pytest

from fastring.errors import ProtocolError
from fastring.events import (
    Audio,
    ChannelEvent,
    Close,
    Closed,
    Failure,
    Final,
    Latency,
    Partial,
    Ping,
    Pong,
    Word,
)
from fastring.protocols.vosk import VoskCodec

LATENCY = Latency(0, 0, 0, 0)


def final(text: str) -> ChannelEvent:
    words = tuple(Word(word, 16_000 * n, 16_000 * (n + 1), 0.75) for n, word in enumerate(text.split()))
    return ChannelEvent(0, 1, Final(0, 0, text, words, 0.75, 0, 16_000, LATENCY))


def partial(text: str) -> ChannelEvent:
    return ChannelEvent(0, 1, Partial(0, text, "", (), 0.9, 0, 16_000, -20.0, 0.0, 0, LATENCY))


def replies(codec: VoskCodec, *events: Any) -> list[Any]:
    return [json.loads(message) for event in events for message in codec.encode(event)]


def test_each_chunk_has_one_reply() -> None:
    codec = VoskCodec()
    assert codec.decode(b"\x00\x01\x02") == [Audio(b"\x00\x01\x02"), Ping()]
    assert replies(codec, Pong()) == [{"partial": ""}]
    assert replies(codec, partial("One"), Pong(), Pong()) == [{"partial": "one"}, {"partial": "one"}]
    one = {"word": "one", "start": 0.0, "end": 1.0, "conf": 0.75}
    assert replies(codec, final("One."), final("Two"), Pong(), Pong(), Pong()) == [
        {"result": [one], "text": "one"},
        {"result": [{**one, "word": "two"}], "text": "two"},
        {"partial": ""},
    ]


def test_the_end_tells_what_is_left() -> None:
    codec = VoskCodec()
    assert codec.decode('{"eof" : 1}') == [Close()]
    assert replies(codec, final(""), Closed("requested")) == [{"text": ""}]
    assert replies(codec, final("a"), final("b"), Closed("requested"))[0]["text"] == "a b"
    assert codec.close_frame(Closed("requested"))[0] == 1000


def test_the_client_configures() -> None:
    codec = VoskCodec()
    assert codec.sample_rate == 8_000
    assert codec.decode('{"config": {"sample_rate": 44100.0, "words": false, "phrase_list": ["a"]}}') == []
    assert codec.sample_rate == 44_100
    assert codec.decode('{"config": {"sample_rate": "16000"}}') == []
    assert codec.sample_rate == 16_000
    assert replies(codec, final("one"), Pong()) == [{"text": "one"}]
    codec.decode('{"config": {"max_alternatives": 3}}')
    assert replies(codec, final("one"), Pong()) == [{"alternatives": [{"text": "one", "confidence": 0.75}]}]


@pytest.mark.parametrize(
    "message",
    ["", "[]", '{"config": 3}', '{"config": {"sample_rate": 7}}', '{"config": {"sample_rate": "x"}}', b"x" * 101],
)
def test_what_cannot_be_read_is_refused_in_silence(message: str | bytes) -> None:
    codec = VoskCodec(max_message_bytes=100)
    with pytest.raises(ProtocolError) as caught:
        codec.decode(message)
    assert replies(codec, Failure(caught.value.code, "no")) == []
    assert codec.counters.malformed == 1
