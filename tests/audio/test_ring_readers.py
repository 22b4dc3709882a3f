"""Readers of a ring: what they lost, how they look in place, and who holds up whom."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from synthetic import numbered

from fastring import LostRange, RingBuffer
from fastring.errors import (
    BufferClosedError,
    BufferFullError,
    ConfigError,
    RangeLostError,
)


def test_a_reader_learns_exactly_what_it_lost() -> None:
    ring = RingBuffer(10, start_index=100)
    ring.write(numbered(100, 8))
    assert len(ring.read(3)) == 3
    ring.write(numbered(108, 9))
    assert (ring.dropped, ring.available, ring.position) == (4, 10, 107)
    np.testing.assert_array_equal(ring.read(), numbered(107, 10))
    assert ring.lost() == [LostRange(103, 4)]
    assert ring.lost() == []
    assert ring.stats().dropped == 4


def test_a_write_longer_than_the_ring_keeps_its_end() -> None:
    ring = RingBuffer(10)
    assert ring.write(numbered(0, 35)) == 35
    np.testing.assert_array_equal(ring.read(), numbered(25, 10))
    assert ring.lost() == [(0, 25)]


def test_readers_are_independent() -> None:
    ring = RingBuffer(10)
    first, second = ring.reader(), ring.reader()
    ring.write(numbered(0, 6))
    np.testing.assert_array_equal(first.read(), numbered(0, 6))
    ring.write(numbered(6, 6))
    assert (first.dropped, second.dropped) == (0, 2)
    np.testing.assert_array_equal(second.read(4), numbered(2, 4))
    late = ring.reader(ring.write_index)
    assert late.available == 0
    assert ring.reader().position == 2
    with pytest.raises(RangeLostError, match="index 1 is not held: the ring holds 2 to 12"):
        ring.reader(1)
    with pytest.raises(RangeLostError):
        ring.reader(13)


def test_the_rings_own_reader_counts_only_if_it_is_used() -> None:
    ring = RingBuffer(10, overflow="reject")
    reader = ring.reader()
    for i in range(5):
        ring.write(numbered(8 * i, 8))
        assert len(reader.read()) == 8
    assert ring.stats().dropped == 0
    assert ring.stats().used == 0
    ring.read()  # from now on it counts
    ring.write(numbered(40, 8))
    reader.read()
    with pytest.raises(BufferFullError):
        ring.write(numbered(48, 8))


def test_a_closed_reader_holds_up_nobody_and_its_losses_stay_counted() -> None:
    ring = RingBuffer(10, overflow="reject")
    with ring.reader() as reader:
        ring.write(numbered(0, 10))
        with pytest.raises(BufferFullError, match="3 frames do not fit: 0 of 10 are free"):
            ring.write(numbered(10, 3))
    assert reader.closed
    ring.write(numbered(10, 3))
    with pytest.raises(BufferClosedError):
        reader.read()
    dropping = RingBuffer(10)
    with dropping.reader():
        dropping.write(numbered(0, 13))
    assert dropping.stats().dropped == 3


def test_a_collected_reader_holds_up_nobody() -> None:
    ring = RingBuffer(10, overflow="reject")
    reader = ring.reader()
    ring.write(numbered(0, 10))
    del reader
    gc.collect()
    assert ring.write(numbered(10, 10)) == 10


def test_a_reader_keeps_its_ring_alive() -> None:
    ring = RingBuffer(10)
    ring.write(numbered(0, 5))
    reader, view = ring.reader(), ring.peek()
    del ring
    gc.collect()
    np.testing.assert_array_equal(view, numbered(0, 5))
    np.testing.assert_array_equal(reader.read(), numbered(0, 5))


def test_reject_refuses_whole_and_changes_nothing() -> None:
    ring = RingBuffer(10, overflow="reject")
    ring.write(numbered(0, 7))
    with pytest.raises(BufferFullError):
        ring.write(numbered(7, 4))
    assert (ring.write_index, ring.stats().overflows) == (7, 1)
    ring.write(numbered(7, 3))
    np.testing.assert_array_equal(ring.read(), numbered(0, 10))
    with pytest.raises(BufferFullError):
        ring.write(numbered(10, 11))


def test_read_at_neither_moves_nor_loses() -> None:
    ring = RingBuffer(100)
    ring.write(numbered(0, 250))
    np.testing.assert_array_equal(ring.read_at(170, 50), numbered(170, 50))
    np.testing.assert_array_equal(ring.read_at(150, 100, "float32"), numbered(150, 100, 1, "float32"))
    assert ring.position == 150
    with pytest.raises(RangeLostError, match=r"frames 149 to 149 \+ 2 are not held: the ring holds 150 to 250"):
        ring.read_at(149, 2)
    with pytest.raises(RangeLostError):
        ring.read_at(249, 2)
    with pytest.raises(RangeLostError):
        ring.read_at(0, 2**62)
    with pytest.raises(ConfigError, match="n must be at least 0"):
        ring.read_at(200, -1)


def test_peek_is_the_ring_itself_and_commit_tells() -> None:
    ring = RingBuffer(10)
    ring.write(numbered(0, 8))
    view = ring.peek()
    assert not view.flags.writeable
    assert not view.flags.owndata
    np.testing.assert_array_equal(view, numbered(0, 8))
    assert len(ring.peek(3)) == 3
    assert ring.commit(6) == 0
    ring.write(numbered(8, 6))
    assert len(ring.peek()) == 4  # up to the wrap
    ring.write(numbered(14, 4))  # overwrites two of them
    assert ring.commit(4) == 2
    assert ring.dropped == 2
    assert ring.lost() == [(6, 2)]
    with pytest.raises(ConfigError, match="cannot commit 9 frames, 8 are available"):
        ring.commit(9)
    with pytest.raises(ConfigError, match="at least 0"):
        ring.commit(-1)
    assert ring.available == 8


def test_a_reader_shows_where_it_is() -> None:
    ring = RingBuffer(4)
    reader = ring.reader()
    ring.write(np.zeros(6, np.int16))
    assert repr(reader) == "<RingReader at 2, 4 frames to read, 2 dropped>"
    reader.close()
    assert "closed" in repr(reader)
