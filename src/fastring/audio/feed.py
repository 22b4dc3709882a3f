"""Where a stream that is pushed meets a reader that pulls: bytes of a container one way, decoded samples the other.

FFmpeg reads from a `Feed` in a thread of its own, through a file that it can seek or one that it cannot; the owner of
the stream hands bytes over and takes what was made of them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fastring.errors import DecodeError, FastringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Feed", "ForwardFeed", "Mailbox", "SeekableFeed", "look_for_index", "read_to"]

_MAX_BOXES_BYTES = 1 << 16  # of an MP4 before its index or its audio

MAX_RETAINED_BYTES = 64 << 20  # of an MP4 that says only at its end what it holds


class Mailbox(Protocol):
    """What FFmpeg's side needs of a feed."""

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes`; waits for the first. Nothing at the end."""
        ...

    def put(self, samples: NDArray[np.float32]) -> None:
        """Leave decoded samples for the owner.

        Raises:
            DecodeError: one message holds more of them than it may.
        """
        ...

    def finish(self, failure: FastringError | None) -> None:
        """Nothing more comes, because of a failure or without one."""
        ...


class Feed:
    """Where the two sides of a decoder meet: a file to FFmpeg, a mailbox to its owner."""

    def __init__(self, max_burst_samples: int) -> None:
        self._changed = threading.Condition()
        self._pending = bytearray()
        self._hungry = False  # FFmpeg waits for bytes
        self._ended = False
        self._finished = False  # the thread has nothing more to say
        self._failure: FastringError | None = None
        self._decoded: list[NDArray[np.float32]] = []
        self._decoded_samples = 0
        self._max_burst_samples = max_burst_samples

    # --- the owner's side

    def give(self, data: bytes) -> None:
        """Hand bytes over, and wait until FFmpeg has made of them what it can."""
        with self._changed:
            if self._finished or self._ended:
                return
            self._pending += data
            self._hungry = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hungry or self._finished)

    def take(self) -> NDArray[np.float32]:
        """What is decoded. A failure is told when there is nothing else to give."""
        with self._changed:
            decoded, self._decoded, self._decoded_samples = self._decoded, [], 0
            if not decoded and self._failure is not None:
                raise type(self._failure)(*self._failure.args) from self._failure
        return np.concatenate(decoded) if decoded else np.zeros(0, np.float32)

    def end(self) -> None:
        """No more bytes come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # --- FFmpeg's side

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes`; waits for the first. Nothing at the end."""
        with self._changed:
            while not self._pending and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            data = bytes(self._pending[:n_bytes])
            del self._pending[:n_bytes]
            return data

    def put(self, samples: NDArray[np.float32]) -> None:
        """Leave decoded samples for the owner."""
        with self._changed:
            self._decoded_samples += len(samples)
            if self._decoded_samples > self._max_burst_samples:
                raise DecodeError(f"one message holds more than {self._max_burst_samples} samples of audio")
            if len(samples):
                self._decoded.append(samples)

    def finish(self, failure: FastringError | None) -> None:
        """The thread is done; with what came before a failure."""
        with self._changed:
            self._failure = failure
            self._finished = True
            self._changed.notify_all()


class SeekableFeed:
    """A feed that keeps what it has read, for MP4, which may tell at its end where things are.

    Seeking ahead waits for the bytes to come.
    """

    def __init__(self, feed: Mailbox, begun: bytes) -> None:
        self._feed = feed
        self._kept = bytearray(begun)
        self._at = 0

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes` from where it stands; waits for the first. Nothing at the end."""
        while len(self._kept) <= self._at and self._more():
            pass
        data = bytes(self._kept[self._at : self._at + n_bytes])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stand somewhere else, and say where; the end is where the stream ends, so that waits for it."""
        if whence == 2:
            while self._more():
                pass
        base = (0, self._at, len(self._kept))[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it stands, in bytes."""
        return self._at

    def _more(self) -> bool:
        data = self._feed.read(1 << 16)
        if len(self._kept) + len(data) > MAX_RETAINED_BYTES:
            raise DecodeError(f"an MP4 of more than {MAX_RETAINED_BYTES} bytes must have its index (moov) in front")
        self._kept += data
        return bool(data)


class ForwardFeed:
    """A feed that cannot be sought, beginning with bytes that were looked at already."""

    def __init__(self, feed: Mailbox, begun: bytes) -> None:
        self._feed = feed
        self._begun = begun

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes`; waits for the first. Nothing at the end."""
        if not self._begun:
            return self._feed.read(n_bytes)
        data, self._begun = self._begun[:n_bytes], self._begun[n_bytes:]
        return data


def read_to(feed: Mailbox, begun: bytes, n_bytes: int) -> bytes:
    """So many bytes from the beginning, or all if there are not so many."""
    while len(begun) < n_bytes and (data := feed.read(n_bytes - len(begun))):
        begun += data
    return begun


def look_for_index(feed: Mailbox, begun: bytes) -> tuple[bytes, bool]:
    """What was read of an MP4 for it, and whether its index stands before its audio.

    Then it is read forward only, as it comes: in a file that it can seek, FFmpeg looks for more index at the end first,
    which a browser's recording reaches when it is over.
    """
    at = 0
    while at < _MAX_BOXES_BYTES:
        begun = read_to(feed, begun, at + 8)
        size, kind = int.from_bytes(begun[at : at + 4], "big"), begun[at + 4 : at + 8]
        if kind in (b"moov", b"moof"):
            return begun, True
        if kind == b"mdat" or size < 8:  # the audio, or a size that tells nothing
            return begun, False
        at += size
    return begun, False
