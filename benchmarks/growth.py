"""How cost grows: with the length of a chunk, and with the number of live streams. Tables for `make bench`.

All points of a table come from one interleaved run, so that a noisy minute spoils none of them alone.
"""

from __future__ import annotations

import numpy as np
from bench_ring import contestants
from interleave import Contestant, Figure, interleave
from peers import tone_with_clicks

from fastring import Analyzer, analyze_many

CHUNK_SIZES = (1, 4, 16, 64, 256, 1024, 4096, 16384)
STREAM_COUNTS = (1, 4, 16, 64, 256, 1024)
STREAM_RATE = 16_000
STREAM_CHUNK = 320  # 20 ms
GROWTH_GOAL = 1.4


def of_ring() -> dict[int, dict[str, Figure]]:
    """By chunk size: a write and a read of one chunk, ours and each rival."""
    everyone = [
        Contestant(f"{n} {c.name}", c.statement, c.answer, c.names) for n in CHUNK_SIZES for c in contestants(n)
    ]
    figures = interleave(everyone, rounds=40, round_ms=0.3)
    return {n: {c.name: figures[f"{n} {c.name}"] for c in contestants(n)} for n in CHUNK_SIZES}


def of_analyzer() -> dict[int, Figure]:
    """By chunk size: the full analysis of one chunk at 44.1 kHz."""
    audio = tone_with_clicks(1)
    everyone = []
    for n in CHUNK_SIZES:
        names = {"push": Analyzer(44_100).push, "chunk": audio[:n].copy()}
        everyone.append(Contestant(str(n), "push(chunk)", "push(chunk)", names))
    figures = interleave(everyone, rounds=40, round_ms=2.0)
    return {n: figures[str(n)] for n in CHUNK_SIZES}


def of_streams() -> dict[int, float]:
    """By number of live streams: ns for one 20 ms chunk of one of them. All analyse the same 1024 chunks in a round."""
    most = max(STREAM_COUNTS)
    rows = list(np.resize(tone_with_clicks(2), STREAM_CHUNK * most).reshape(-1, STREAM_CHUNK).copy())
    everyone = []
    for count in STREAM_COUNTS:
        names = {
            "push": analyze_many,
            "streams": [Analyzer(STREAM_RATE) for _ in range(count)],
            "turns": [rows[at : at + count] for at in range(0, most, count)],
        }
        statement = "for chunks in turns: push(streams, chunks)"
        everyone.append(Contestant(str(count), statement, "push(streams, turns[0])", names))
    figures = interleave_once(everyone, rounds=60)
    return {count: figures[str(count)] / most for count in STREAM_COUNTS}


def interleave_once(contestants: list[Contestant], rounds: int) -> dict[str, float]:
    """As `interleave` for long statements: each runs once per round; ns of the fastest."""
    import random
    import timeit

    timers = {c.name: timeit.Timer(c.statement, globals=c.names) for c in contestants}
    best = dict.fromkeys(timers, float("inf"))
    order = list(timers)
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            best[name] = min(best[name], timers[name].timeit(1) * 1e9)
    return best
