from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.audio import feed as rooms
from fastring.audio.feed import Feed, ForwardFeed, SeekableFeed, look_for_index, read_to
from fastring.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def ended(data: bytes) -> Feed:
    """A feed whose bytes are all there already, so that no read waits."""
    feed = Feed(1000)
    feed.end()
    feed._pending += data
    return feed


def reading(feed: Feed, step: Callable[[], None]) -> threading.Thread:
    """FFmpeg's side: `step` in a thread, and then nothing more."""

    def run() -> None:
        step()
        feed.finish(None)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_giving_returns_when_all_was_read_and_more_is_asked_for() -> None:
    feed, heard = Feed(1000), bytearray()

    def step() -> None:
        while data := feed.read(3):
            heard.extend(data)
            feed.put(np.full(len(data), 0.5, np.float32))

    thread = reading(feed, step)
    for piece in (b"abcdefg", b"h", b"ijkl"):
        feed.give(piece)
        assert len(feed.take()) == len(piece)
    feed.end()
    thread.join(5)
    assert heard == b"abcdefghijkl"
    assert len(feed.take()) == 0


def test_a_failure_is_told_after_what_came_before_it() -> None:
    feed = Feed(1000)
    feed.put(np.ones(4, np.float32))
    feed.finish(DecodeError("broken"))
    assert len(feed.take()) == 4
    for _ in range(2):
        with pytest.raises(DecodeError, match="broken"):
            feed.take()
    feed.give(b"nobody reads it, and nobody waits")


def test_one_burst_is_bounded_and_each_take_begins_another() -> None:
    feed = Feed(10)
    for _ in range(3):
        feed.put(np.ones(10, np.float32))
        feed.take()
    feed.put(np.ones(10, np.float32))
    with pytest.raises(DecodeError, match="more than 10 samples"):
        feed.put(np.ones(1, np.float32))


@pytest.mark.parametrize("kind", [ForwardFeed, SeekableFeed])
def test_what_was_looked_at_is_read_again(kind: type[ForwardFeed | SeekableFeed]) -> None:
    file = kind(ended(b"cdefg"), b"ab")
    assert b"".join(iter(lambda: file.read(3), b"")) == b"abcdefg"


def test_a_file_can_be_sought_from_the_start_here_and_the_end() -> None:
    file = SeekableFeed(ended(b"cdefg"), b"ab")
    assert (file.seek(-2, 2), file.read(9)) == (5, b"fg")
    assert (file.seek(1), file.read(2), file.tell()) == (1, b"bc", 3)
    assert (file.seek(1, 1), file.read(1)) == (4, b"e")
    assert (file.seek(-99, 1), file.read(1)) == (0, b"a")
    assert (file.seek(50), file.read(1)) == (50, b"")


def test_what_is_kept_for_seeking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MAX_RETAINED_BYTES", 10)
    with pytest.raises(DecodeError, match="its index"):
        SeekableFeed(ended(b"x" * 11), b"").seek(0, 2)


@pytest.mark.parametrize(
    ("boxes", "indexed"),
    [
        (box(b"ftyp", b"isom") + box(b"moov") + box(b"mdat"), True),
        (box(b"ftyp", b"isom") + box(b"free", b"12") + box(b"moof"), True),
        (box(b"ftyp", b"isom") + box(b"mdat", b"1234"), False),
        (box(b"ftyp", b"isom") + b"\x00\x00\x00\x00moov", True),
        (box(b"ftyp", b"isom") + b"\x00\x00\x00\x01free", False),
        (box(b"ftyp", b"isom"), False),
        (box(b"free", b"1" * 9) * 10_000, False),
    ],
    ids=["in-front", "fragments", "behind", "to-the-end", "size-of-64-bits", "nothing", "never"],
)
def test_an_index_in_front_is_found(boxes: bytes, indexed: bool) -> None:
    feed = ended(boxes)
    begun, found = look_for_index(feed, read_to(feed, b"", 12))
    assert found == indexed
    assert boxes.startswith(begun)
