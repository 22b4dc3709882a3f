"""Messages that nobody would send, mutated from those that somebody does: taken, or refused with a code."""

from __future__ import annotations

import base64
import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from fastring.errors import ProtocolError
from fastring.protocols.native import NativeCodec
from fastring.protocols.native_sources import SourcesCodec

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.protocols.codec import Message

CORPUS: list[Message] = [
    bytes(640),
    b"\x07\x00\x00\x00" + bytes(640),
    json.dumps({"type": "audio", "source": "mic", "seq": 3, "data": base64.b64encode(bytes(64)).decode()}),
    '{"type":"finalize","source":"mic"}',
    '{"type":"close"}',
    '{"type":"ping"}',
    '{"type":"resume","token":"abc","last_seq":7,"oldest_sample":160000}',
    '{"type":"source","source":"line","priority":-3,"sample_rate":48000,"channels":2}',
    '{"command":"get_stats"}',
]
PIECES = ["{", "}", "[", "]", '"', "\\", "\\u0000", "\ud800", "null", "1e999", "-1", "NaN", "9" * 40, "\x00", "[" * 50]
CODES = {
    "invalid_json",
    "unknown_type",
    "invalid_base64",
    "odd_length",
    "partial_frame",
    "message_too_large",
    "invalid_field",
    "too_many_streams",
}


def mutated(message: Message, chance: random.Random) -> Message:
    """The message with a few pieces left out, put in or doubled."""
    for _ in range(chance.randrange(1, 4)):
        at, to = sorted(chance.randrange(len(message) + 1) for _ in range(2))
        kind = chance.randrange(4)
        if isinstance(message, bytes):
            piece = bytes(chance.randrange(256) for _ in range(chance.randrange(5)))
            message = [message[:at] + message[to:], message[:at] + piece + message[at:], message[at:to] * 2, piece][
                kind
            ]
        else:
            text = chance.choice(PIECES)
            message = [message[:at] + message[to:], message[:at] + text + message[at:], message[at:to] * 2, text][kind]
    return message


def throw(count: int, seed: int) -> int:
    """So many messages at each kind of codec; how many of them were taken."""
    chance = random.Random(seed)
    taken = 0
    for number in range(count):
        if number % 1000 == 0:
            codecs = [
                NativeCodec("s"),
                NativeCodec("s", framing="seq32", encoding="float32", channels=2, max_message_bytes=600),
                NativeCodec("s", encoding="container"),
                SourcesCodec("s", max_sources=4),
            ]
        codec = codecs[number % len(codecs)]
        try:
            codec.decode(mutated(chance.choice(CORPUS), chance))
            taken += 1
        except ProtocolError as error:
            check(error)
    return taken


def check(error: ProtocolError) -> None:
    assert error.code in CODES
    assert str(error).isprintable()
    assert len(str(error)) < 300


def test_mutated_messages_are_taken_or_refused_with_a_code() -> None:
    assert 0 < throw(5_000, 1) < 5_000


@pytest.mark.full
def test_a_million_of_them(figures: Callable[[str], None]) -> None:
    started = time.monotonic()
    taken = throw(1_000_000, 2)
    figures(f"1,000,000 mutated messages in {time.monotonic() - started:.0f} s, {taken} of them taken")
    assert 0 < taken < 1_000_000
