"""The ring buffer: live audio in from one writer, out to any number of independent readers.

    ring = RingBuffer(16_000 * 40)          # 40 s of 16 kHz mono int16, allocated now and never again
    ring.write(pcm)                         # int16 array, or raw bytes; never waits
    samples = ring.read(1024, "float32")    # converted on the way out
    window = ring.read_at(start, 40_000)    # any range that is still held, as often as you like

Without a copy on either side:

    fill(view := ring.reserve(1024))        # the ring's next frames, as many as lie together
    ring.publish(len(view))
    use(view := ring.peek(1024))            # the reader's next frames in place
    ring.commit(len(view))                  # 0 if nothing of it was overwritten meanwhile

Every frame (one sample of each channel) has an absolute index that only grows. A full ring overwrites its oldest
frames, and each reader learns which ones it lost: `dropped` counts them, `lost()` names the ranges, and no read ever
returns audio that is torn, repeated or out of order.

Threads: one thread at a time writes; one thread at a time uses the ring's own reader, and each `RingReader` likewise.
Writer and readers may all be different threads, with or without the GIL. Two threads in one of these roles at the same
moment get a `BusyError`. Everything else may be asked from any thread.
"""

from __future__ import annotations

import contextlib
import operator
import threading
from typing import TYPE_CHECKING, NamedTuple

from fastring import _native
from fastring.errors import ConfigError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from types import TracebackType
    from typing import Any, Literal

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from fastring._native import SampleDtype

__all__ = ["LostRange", "RingBuffer", "RingReader", "RingStats"]


class LostRange(NamedTuple):
    """Frames `start` to `start + frames` that a reader lost because they were overwritten first."""

    start: int
    frames: int


class RingStats(NamedTuple):
    """A snapshot of a ring. Counters count from construction, or from the last `reset`.

    Attributes:
        capacity: frames the ring can hold.
        held: frames it holds, readable with `read_at`.
        used: frames that the slowest reader has still to read; `used / capacity` is `usage`.
        total_written: frames accepted.
        total_read: frames delivered, summed over readers.
        overflows: writes that overwrote unread frames, or that a "reject" ring refused.
        dropped: frames lost to overwriting, summed over readers.
        high_water: the largest `used` after any write.
    """

    capacity: int
    held: int
    used: int
    total_written: int
    total_read: int
    overflows: int
    dropped: int
    high_water: int

    @property
    def usage(self) -> float:
        """How full the ring is for its slowest reader, 0 to 1."""
        return self.used / self.capacity


class _Waiter(NamedTuple):
    reader: RingBuffer | RingReader
    frame_index: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


class RingBuffer(_native.RingBuffer):
    """A fixed-capacity ring of int16 or float32 frames with absolute indices.

    The ring has a reader of its own, behind `read`, `read_into`, `peek`, `commit` and `available`; `reader()` makes
    more. Its own one counts for `stats` and the reject policy unless it was still unused when `reader()` was called.

    Args:
        capacity: frames to hold, any number from 1 up.
        channels: interleaved channels, 1 to 32.
        dtype: "int16" or "float32", or the NumPy dtype.
        overflow: "drop_oldest" overwrites the oldest frames; "reject" makes `write` raise `BufferFullError` when it
            would overwrite frames that some reader has not read.
        start_index: index of the first frame written, 0 to 2**63 - 1.
        touched: every page of the memory is there from the start, so that no write ever waits for one. False leaves it
            to the system to give each page when it is first written: a ring that stays empty costs next to nothing,
            which suits a server of many streams.

    Attributes:
        available: frames that `read` would deliver now.
        position: index of the next frame that `read` would deliver.
        dropped: frames that the ring's own reader has lost.
        write_index: index of the next frame to be written.
        oldest_index: index of the oldest frame held.

    Raises:
        ConfigError: if an argument is out of range.
        AudioFormatError: if `dtype` is another.
        MemoryError: if the system has not so much memory.
    """

    def __init__(
        self,
        capacity: int,
        channels: int = 1,
        dtype: SampleDtype = "int16",
        *,
        overflow: Literal["drop_oldest", "reject"] = "drop_oldest",
        start_index: int = 0,
        touched: bool = True,
    ) -> None:
        try:
            super().__init__(
                capacity=capacity,
                channels=channels,
                dtype=dtype,
                overflow=overflow,
                start_index=start_index,
                touched=bool(touched),
            )
        except MemoryError:
            raise MemoryError(f"no memory for a ring of {capacity} frames of {channels} x {dtype}: take less") from None
        self._waiters: list[_Waiter] = []
        self._waiters_lock = threading.Lock()

    def reader(self, start: int | None = None) -> RingReader:
        """Makes an independent reader.

        Args:
            start: index to begin at, the oldest frame held if None; `ring.write_index` begins with what comes next.

        Raises:
            RangeLostError: if `start` is not held.
        """
        return RingReader(self, start)

    def chunks(self, n: int, dtype: SampleDtype | None = None) -> AsyncIterator[NDArray[Any]]:
        """Iterates over what is written, `n` frames at a time, with the ring's own reader: `async for chunk in …`.

        Waits without polling; the writer may be on any thread, and pays nothing while nobody waits. Ends when the ring
        is closed, after a last chunk that may be shorter.

        Args:
            n: frames per chunk, 1 to the capacity.
            dtype: as in `read`.
        """
        return _chunks(self, self, n, dtype)

    def stats(self) -> RingStats:
        """Counts of the ring as they are now; from any thread."""
        return RingStats._make(self._stats())

    def lost(self) -> list[LostRange]:
        """The ranges that the ring's own reader lost since the last call, oldest first; the newest 32 are kept."""
        return [LostRange._make(item) for item in self._lost()]

    def close(self) -> None:
        """Refuses further writes with `BufferClosedError`; what is held can still be read. Safe to call again."""
        self._close()
        self._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.overflow}"
        return (
            f"<RingBuffer {self.capacity} frames of {self.channels} x {self.dtype}, {state}, "
            f"holds {self.oldest_index} to {self.write_index}>"
        )

    async def _written(self, reader: RingBuffer | RingReader, index: int) -> None:
        """Returns once the write index has reached `index`, or the ring or the reader is closed."""
        import asyncio

        loop = asyncio.get_running_loop()
        waiter = _Waiter(reader, index, loop, loop.create_future())
        with self._waiters_lock:
            self._waiters.append(waiter)
            self._arm(min(waiting.frame_index for waiting in self._waiters))
        if self.write_index >= index or reader.closed or self.closed:  # came before _arm
            self._wake()
        try:
            await waiter.future
        finally:
            with self._waiters_lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _wake(self) -> None:
        """Wakes who waits for a frame that is written by now; called by `write`, on its thread, when that may be so.

        And by `close` of the ring or a reader: nothing more will come to who waits there.
        """
        with self._waiters_lock:
            write_index, closed = self.write_index, self.closed
            ready = [
                waiter
                for waiter in self._waiters
                if closed or waiter.reader.closed or waiter.frame_index <= write_index
            ]
            self._waiters = [waiter for waiter in self._waiters if waiter not in ready]
            if self._waiters:
                self._arm(min(waiter.frame_index for waiter in self._waiters))
        if not ready:
            return
        import asyncio  # who waits has imported it

        running = asyncio._get_running_loop()
        for waiter in ready:
            if waiter.loop is running:
                _resolve(waiter.future)
                continue
            with contextlib.suppress(RuntimeError):  # that loop is closed
                waiter.loop.call_soon_threadsafe(_resolve, waiter.future)


class RingReader(_native.RingReader):
    """An independent reader of a ring: a cursor of its own, and its own account of what it lost.

    Made by `RingBuffer.reader`. `read`, `read_into`, `peek`, `commit`, `available`, `position` and `dropped` are as on
    the ring. It keeps the ring alive. Until it is closed or collected, a "reject" ring keeps what it has not read.
    """

    def __init__(self, ring: RingBuffer, start: int | None = None) -> None:
        super().__init__(ring=ring, start=start)
        self._ring = ring

    def chunks(self, n: int, dtype: SampleDtype | None = None) -> AsyncIterator[NDArray[Any]]:
        """As `RingBuffer.chunks`, with this reader; closing it ends the wait with `BufferClosedError`."""
        return _chunks(self._ring, self, n, dtype)

    def lost(self) -> list[LostRange]:
        """The ranges that this reader lost since the last call, oldest first; the newest 32 are kept."""
        return [LostRange._make(item) for item in self._lost()]

    def close(self) -> None:
        """Ends this reader: it holds up no writer, and reading, or waiting in `chunks`, raises `BufferClosedError`."""
        super().close()
        self._ring._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.available} frames to read"
        return f"<RingReader at {self.position}, {state}, {self.dropped} dropped>"


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _chunks(
    ring: RingBuffer, reader: RingBuffer | RingReader, n: int, dtype: SampleDtype | None
) -> AsyncIterator[NDArray[Any]]:
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"n must be a whole number, not {n!r}") from None
    if not 1 <= n <= ring.capacity:
        raise ConfigError(f"n must be 1 to the capacity of {ring.capacity} frames, not {n}")

    async def iterate() -> AsyncIterator[NDArray[Any]]:
        while True:
            closed = ring.closed or reader.closed  # before `available`: what was written by then is delivered
            if reader.available < n and not closed:
                await ring._written(reader, reader.position + n)
                continue
            chunk: NDArray[np.int16 | np.float32] = reader.read(n, dtype)
            if len(chunk):
                yield chunk
            elif closed:
                return

    return iterate()
