"""The simulated fleet, held against theory and against a real server."""

from __future__ import annotations

import math
import random

import pytest
from load.rehearsal import Answered, TimedEngine, rehearse, settings_for
from load.simulation import Crowd, quantile, replay, simulate
from serving import serving

WORKERS, MEAN_S, SECONDS = 3, 0.06, 3.0


def erlang_c_wait_s(rate: float, mean_s: float, workers: int) -> float:
    """Mean wait of an M/M/c queue. Source: Kleinrock, Queueing Systems I, 1975, section 3.5."""
    offered = rate * mean_s
    terms = [offered**k / math.factorial(k) for k in range(workers)]
    last = offered**workers / math.factorial(workers) * workers / (workers - offered)
    return last / (sum(terms) + last) * mean_s / (workers - offered)


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (4, 0.6), (8, 0.7)])
def test_where_there_is_a_formula_it_is_met(workers: int, load: float) -> None:
    draw, mean_s = random.Random(3), 0.2
    rate, now = load * workers / mean_s, 0.0
    jobs = []
    for _ in range(40_000):
        now += draw.expovariate(rate)
        jobs.append((now, draw.expovariate(1 / mean_s)))
    waits_s = replay(jobs, workers)
    assert sum(waits_s) / len(waits_s) == pytest.approx(erlang_c_wait_s(rate, mean_s, workers), rel=0.1)


def test_jobs_are_taken_in_the_order_they_came() -> None:
    assert replay([(0.0, 1.0), (0.0, 2.0), (0.5, 1.0), (0.6, 1.0), (9.0, 1.0)], 2) == [0.0, 0.0, 0.0, 0.5, 1.4]


def test_a_crowd_speaks_as_much_as_it_is_said_to() -> None:
    crowd = Crowd(1000, visit_s=30.0)
    told = simulate(crowd, crowd.workers_for(0.8), seconds=120.0)
    assert told.offered == pytest.approx(0.79, abs=0.03)
    assert told == simulate(crowd, crowd.workers_for(0.8), seconds=120.0), "a seed is a run"


def test_the_larger_the_tier_the_closer_to_full_it_may_run() -> None:
    p95_s = [quantile(simulate(c, c.workers_for(0.9)).waits_s, 0.95) for c in (Crowd(100), Crowd(1000), Crowd(5000))]
    assert p95_s[0] > p95_s[1] >= p95_s[2]
    assert simulate(Crowd(1000), Crowd(1000).workers_for(1.2)).late_share > 0.5


def _agree(answered: list[Answered]) -> list[str]:
    """Where real and simulated waits differ by more than 25 ms and a third: the clients share two cores with others."""
    real = sorted(each.wait_s for each in answered)
    told = replay([(each.asked_s, each.engine_s) for each in answered], WORKERS)
    pairs = [(share, quantile(real, share), quantile(told, share)) for share in (0.5, 0.75, 0.9, 0.95)]
    return [
        f"p{100 * share:g}: {got:.3f} s real, {said:.3f} s simulated"
        for share, got, said in pairs
        if abs(got - said) > 0.025 + said / 3
    ]


async def test_a_real_server_waits_as_simulated() -> None:
    """The same arrivals and service times; a machine with much else to do may need a second or third go."""
    for seed in range(4):
        async with serving(settings_for(WORKERS), TimedEngine(MEAN_S, WORKERS)) as server:
            answered = await rehearse(server.url, rate=0.85 * WORKERS / MEAN_S, seconds=SECONDS, seed=seed, ready=60)
        assert len(answered) > 80
        differences = _agree(answered)
        if not differences:
            return
    assert differences == []
