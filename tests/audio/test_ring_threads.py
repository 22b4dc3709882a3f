"""Rings between threads and event loops: nothing torn, nothing missed, nobody waits in vain (R6, R7)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from fastring import RingBuffer, RingReader
from fastring.errors import BufferClosedError, BufferFullError, BusyError, ConfigError


def numbered(start: int, frames: int) -> Any:
    """Mono int16 audio whose every sample follows from its index, so that a wrong one shows."""
    return (np.arange(start, start + frames, dtype=np.uint64) * np.uint64(7919)).astype(np.uint16).view(np.int16)


async def test_chunks_come_as_they_are_written_and_end_with_the_ring() -> None:
    ring = RingBuffer(100)
    got: list[Any] = []

    async def consume() -> None:
        async for chunk in ring.chunks(10, "float32"):
            got.append(chunk)  # noqa: PERF401 - looked at while it grows

    task = asyncio.create_task(consume())
    at = 0
    for frames in (3, 7, 25, 1, 4, 5):
        ring.write(numbered(at, frames))
        at += frames
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(map(len, got)) == at // 10 * 10
    ring.write(numbered(at, 3))
    ring.close()
    await task
    assert [len(chunk) for chunk in got] == [10, 10, 10, 10, 8]
    np.testing.assert_array_equal(np.concatenate(got), numbered(0, 48) / 32768)


async def test_several_chunk_readers_with_the_writer_on_another_thread() -> None:
    ring = RingBuffer(4000, overflow="reject")
    readers = [ring.reader() for _ in range(3)]

    def write() -> None:
        at = 0
        while at < 30_000:
            try:
                at += ring.write(numbered(at, 100))
            except BufferFullError:  # noqa: PERF203
                threading.Event().wait(0.0005)
        ring.close()

    async def consume(reader: RingReader, n: int) -> int:
        at = 0
        async for chunk in reader.chunks(n):
            np.testing.assert_array_equal(chunk, numbered(at, len(chunk)))
            at += len(chunk)
        return at

    thread = threading.Thread(target=write)
    tasks = [asyncio.create_task(consume(reader, n)) for reader, n in zip(readers, (64, 333, 1000), strict=True)]
    await asyncio.sleep(0)
    thread.start()
    assert await asyncio.wait_for(asyncio.gather(*tasks), 20) == [30_000] * 3
    thread.join()


async def test_a_cancelled_waiter_leaves_nothing_behind_and_others_still_wake() -> None:
    ring = RingBuffer(100)
    early, late = ring.reader(), ring.reader()
    cancelled = asyncio.create_task(anext(early.chunks(5)))  # type: ignore[arg-type]
    waiting = asyncio.create_task(anext(late.chunks(20)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    ring.write(numbered(0, 10))
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.write(numbered(10, 10))
    np.testing.assert_array_equal(await asyncio.wait_for(waiting, 5), numbered(0, 20))
    assert ring._waiters == []


async def test_publishing_wakes_who_waits() -> None:
    ring = RingBuffer(100)
    waiting = asyncio.create_task(anext(ring.chunks(20)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    ring.reserve(30)[...] = numbered(0, 30)
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.publish(30)
    np.testing.assert_array_equal(await asyncio.wait_for(waiting, 5), numbered(0, 20))


@pytest.mark.parametrize("held", [0, 15])
async def test_closing_a_reader_ends_the_wait_for_its_chunks(held: int) -> None:
    ring = RingBuffer(100)
    reader, other = ring.reader(), ring.reader()
    ring.write(numbered(0, held))
    waiting = asyncio.create_task(anext(reader.chunks(20)))  # type: ignore[arg-type]
    undisturbed = asyncio.create_task(anext(other.chunks(20)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    reader.close()
    with pytest.raises(BufferClosedError, match="this reader is closed"):
        await asyncio.wait_for(waiting, 5)
    ring.write(numbered(held, 20 - held))
    np.testing.assert_array_equal(await asyncio.wait_for(undisturbed, 5), numbered(0, 20))


def test_chunks_are_counted_in_whole_frames() -> None:
    with pytest.raises(TypeError, match=r"n must be a whole number, not 1\.5"):
        RingBuffer(100).chunks(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [0, -1, 101])
def test_chunks_must_fit_the_ring(n: int) -> None:
    with pytest.raises(ConfigError, match="n must be 1 to the capacity of 100 frames"):
        RingBuffer(100).chunks(n)


@pytest.mark.parametrize("frames", [300, 200_000], ids=["gil-held", "gil-released"])
def test_writer_and_readers_on_threads(frames: int) -> None:
    capacity = 3 * frames
    ring = RingBuffer(capacity)
    total = frames * 60
    readers = [ring.reader() for _ in range(2)]
    wrong: list[str] = []
    counts = [0, 0]
    source = numbered(0, total)

    def read(which: int) -> None:
        reader = readers[which]
        while True:
            closed = ring.closed
            dropped = sum(item.frames for item in reader.lost())
            chunk = reader.read(frames // (which + 1))
            counts[which] += dropped + len(chunk)
            dropped = sum(item.frames for item in reader.lost())
            counts[which] += dropped
            end = reader.position
            if len(chunk) and dropped == 0 and not np.array_equal(chunk, source[end - len(chunk) : end]):
                wrong.append(f"reader {which} at {end}")
            if closed and reader.available == 0:
                return

    threads = [threading.Thread(target=read, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for at in range(0, total, frames):
        ring.write(source[at : at + frames])
    ring.close()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert counts == [total, total]


def test_two_threads_in_one_role_are_told() -> None:
    frames = 8_000_000  # long enough, without the GIL, to be caught at it
    ring = RingBuffer(frames)
    audio = np.ones(frames, np.int16)
    wrote, busy = [0, 0], threading.Event()

    def write(which: int) -> None:
        for _ in range(200):
            if busy.is_set():
                return
            try:
                wrote[which] += ring.write(audio)
            except BusyError:
                busy.set()

    threads = [threading.Thread(target=write, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy.is_set()
    assert ring.write_index == sum(wrote)  # a refused write wrote nothing


@pytest.mark.parametrize("n", [1.5, "5", None])
async def test_a_count_that_is_no_number_is_refused_at_once(n: Any) -> None:
    with pytest.raises(TypeError):
        RingBuffer(100).chunks(n)
