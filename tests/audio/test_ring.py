"""The ring buffer, line by line of its contract (R1 to R8)."""

from __future__ import annotations

import gc
import os
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import numbered

from fastring import RingBuffer
from fastring.errors import (
    AudioFormatError,
    BufferClosedError,
    BufferFullError,
    BusyError,
    ConfigError,
    RangeLostError,
)

STARTS = [0, 2**31 - 7, 2**32 - 7, 2**63 - 1 - 100_000]


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_an_untouched_ring_costs_what_was_written_to_it_and_gives_it_back() -> None:
    def held_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = held_bytes()
    rings = [RingBuffer(16_000 * 40, touched=False) for _ in range(100)]  # 128 MB if they were full
    assert held_bytes() - before < 4e6
    second = numbered(0, 16_000)
    for ring in rings:
        ring.write(second)
    assert 2e6 < held_bytes() - before < 8e6  # 32 kB each
    assert (rings[7].read(16_000) == second).all()
    del rings, ring
    assert held_bytes() - before < 2e6


# --- R1, R2, R4: capacity, indices, wraparound ---------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 32])
@pytest.mark.parametrize("capacity", [1, 2, 5, 64, 1000])
def test_what_is_written_is_read(capacity: int, channels: int, dtype: Any, start: int) -> None:
    ring = RingBuffer(capacity, channels, dtype, start_index=start)
    rng = np.random.default_rng(capacity)
    at = start
    for _ in range(50):
        frames = int(rng.integers(0, capacity + 1))
        audio = numbered(at, frames, channels, dtype)
        assert ring.write(audio) == frames
        got = ring.read()
        assert got.dtype == ring.dtype == np.dtype(dtype)
        assert got.shape == audio.shape
        np.testing.assert_array_equal(got, audio)
        at += frames
        assert ring.write_index == ring.position == at
    assert ring.dropped == 0


@settings(max_examples=150, deadline=None)
@given(
    capacity=st.integers(1, 50),
    channels=st.integers(1, 3),
    start=st.sampled_from(STARTS),
    steps=st.lists(
        st.tuples(st.sampled_from(["write", "read", "read_into", "peek", "read_at", "reset"]), st.integers(0, 120)),
        max_size=40,
    ),
)
def test_it_behaves_like_a_deque(capacity: int, channels: int, start: int, steps: list[tuple[str, int]]) -> None:
    ring = RingBuffer(capacity, channels, start_index=start)
    held: deque[int] = deque(maxlen=capacity)  # indices held
    unread: deque[int] = deque()
    written, dropped, total_read, overflows = start, 0, 0, 0
    for action, n in steps:
        if action == "write":
            ring.write(numbered(written, n, channels))
            overflows += len(unread) + n > capacity
            held.extend(range(written, written + n))
            unread.extend(range(written, written + n))
            written += n
            while len(unread) > capacity:
                unread.popleft()
                dropped += 1
        elif action == "reset":
            ring.reset()
            held.clear()
            unread.clear()
            dropped = total_read = overflows = 0
            start = written
        elif action == "read_at":
            first = held[0] if held else written
            k = min(n, len(held))
            np.testing.assert_array_equal(ring.read_at(first, k), numbered(first, k, channels))
            with pytest.raises(RangeLostError):
                ring.read_at(first - 1, 1)
            with pytest.raises(RangeLostError):
                ring.read_at(first, len(held) + 1)
        else:
            expected = [unread[i] for i in range(min(n, len(unread)))]
            first = expected[0] if expected else written
            if action == "read":
                got = ring.read(n)
            elif action == "read_into":
                out = np.full((n, channels), -1, np.int16)
                got = out[: ring.read_into(out)]
            else:
                got = ring.peek(n).copy()
                assert len(got) == len(expected) or (got.shape[0] + first) % capacity == 0
                expected = expected[: len(got)]
                assert ring.commit(len(got)) == 0
            assert len(got) == len(expected)
            np.testing.assert_array_equal(
                np.reshape(got, (-1, channels)), np.reshape(numbered(first, len(expected), channels), (-1, channels))
            )
            for _ in expected:
                unread.popleft()
            total_read += len(expected)
        stats = ring.stats()
        assert ring.write_index == written
        assert ring.available == stats.used == len(unread)
        assert stats.held == len(held)
        assert stats.total_written == written - start
        assert (stats.total_read, stats.dropped, stats.overflows) == (total_read, dropped, overflows)
        assert len(unread) <= stats.high_water <= capacity
        assert stats.usage == len(unread) / capacity


@settings(max_examples=150, deadline=None)
@given(
    capacity=st.integers(1, 50),
    channels=st.integers(1, 3),
    start=st.sampled_from(STARTS),
    overflow=st.sampled_from(["drop_oldest", "reject"]),
    steps=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=40),
)
def test_writing_in_place_is_writing(
    capacity: int, channels: int, start: int, overflow: Any, steps: list[tuple[int, int, bool]]
) -> None:
    in_place, plain = (RingBuffer(capacity, channels, overflow=overflow, start_index=start) for _ in range(2))
    for wanted, reading, whole in steps:
        audio = numbered(plain.write_index, wanted, channels)
        try:
            view = in_place.reserve(wanted)
        except BufferFullError:
            free = capacity - plain.stats().used
            run = min(wanted, capacity - plain.write_index % capacity)
            assert overflow == "reject"
            assert run > free
            with pytest.raises(BufferFullError, match=f"{run} frames do not fit: {free} of"):
                plain.write(audio[:run])
            continue
        assert view.shape == audio[: len(view)].shape
        assert len(view) == min(wanted, capacity - plain.write_index % capacity)
        view[...] = audio[: len(view)]
        if whole or overflow == "reject":
            published = len(view) if whole else len(view) // 2
            assert in_place.publish(published) == plain.write(audio[:published]) == published
        else:
            in_place.publish(len(view))
            plain.write(audio[: len(view)])
        np.testing.assert_array_equal(in_place.read(reading), plain.read(reading))
        # What is published short on a reject ring still costs frames that were read already.
        assert in_place.stats()._replace(held=0) == plain.stats()._replace(held=0)
        assert (in_place.write_index, in_place.position) == (plain.write_index, plain.position)
        oldest, held = in_place.oldest_index, in_place.stats().held
        np.testing.assert_array_equal(in_place.read_at(oldest, held), plain.read_at(oldest, held))


def test_a_reservation_is_the_writers_until_it_is_published() -> None:
    ring = RingBuffer(10)
    view = ring.reserve(4)
    assert view.flags.writeable
    assert view.base is ring
    with pytest.raises(BusyError, match="4 frames are reserved: publish them first"):
        ring.write(numbered(0, 1))
    with pytest.raises(BusyError, match="4 frames are reserved"):
        ring.reserve(1)
    with pytest.raises(ConfigError, match="cannot publish 5 frames, 4 are reserved"):
        ring.publish(5)
    with pytest.raises(ConfigError, match="n must be at least 0, not -1"):
        ring.publish(-1)
    with pytest.raises(ConfigError, match="n must be at least 0, not -1"):
        ring.reserve(-1)
    assert ring.available == 0
    view[:3] = [1, 2, 3]
    assert ring.publish(3) == 3
    assert ring.read().tolist() == [1, 2, 3]
    with pytest.raises(ConfigError, match="cannot publish 1 frames, 0 are reserved"):
        ring.publish(1)
    assert len(ring.reserve(99)) == 7  # up to the wrap
    assert ring.publish(0) == 0
    ring.reserve(2)
    ring.reset()
    assert ring.write(numbered(0, 2)) == 2
    ring.reserve(2)
    ring.close()
    with pytest.raises(BufferClosedError):
        ring.publish(2)
    with pytest.raises(BufferClosedError):
        ring.reserve(2)
    assert ring.write_index == 5


def test_a_reserved_view_keeps_the_ring_alive() -> None:
    view = RingBuffer(10, 2, "float32").reserve(5)
    gc.collect()
    view[...] = 0.5
    assert view.shape == (5, 2)
    assert view.sum() == 5


def test_an_index_past_the_last_is_refused() -> None:
    ring = RingBuffer(10, start_index=2**63 - 4)
    with pytest.raises(OverflowError, match="2\\*\\*63"):
        ring.write(numbered(0, 4))
    assert ring.write(numbered(0, 3)) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"capacity": 0}, "capacity must be 1 to"),
        ({"capacity": -1}, "capacity must be 1 to"),
        ({"capacity": 8, "channels": 0}, "channels must be 1 to 32, not 0"),
        ({"capacity": 8, "channels": 33}, "channels must be 1 to 32, not 33"),
        ({"capacity": 8, "overflow": "grow"}, 'overflow must be "drop_oldest" or "reject", not "grow"'),
        ({"capacity": 8, "start_index": -1}, "start_index must be at least 0, not -1"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RingBuffer(**settings)


@pytest.mark.parametrize("dtype", ["float64", None])
def test_another_dtype_is_named(dtype: Any) -> None:
    with pytest.raises(AudioFormatError, match=f"dtype must be int16 or float32, not {dtype!r}"):
        RingBuffer(8, dtype=dtype)


# --- R5: conversion on the way out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_int16_is_read_as_float32(channels: int) -> None:
    ring = RingBuffer(2000, channels, np.int16)
    for start in (0, 1500, 3000):
        audio = numbered(start, 1500, channels)
        expected = (audio / 32768).astype(np.float32)
        ring.write(audio)
        got = ring.read(700, "float32")
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected[:700])
        out = np.empty(800 * channels, np.float32)
        assert ring.read_into(out) == 800
        np.testing.assert_array_equal(out.reshape(got.shape[0] + 100, -1), expected[700:].reshape(800, -1))
    ring.write(np.full((1, channels) if channels > 1 else 1, -32768, np.int16))
    assert (ring.read(dtype=np.float32) == -1.0).all()


def test_float32_is_read_as_int16() -> None:
    ring = RingBuffer(10, dtype="float32")
    ring.write(np.array([-1, 1, 0.5, np.nan, 2, -np.inf, 0.5 / 32768, 1.5 / 32768], np.float32))
    assert ring.read(dtype="int16").tolist() == [-32768, 32767, 16384, 0, 32767, -32768, 0, 2]


@pytest.mark.parametrize("dtype", ["float64", np.int32, 3, object()])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    ring = RingBuffer(10)
    ring.write(b"\0\0")
    with pytest.raises(AudioFormatError, match="dtype must be int16 or float32"):
        ring.read(1, dtype)
    assert ring.available == 1


# --- R7: statistics, reset, close, chunks --------------------------------------------------------------------------


def test_stats_name_everything() -> None:
    ring = RingBuffer(10)
    ring.write(numbered(0, 8))
    ring.read(5)
    ring.write(numbered(8, 9))
    stats = ring.stats()
    assert stats == (10, 10, 10, 17, 5, 1, 2, 10)
    assert stats._asdict() == {
        "capacity": 10,
        "held": 10,
        "used": 10,
        "total_written": 17,
        "total_read": 5,
        "overflows": 1,
        "dropped": 2,
        "high_water": 10,
    }
    assert stats.usage == 1.0


def test_reset_forgets_and_indices_go_on() -> None:
    ring = RingBuffer(10)
    ring.write(numbered(0, 25))
    ring.reset()
    assert ring.stats() == (10, 0, 0, 0, 0, 0, 0, 0)
    assert (ring.available, ring.write_index, ring.oldest_index) == (0, 25, 25)
    ring.write(numbered(25, 4))
    np.testing.assert_array_equal(ring.read(), numbered(25, 4))
    assert ring.lost() == []


def test_a_closed_ring_refuses_writes_and_keeps_its_audio() -> None:
    with RingBuffer(10) as ring:
        ring.write(numbered(0, 5))
    assert ring.closed
    with pytest.raises(BufferClosedError, match="the ring is closed"):
        ring.write(numbered(5, 5))
    np.testing.assert_array_equal(ring.read_at(0, 5), numbered(0, 5))
    np.testing.assert_array_equal(ring.read(), numbered(0, 5))
    ring.close()
