"""How long a final waits for a worker, by users and workers; and whether a real server says the same.

make bench-fleet            the fleet of docs/topics/capacity.md, simulated; draws its picture
CHECK=1 make bench-fleet    the same arrivals to a real server and to the simulation, side by side
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.picture import draw_capacity
from load.rehearsal import Answered, rehearse
from load.simulation import Crowd, Outcome, quantile, replay, simulate
from started import started

HERE = Path(__file__).resolve().parent
USERS = (1000, 10_000, 100_000)
LOADS = (0.6, 0.8, 0.9, 0.95, 1.05)
WORKERS, MEAN_S, SECONDS = 4, 0.2, 40.0  # of the check: a small pool, an engine as slow as a small Whisper
QUANTILES = (0.5, 0.9, 0.95, 0.99)


def main() -> None:
    """Three sizes, five loads; or the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="hold the simulation against a real server")
    if parser.parse_args().check:
        check()
    else:
        fleet()


def fleet() -> None:
    """The table of the fleet, and its picture."""
    print("| users | workers | offered | wait p50 | wait p95 | later than 1 s |\n|---|---|---|---|---|---|")
    drawn = []
    for users in USERS:
        for load in LOADS:
            crowd = Crowd(users)
            told = simulate(crowd, crowd.workers_for(load))
            drawn.append(_drawn(users, told))
            p50_ms, p95_ms = (1000 * quantile(told.waits_s, share) for share in (0.5, 0.95))
            print(
                f"| {users:,} | {told.workers:,} | {told.offered:.0%} | {p50_ms:.0f} ms | {p95_ms:.0f} ms "
                f"| {told.late_share:.1%} |",
                flush=True,
            )
    draw_capacity(drawn)


def _drawn(users: int, told: Outcome) -> dict[str, float]:
    return {
        "users": users,
        "offered": told.offered,
        "wait_p95_s": quantile(told.waits_s, 0.95),
        "late_share": told.late_share,
    }


def check() -> None:
    """A pool of four at three loads: what a real server's clients waited, and the simulation's."""
    print("| load | finals | who | " + " | ".join(f"p{100 * share:g}" for share in QUANTILES) + " |")
    print("|---" * (3 + len(QUANTILES)) + "|")
    for load in (0.5, 0.8, 0.95):
        with server() as url:
            answered = asyncio.run(rehearse(url, rate=load * WORKERS / MEAN_S, seconds=SECONDS))
        offered = sum(each.engine_s for each in answered) / WORKERS / SECONDS
        for who, waits_s in (("server", waits_of(answered)), ("simulation", simulated(answered, WORKERS))):
            told = " | ".join(f"{1000 * quantile(waits_s, share):.0f} ms" for share in QUANTILES)
            print(f"| {offered:.0%} | {len(answered)} | {who} | {told} |", flush=True)


def waits_of(answered: list[Answered]) -> list[float]:
    """What the clients of the real server waited, besides the engine's own time; sorted."""
    return sorted(each.wait_s for each in answered)


def simulated(answered: list[Answered], workers: int) -> list[float]:
    """The same jobs at the same times, each as long as it was, in the simulation."""
    return replay(((each.asked_s, each.engine_s) for each in answered), workers)


@contextmanager
def server() -> Iterator[str]:
    """The real one, in a process of its own."""
    command = [sys.executable, str(HERE / "rehearsal.py"), str(WORKERS), str(MEAN_S)]
    with started(command, r"^ready (\S+)") as (_, url):
        yield url


if __name__ == "__main__":
    main()
