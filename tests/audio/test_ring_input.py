"""What a ring takes and what it refuses: every bad input is named and changes nothing (R8)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastring import RingBuffer, RingReader
from fastring.errors import AudioFormatError, ConfigError, FastringError

BAD_INPUT: list[tuple[str, dict[str, Any], Any, str]] = [
    ("odd-bytes", {}, b"abc", "3 bytes are no whole number of int16 samples of 2 bytes"),
    ("half-frame", {"channels": 2}, b"abcdef", "3 samples is no whole number of frames of 2 channels"),
    ("float-bytes", {"dtype": "float32"}, b"abcdef", "6 bytes are no whole number of float32 samples of 4 bytes"),
    ("float64", {}, np.zeros(4), "expected int16 samples, as an array or raw bytes, not an array of float64"),
    ("float32-to-int16", {}, np.zeros(4, np.float32), "not an array of float32"),
    ("int16-to-float32", {"dtype": "float32"}, np.zeros(4, np.int16), "expected float32 samples"),
    ("big-endian", {}, np.zeros(4, ">i2"), "not an array of >i2"),
    ("uint16", {}, np.zeros(4, np.uint16), "not an array of uint16"),
    ("strided", {}, np.zeros(8, np.int16)[::2], "expected a C-contiguous array"),
    ("fortran", {"channels": 2}, np.zeros((4, 2), np.int16, order="F"), "expected a C-contiguous array"),
    ("wrong-channels", {}, np.zeros((4, 2), np.int16), r"shape \(4, 2\) is no whole number of frames of 1 channel"),
    ("wrong-channels-2", {"channels": 2}, np.zeros((4, 3), np.int16), r"shape \(4, 3\)"),
    ("wrong-samples", {"channels": 2}, np.zeros(5, np.int16), "5 samples is no whole number of frames of 2"),
    ("3d", {}, np.zeros((2, 2, 1), np.int16), r"shape \(2, 2, 1\)"),
    ("0d", {}, np.array(3, np.int16), r"shape \(\)"),
    ("list", {}, [1, 2], "not an object of type list"),
    ("str", {}, "ab", "not an object of type str"),
    ("none", {}, None, "not an object of type NoneType"),
    ("typed-memoryview", {}, memoryview(np.zeros(2, np.float32)), "buffer of format 'f'"),
    ("strided-memoryview", {}, memoryview(bytes(8))[::2], "expected a contiguous buffer"),
]


@pytest.mark.parametrize(
    ("settings", "audio", "message"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT]
)
def test_bad_audio_is_named_and_changes_nothing(settings: dict[str, Any], audio: Any, message: str) -> None:
    ring = RingBuffer(10, **settings)
    before = ring.stats()
    with pytest.raises(AudioFormatError, match=message):
        ring.write(audio)
    assert ring.stats() == before


@pytest.mark.parametrize(
    "audio",
    [
        b"\1\0\2\0",
        bytearray(b"\1\0\2\0"),
        memoryview(b"\1\0\2\0"),
        memoryview(b"x\1\0\2\0")[1:],
        memoryview(np.array([1, 2], np.int16)),
        np.array([1, 2], np.int16),
        np.array([1, 2], "<i2"),
        np.array([[1], [2]], np.int16),
        np.frombuffer(b"x\1\0\2\0", np.int16, offset=1),
    ],
    ids=lambda audio: type(audio).__name__,
)
def test_every_form_of_audio_is_taken(audio: Any) -> None:
    ring = RingBuffer(10)
    assert ring.write(audio) == 2
    assert ring.read().tolist() == [1, 2]


def test_empty_audio_is_no_frames() -> None:
    ring = RingBuffer(10, 2)
    assert ring.write(b"") == ring.write(np.zeros(0, np.int16)) == ring.write(np.zeros((0, 2), np.int16)) == 0
    assert ring.read().shape == (0, 2)
    assert ring.read_into(np.zeros(0, np.int16)) == 0


def test_output_of_the_wrong_kind_is_refused() -> None:
    ring = RingBuffer(10, 2)
    ring.write(np.arange(8, dtype=np.int16).reshape(4, 2))
    read_only = np.zeros(4, np.int16)
    read_only.flags.writeable = False
    for out, message in [
        (np.zeros(4), "expected int16 or float32 samples.* not an array of float64$"),
        (np.zeros(8, np.int16)[::2], "C-contiguous.*: read into a new array and copy from there"),
        (np.zeros(5, np.int16), "5 samples"),
        (np.zeros((4, 3), np.int16), r"\(4, 3\)"),
        (read_only, "read-only"),
        (b"abcd", "writable"),
        (bytearray(6), "3 samples"),
        (None, "NoneType"),
    ]:
        with pytest.raises(AudioFormatError, match=message):
            ring.read_into(out)
    assert ring.available == 4
    raw = bytearray(8)
    assert ring.read_into(raw) == 2
    assert raw == np.arange(4, dtype=np.int16).tobytes()


def test_bad_arguments_are_type_errors() -> None:
    ring = RingBuffer(10)
    calls: list[Any] = [
        lambda: ring.read("x"),
        lambda: ring.read(1, "int16", 3),
        lambda: ring.read(1, n=2),
        lambda: ring.read(m=2),
        lambda: ring.peek(1, 2),
        lambda: ring.write(),
        lambda: ring.write(b"", b""),
        lambda: RingBuffer.write(RingReader(ring), b""),
        lambda: RingBuffer.read(object()),
        lambda: RingBuffer.write(RingBuffer.__new__(RingBuffer), b""),
        lambda: RingBuffer.available.__get__(3),
        lambda: RingReader(RingBuffer.__new__(RingBuffer)),
        lambda: RingReader.__new__(RingReader).read(),
        lambda: copy.copy(ring),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    for name in ("read", "peek", "stats", "reset", "close", "lost", "__repr__"):
        with pytest.raises(TypeError):
            getattr(RingBuffer.__new__(RingBuffer), name)()
    with pytest.raises(ConfigError, match="n must be at least 0, not -1"):
        ring.read(-1)
    with pytest.raises(ConfigError, match=r"n must be below 2\*\*63, not "):
        ring.read(2**70)


def test_a_ring_that_memory_cannot_hold_says_how_large_it_would_be() -> None:
    with pytest.raises(MemoryError, match="no memory for a ring of 1152921504606846976 frames of 1 x int16: take less"):
        RingBuffer(2**60)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=100), channels=st.integers(1, 4), dtype=st.sampled_from(["int16", "float32"]))
def test_any_bytes_are_taken_whole_or_refused_whole(data: bytes, channels: int, dtype: Any) -> None:
    ring = RingBuffer(7, channels, dtype)
    frame = channels * np.dtype(dtype).itemsize
    try:
        frames = ring.write(data)
    except FastringError:
        assert len(data) % frame != 0
        assert ring.write_index == 0
        return
    assert frames * frame == len(data)
    assert ring.read().tobytes() == data[-7 * frame :]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ring: RingBuffer(1.5), "capacity must be a whole number, not 1.5"),
        (lambda ring: RingBuffer(8, channels="2"), "channels must be a whole number, not '2'"),
        (lambda ring: RingBuffer(8, overflow=3), 'overflow must be "drop_oldest" or "reject", not 3'),
        (lambda ring: RingBuffer(8, start_index=None), "start_index must be a whole number, not None"),
        (lambda ring: ring.read(1.5), "n must be a whole number, not 1.5"),
        (lambda ring: ring.peek("x" * 1000), r"n must be a whole number, not 'x{50,59}\.\.\."),
        (lambda ring: ring.commit(1.0), "n must be a whole number, not 1.0"),
        (lambda ring: ring.read_at("0", 1), "start must be a whole number, not '0'"),
        (lambda ring: ring.reader("0"), "start must be a whole number, not '0'"),
    ],
)
def test_a_wrong_type_is_named_in_one_line(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        call(RingBuffer(8))


def test_numbers_too_large_for_a_machine_word_are_out_of_range() -> None:
    with pytest.raises(ConfigError, match=r"capacity must be below 2\*\*63, not 1180591620717411303424"):
        RingBuffer(2**70)
    with pytest.raises(ConfigError, match=r"channels must be below 2\*\*31, not 1099511627776"):
        RingBuffer(8, 2**40)
