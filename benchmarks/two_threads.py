"""A writer and a reader on threads of their own: nanoseconds per chunk, and what was lost on the way.

The writer writes bursts of half of what the buffer holds and yields; the reader reads until nothing is there, and
yields. Where the system lets the writer run on, a bounded buffer that drops loses, one that refuses makes the writer
try again, and `SimpleQueue` grows. What is delivered and what is lost must add up to what was written; a deque cannot
say what it lost, so there it is what is missing at the end.

    python benchmarks/two_threads.py              with NumPy and fastring alone
    PYTHON_GIL=0 python3.14t benchmarks/two_threads.py
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from fastring import RingBuffer
from fastring.errors import BufferFullError

CHUNK = 1024
CHUNKS = 64_000
CHUNKS_HELD = 64
BURST = CHUNKS_HELD // 2
Write = Callable[[], None]


@dataclass(frozen=True)
class Contender:
    """A buffer: `write` puts one chunk in; `read` gives how many frames came out, 0 if it is empty."""

    write: Write
    read: Callable[[], int]
    lost: Callable[[], int]
    """Frames lost, when all is read."""


def chunk() -> np.ndarray:
    return (np.arange(CHUNK) * 7919).astype(np.int16)


def ring_drops() -> Contender:
    """The ring as it comes: a full one overwrites the oldest, and counts."""
    ring, out, audio = RingBuffer(CHUNKS_HELD * CHUNK), np.empty(CHUNK, np.int16), chunk()
    return Contender(lambda: ring.write(audio), lambda: ring.read_into(out), lambda: ring.stats().dropped)


def ring_rejects() -> Contender:
    """The ring that refuses: the writer tries again."""
    ring, out, audio = RingBuffer(CHUNKS_HELD * CHUNK, overflow="reject"), np.empty(CHUNK, np.int16), chunk()

    def write() -> None:
        while True:
            try:
                ring.write(audio)
            except BufferFullError:  # noqa: PERF203
                time.sleep(0)
            else:
                return

    return Contender(write, lambda: ring.read_into(out), lambda: ring.stats().dropped)


def deque_drops() -> Contender:
    """A deque of bytes of bounded length: the oldest go without a word, so only what is missing at the end tells."""
    fifo: deque[bytes] = deque(maxlen=CHUNKS_HELD)
    audio = chunk()
    taken = 0

    def read() -> int:
        nonlocal taken
        try:
            frames = len(np.frombuffer(fifo.popleft(), np.int16))
        except IndexError:
            return 0
        taken += 1
        return frames

    return Contender(lambda: fifo.append(audio.tobytes()), read, lambda: (CHUNKS - taken) * CHUNK)


def simple_queue() -> Contender:
    """A queue that grows without bound."""
    queue: SimpleQueue[bytes] = SimpleQueue()
    audio = chunk()

    def read() -> int:
        try:
            return len(np.frombuffer(queue.get_nowait(), np.int16))
        except Empty:
            return 0

    return Contender(lambda: queue.put(audio.tobytes()), read, lambda: 0)


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "fastring, drop oldest": ring_drops,
    "deque(maxlen) of bytes": deque_drops,
    "fastring, reject": ring_rejects,
    "SimpleQueue of bytes": simple_queue,
}


@dataclass(frozen=True)
class Run:
    """What one run took."""

    ns_per_chunk: float
    cpu_ns_per_chunk: float
    lost_share: float


def run(make: Callable[[], Contender]) -> Run:
    """CHUNKS chunks through one buffer; fails if they do not add up."""
    contender = make()
    ended = threading.Event()
    delivered = 0

    def read_all() -> None:
        nonlocal delivered
        read, frames = contender.read, 0
        while True:
            last = ended.is_set()
            while got := read():
                frames += got
            if last:
                break
            time.sleep(0)
        delivered = frames

    reader = threading.Thread(target=read_all)
    begin, begin_cpu = time.perf_counter_ns(), time.process_time_ns()
    reader.start()
    write = contender.write
    for _ in range(CHUNKS // BURST):
        for _ in range(BURST):
            write()
        time.sleep(0)
    ended.set()
    reader.join()
    ns, cpu_ns = time.perf_counter_ns() - begin, time.process_time_ns() - begin_cpu
    lost = contender.lost()
    assert delivered + lost == CHUNKS * CHUNK, f"{delivered} delivered and {lost} lost are not {CHUNKS * CHUNK}"
    return Run(ns / CHUNKS, cpu_ns / CHUNKS, lost / (CHUNKS * CHUNK))


def measure(rounds: int = 7) -> dict[str, Run]:
    """Every contender once per round; the round that took the least time."""
    best: dict[str, Run] = {}
    for _ in range(rounds):
        for name, make in CONTENDERS.items():
            result = run(make)
            if name not in best or result.ns_per_chunk < best[name].ns_per_chunk:
                best[name] = result
    return best


def main() -> None:
    """Prints a line per contender."""
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"a writer and a reader thread, {CHUNK} int16 a chunk, {'with' if has_gil else 'without'} the GIL")
    for name, result in measure().items():
        print(
            f"  {name:24} {result.ns_per_chunk:7,.0f} ns a chunk, {result.cpu_ns_per_chunk:7,.0f} ns of CPU, "
            f"{result.lost_share:6.1%} lost"
        )


if __name__ == "__main__":
    main()
