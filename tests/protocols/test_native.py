from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.errors import ProtocolError
from fastring.events import Ack, Audio, Close, Closed, Control, Failure, Finalize, Ping, Pong, Resume
from fastring.protocols.messages import write_object
from fastring.protocols.native import SAMPLE_BYTES, NativeCodec
from fastring.protocols.native_events import fields_of

CODES = {
    "invalid_json",
    "unknown_type",
    "invalid_base64",
    "odd_length",
    "partial_frame",
    "message_too_large",
    "invalid_field",
}


def audio_message(data: bytes, **fields: Any) -> str:
    return json.dumps({"type": "audio", "data": base64.b64encode(data).decode(), **fields})


def refusal(codec: NativeCodec, message: str | bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(message)
    return caught.value.code


@pytest.mark.parametrize(
    ("message", "commands"),
    [
        (b"\x01\x02", [Audio(b"\x01\x02")]),
        (b"", []),
        (audio_message(b"\x01\x02"), [Audio(b"\x01\x02")]),
        (audio_message(b"\x01\x02", source="mic", seq=3), [Audio(b"\x01\x02", "mic", 3)]),
        ('{"type": "finalize"}', [Finalize()]),
        ('{"type":"close","extra":{}}', [Close()]),
        ('{"type":"ping"}', [Ping()]),
        ('{"type":"resume","token":"t","last_seq":4,"oldest_sample":9}', [Resume("t", 4, 9)]),
        ('{"type":"resume","token":"t"}', [Resume("t", -1, 0)]),
        ('{"command":"get_stats"}', [Control("get_stats")]),
    ],
)
def test_messages_become_commands(message: str | bytes, commands: list[object]) -> None:
    codec = NativeCodec("s")
    assert codec.decode(message) == commands
    assert codec.counters.messages == 1
    assert codec.counters.malformed == 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "invalid_json"),
        ("[]", "invalid_json"),
        ("{}", "invalid_field"),
        ('{"type":3}', "invalid_field"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"command":"dance"}', "unknown_type"),
        ('{"type":"audio"}', "invalid_field"),
        ('{"type":"audio","data":7}', "invalid_field"),
        ('{"type":"audio","data":"?"}', "invalid_base64"),
        ('{"type":"audio","data":"AA=="}', "odd_length"),
        ('{"type":"audio","data":"","source":"a b"}', "invalid_field"),
        ('{"type":"audio","data":"","seq":-1}', "invalid_field"),
        ('{"type":"audio","data":"","seq":true}', "invalid_field"),
        ('{"type":"resume"}', "invalid_field"),
        ('{"type":"resume","token":"t","last_seq":-2}', "invalid_field"),
        (b"\x00", "odd_length"),
        (b"\x00" * 3001, "message_too_large"),
    ],
)
def test_what_is_wrong_is_named_and_counted(message: str | bytes, code: str) -> None:
    codec = NativeCodec("s", max_message_bytes=3000)
    assert refusal(codec, message) == code
    assert codec.counters.malformed == 1
    assert codec.decode(b"\x00\x00") == [Audio(b"\x00\x00")]


@pytest.mark.parametrize(
    ("encoding", "channels", "length", "code"),
    [
        ("linear16", 1, 5, "odd_length"),
        ("linear16", 2, 6, "partial_frame"),
        ("float32", 1, 7, "odd_length"),
        ("float32", 1, 6, "partial_frame"),
        ("float32", 2, 4, "partial_frame"),
        ("mulaw", 2, 3, "partial_frame"),
    ],
)
def test_cut_frames_are_refused(encoding: str, channels: int, length: int, code: str) -> None:
    assert refusal(NativeCodec("s", encoding=encoding, channels=channels), bytes(length)) == code


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "container"])
def test_bytes_may_be_cut_anywhere_where_a_sample_is_one(encoding: str) -> None:
    assert NativeCodec("s", encoding=encoding).decode(b"\x01" * 7) == [Audio(b"\x01" * 7)]


def test_seq32_numbers_are_taken_off_and_gaps_counted() -> None:
    codec = NativeCodec("s", framing="seq32")
    for number, missing in ((0, 0), (1, 0), (4, 2), (3, 0), (5, 0)):
        assert codec.decode(struct.pack("<I", number) + b"ab") == [Audio(b"ab", "system", number, missing)]
    assert (codec.counters.seq_gaps, codec.counters.late) == (2, 1)
    assert refusal(codec, b"\x00\x00\x00") == "partial_frame"
    assert refusal(codec, struct.pack("<I", 6) + b"a") == "odd_length"


def test_a_refused_message_leaves_its_number_unused() -> None:
    codec = NativeCodec("s", framing="seq32")
    codec.decode(struct.pack("<I", 0) + b"ab")
    refusal(codec, struct.pack("<I", 1) + b"a")
    codec.decode(struct.pack("<I", 2) + b"ab")
    assert codec.counters.seq_gaps == 1


def test_json_numbers_count_by_source() -> None:
    codec = NativeCodec("s")
    for source, number in [("a", 0), ("b", 10), ("a", 1), ("b", 12)]:
        codec.decode(audio_message(b"ab", source=source, seq=number))
    assert codec.counters.seq_gaps == 1


def test_many_sources_cost_no_memory() -> None:
    codec = NativeCodec("s")
    for number in range(500):
        codec.decode(audio_message(b"ab", source=f"s{number}", seq=number))
    assert len(codec._series) <= 65


@given(st.binary(max_size=200) | st.text(max_size=200), st.sampled_from(sorted(SAMPLE_BYTES)), st.integers(1, 3))
def test_any_message_means_something_or_is_refused(message: str | bytes, encoding: str, channels: int) -> None:
    codec = NativeCodec("s", encoding=encoding, channels=channels, framing="raw")
    try:
        commands = codec.decode(message)
    except ProtocolError as error:
        assert error.code in CODES  # noqa: PT017
        assert error.close_code is None  # noqa: PT017
        assert codec.counters.malformed == 1
    else:
        assert len(commands) <= 1


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["type", "data", "source", "seq", "token", "last_seq", "oldest_sample", "command"])
TYPES = st.sampled_from(["audio", "finalize", "close", "ping", "resume", "analysis", "error"])


@given(st.dictionaries(FIELDS, JSON_LIKE | TYPES, max_size=5))
def test_any_object_means_something_or_is_refused(value: dict[str, object]) -> None:
    try:
        NativeCodec("s").decode(json.dumps(value))
    except ProtocolError as error:
        assert error.code in CODES  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017


@pytest.mark.parametrize("stream_id", ["mic", 'a"b\\c', "\u043c\u0438\u043a", "\ud800"])
def test_an_acknowledgement_is_written_as_any_other_message(stream_id: str) -> None:
    codec = NativeCodec(stream_id)
    for ack in (Ack(0, 0), Ack(16_000, 320), Ack(2**62, 2**62 - 1), Ack(5, 4, resume_token="t"), Ack(5, 4, 9)):
        name, fields = fields_of(ack, 16_000)
        assert codec.encode(ack) == (write_object({"type": name, "stream_id": stream_id, **fields}),)


def test_every_message_bears_type_and_stream() -> None:
    codec = NativeCodec("room-1")
    assert list(codec.encode(Pong())) == ['{"type":"pong","stream_id":"room-1"}']
    (closed,) = codec.encode(Closed("requested", {"messages": 3}))
    assert json.loads(closed) == {
        "type": "closed",
        "stream_id": "room-1",
        "reason": "requested",
        "stats": {"messages": 3},
    }
    (failure,) = codec.encode(Failure("invalid_json", "no"))
    assert json.loads(failure) == {
        "type": "error",
        "stream_id": "room-1",
        "code": "invalid_json",
        "message": "no",
        "fatal": False,
    }
