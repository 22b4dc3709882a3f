"""The ring against the ways people buffer audio in Python: one write and one read of the same size, in turn.

Every contestant must give back the audio it was given. Rivals: a deque of bytes, `queue.SimpleQueue`, `asyncio.Queue`
(without its loop), a ring of NumPy slices, and numpy_ringbuffer where it is installed.

`COMPARISONS` are the goals; `pytest benchmarks/bench_ring.py` fails when one is missed.

A deque copies the audio once (to bytes), a ring twice (in and out) unless it is read with `peek`. At 16384 samples
(32 KiB) the copy is nearly all there is, so one copy against one copy leaves little to win. `reserve` + `publish` save
the last copy too, if the producer can fill a buffer it is given, as devices, sockets and codecs do. Then there are two
honest figures: with the fill, which both sides pay, and without it, which is what buffering adds. (A deque of new
arrays, allocated per chunk and never copied, costs as much as filling in place. It is no ring: it has no bound, no
window, no indices, and it allocates.)
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from interleave import Comparison, Contestant

from fastring import RingBuffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

SIZES = (320, 1024, 4096, 16384)
CHUNKS_HELD = 8


class NumpyRing:
    """What one would write by hand: two slice copies in, two out."""

    def __init__(self, capacity: int) -> None:
        self.samples = np.zeros(capacity, np.int16)
        self.write_at = self.read_at = 0

    def write(self, audio: NDArray[np.int16]) -> None:
        """Appends."""
        capacity = len(self.samples)
        at = self.write_at % capacity
        first = min(len(audio), capacity - at)
        self.samples[at : at + first] = audio[:first]
        self.samples[: len(audio) - first] = audio[first:]
        self.write_at += len(audio)

    def read_into(self, out: NDArray[np.int16]) -> None:
        """Takes as much as `out` holds."""
        capacity = len(self.samples)
        at = self.read_at % capacity
        first = min(len(out), capacity - at)
        out[:first] = self.samples[at : at + first]
        out[first:] = self.samples[: len(out) - first]
        self.read_at += len(out)


def audio_of(n: int) -> NDArray[np.int16]:
    return np.random.default_rng(n).integers(-32768, 32768, n).astype(np.int16)


def contestants(n: int) -> list[Contestant]:
    """A write of `n` int16 samples and a read of as many; the raw ways get bytes, as they would from a socket."""
    audio = audio_of(n)

    def ours(name: str, statement: str, answer: str, **more: Any) -> Contestant:
        ring = RingBuffer(n * CHUNKS_HELD)
        bound = {method: getattr(ring, method) for method in ("write", "read", "read_into", "peek", "commit")}
        return Contestant(name, statement, answer, {**bound, "audio": audio, "n": n, **more})

    def queue(name: str, put: Any, get: Any) -> Contestant:
        names = {"put": put, "get": get, "audio": audio, "frombuffer": np.frombuffer, "int16": np.int16}
        statement = "put(audio.tobytes()); frombuffer(get(), int16)"
        return Contestant(name, statement, "(put(audio.tobytes()), frombuffer(get(), int16))[1]", names)

    numpy_ring = NumpyRing(n * CHUNKS_HELD)
    fifo: deque[bytes] = deque()
    simple: SimpleQueue[bytes] = SimpleQueue()
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    out = np.empty(n, np.int16)
    rival = {"write": numpy_ring.write, "read_into": numpy_ring.read_into, "audio": audio, "out": np.empty(n, np.int16)}
    return [
        ours("fastring read_into", "write(audio); read_into(out)", "(write(audio), read_into(out), out)[2]", out=out),
        ours("fastring read", "write(audio); read(n)", "(write(audio), read(n))[1]"),
        ours("fastring peek", "write(audio); peek(n); commit(n)", "(write(audio), peek(n), commit(n))[1]"),
        queue("deque of bytes", fifo.append, fifo.popleft),
        queue("SimpleQueue", simple.put, simple.get),
        queue("asyncio.Queue", waiting.put_nowait, waiting.get_nowait),
        Contestant("NumPy ring", "write(audio); read_into(out)", "(write(audio), read_into(out), out)[2]", rival),
        *numpy_ringbuffer(audio),
    ]


def numpy_ringbuffer(audio: NDArray[np.int16]) -> Iterator[Contestant]:
    """The package of that name: `popleft` gives one sample at a time, so one reads by copying what it holds."""
    if importlib.util.find_spec("numpy_ringbuffer") is None:
        return
    from numpy_ringbuffer import RingBuffer as Peer

    held = Peer(len(audio), dtype=np.int16)
    names = {"extend": held.extend, "held": held, "audio": audio}
    yield Contestant("numpy_ringbuffer", "extend(audio); held[:]", "(extend(audio), held[:])[1]", names)


def in_place(n: int, *, fill: bool) -> list[Contestant]:
    """A producer that fills a buffer it is given: the ring's own frames, or its own, which the deque gets the bytes of.

    Without `fill`, the buffers hold the audio already and only the hand-over is timed.
    """
    audio = audio_of(n)
    ring = RingBuffer(n * CHUNKS_HELD)
    for _ in range(CHUNKS_HELD):
        ring.write(audio)
    while ring.available:
        ring.commit(len(ring.peek()))
    source = io.BytesIO(audio.tobytes())
    fifo: deque[bytes] = deque()
    names = {
        **{method: getattr(ring, method) for method in ("reserve", "publish", "peek", "commit")},
        "put": fifo.append,
        "get": fifo.popleft,
        "seek": source.seek,
        "readinto": source.readinto,
        "scratch": audio.copy(),
        "audio": audio,
        "n": n,
        "frombuffer": np.frombuffer,
        "int16": np.int16,
    }
    ours, rival = ("seek(0); readinto(reserve(n))", "seek(0); readinto(scratch); ") if fill else ("reserve(n)", "")
    return [
        Contestant(
            "fastring in place",
            f"{ours}; publish(n); peek(n); commit(n)",
            f"({ours.replace(';', ',')}, publish(n), peek(n), commit(n))[-2]",
            names,
        ),
        Contestant(
            "deque of bytes",
            f"{rival}put(scratch.tobytes()); frombuffer(get(), int16)",
            f"({rival.replace(';', ',')}put(scratch.tobytes()), frombuffer(get(), int16))[-1]",
            names,
        ),
    ]


def limit(n: int) -> list[Contestant]:
    """What cannot be done with less: two copies, two calls. The cheapest calls that copy are slices of memoryviews."""
    audio = memoryview(audio_of(n))
    held, out = memoryview(np.empty(n, np.int16)), memoryview(np.empty(n, np.int16))
    names = {"audio": audio, "held": held, "out": out, "whole": slice(None), "asarray": np.asarray}
    statement = "held[whole] = audio; out[whole] = held"
    answer = "(held.__setitem__(whole, audio), out.__setitem__(whole, held), asarray(out))[2]"
    return [*contestants(n)[:1], Contestant("two copies, two calls", statement, answer, names)]


COMPARISONS = [
    Comparison(
        "ring write + read_into, 1024, of the limit",
        limit(1024),
        "fastring read_into",
        "two copies, two calls",
        0.67,
    ),
    Comparison(
        "fill in place + peek, 16384 int16", in_place(16384, fill=True), "fastring in place", "deque of bytes", 1.5
    ),
    Comparison("  without the fill", in_place(16384, fill=False), "fastring in place", "deque of bytes", 2),
    *(
        Comparison(f"ring write + {how}, {n} int16", contestants(n), f"fastring {how}", "deque of bytes", goal)
        for n, how, goal in [
            (320, "read_into", 2.5),
            (1024, "read_into", 2.5),
            (1024, "read", 1.6),
            (4096, "read_into", 1.3),
        ]
    ),
    Comparison(
        "ring write + peek, 16384 int16", contestants(16384), "fastring peek", "deque of bytes", goal=2, floor=1.1
    ),
]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("which", range(len(contestants(1))), ids=[c.name for c in contestants(1)])
def test_write_and_read(benchmark: BenchmarkFixture, n: int, which: int) -> None:
    contestant = contestants(n)[which]
    benchmark.group = f"write + read {n} int16"
    call = eval(f"lambda: ({contestant.statement.replace(';', ',')})", contestant.names)
    benchmark(call)
    np.testing.assert_array_equal(contestant.run(), audio_of(n))


@pytest.mark.parametrize("comparison", COMPARISONS, ids=[c.title for c in COMPARISONS])
def test_ratio(comparison: Comparison) -> None:
    for contestant in comparison.contestants:
        np.testing.assert_array_equal(contestant.run(), contestant.names["audio"])
    ratio, figures = comparison.measure()
    assert ratio >= comparison.gate, figures
