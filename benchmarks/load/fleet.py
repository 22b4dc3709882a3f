"""Simulates users, servers and engine workers: how long a final waits, and how many are late, by what is provided.

    python benchmarks/load/fleet.py        prints the table of docs/topics/capacity.md and draws its picture

Users speak in turns with pauses between; each turn is one decode of the whole segment. Turns come to a tier of workers
in the order they end. What a server's core does besides is arithmetic, from the measured CPU time of a message.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import asdict, dataclass

from picture import draw_capacity

TURN_S, SHARE = 3.0, 0.3  # an utterance, and how much of the time somebody speaks
DECODE_S = 0.15 * TURN_S  # CPU of a worker for one turn with its partials: 0.15 s a second of speech
LATE_S = 1.0


@dataclass(frozen=True)
class Run:
    """What one simulated stretch of time brought."""

    users: int
    workers: int
    offered: float
    wait_p50_s: float
    wait_p95_s: float
    late_share: float


def workers_for(users: int, load: float) -> int:
    """Workers that such a crowd keeps busy for that share of the time: users * share * 0.15 / load."""
    return max(1, math.ceil(users * SHARE / TURN_S * DECODE_S / load))


def simulate(users: int, workers: int, *, seconds: float = 60.0, seed: int = 1) -> Run:
    """Turns end like calls arrive, at random; each takes a worker for about `DECODE_S` (gamma, a spread of a half)."""
    rng = random.Random(seed)
    free = [0.0] * workers
    waits: list[float] = []
    rate = users * SHARE / TURN_S
    now = work = 0.0
    while now < seconds:
        now += rng.expovariate(rate)
        start = max(now, free[0])
        takes = rng.gammavariate(4.0, DECODE_S / 4.0)
        heapq.heapreplace(free, start + takes)
        work += takes
        if now > seconds / 4:
            waits.append(start - now)
    waits.sort()
    late = sum(wait > LATE_S for wait in waits) / len(waits)
    return Run(users, workers, work / workers / now, waits[len(waits) // 2], waits[int(0.95 * len(waits))], late)


def main() -> None:
    """Three sizes, five loads."""
    runs = [simulate(n, workers_for(n, load)) for n in (1000, 10_000, 100_000) for load in (0.6, 0.8, 0.9, 0.95, 1.05)]
    print("| users | workers | offered | wait p50 | wait p95 | later than 1 s |\n|---|---|---|---|---|---|")
    for run in runs:
        print(
            f"| {run.users:,} | {run.workers:,} | {run.offered:.0%} | {1000 * run.wait_p50_s:.0f} ms "
            f"| {1000 * run.wait_p95_s:.0f} ms | {run.late_share:.1%} |"
        )
    draw_capacity([asdict(run) for run in runs])


if __name__ == "__main__":
    main()
