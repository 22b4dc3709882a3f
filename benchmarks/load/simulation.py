"""A discrete-event simulation of users who speak and workers who decode: how long a final waits for its worker.

Users come and go; while they are there they speak in turns, with pauses between. A turn that ends is one decode of the
whole turn. Turns wait in one queue, and the workers take them in the order they came.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import simpy

__all__ = ["Crowd", "Outcome", "Tier", "quantile", "replay", "simulate"]

LATE_S = 1.0
SHAPE = 4.0  # of the gamma distribution of turns


@dataclass(frozen=True)
class Crowd:
    """Who is there, and what their speech costs.

    Attributes:
        users: at a time, on average.
        turn_s: mean length of a turn (gamma, shape 4: a spread of a half).
        share: of the time somebody is there, how much of it he speaks.
        cost: seconds of a worker per second of speech, partials included.
        visit_s: mean time that a user stays (exponential, as are pauses).
    """

    users: int
    turn_s: float = 3.0
    share: float = 0.3
    cost: float = 0.15
    visit_s: float = 300.0

    def workers_for(self, load: float) -> int:
        """Workers that such a crowd keeps busy for that share of the time."""
        return max(1, math.ceil(self.users * self.share * self.cost / load))


@dataclass(frozen=True)
class Outcome:
    """What a stretch of simulated time brought: work offered, 1 is all that the workers can do, and sorted waits."""

    workers: int
    offered: float
    waits_s: list[float] = field(repr=False)

    @property
    def late_share(self) -> float:
        """Of the finals, how many waited for longer than a second."""
        return sum(wait > LATE_S for wait in self.waits_s) / max(1, len(self.waits_s))


class Tier:
    """Workers that take jobs from one queue, first come, first served.

    Attributes:
        waits_s: of the jobs that came after `from_s`, in the order they began.
        work_s: of the same.
    """

    def __init__(self, world: simpy.Environment, workers: int, *, from_s: float = 0.0) -> None:
        self.waits_s: list[float] = []
        self.work_s = 0.0
        self._world = world
        self._from_s = from_s
        self._queue = simpy.Store(world)
        for _ in range(workers):
            world.process(self._work())

    def put(self, takes_s: float) -> None:
        """A job comes now."""
        if self._world.now >= self._from_s:
            self.work_s += takes_s
        self._queue.put((self._world.now, takes_s))

    def _work(self) -> Iterable[Any]:
        while True:
            came_s, takes_s = yield self._queue.get()
            if came_s >= self._from_s:
                self.waits_s.append(self._world.now - came_s)
            yield self._world.timeout(takes_s)


def simulate(crowd: Crowd, workers: int, *, seconds: float = 60.0, warm_up_s: float = 15.0, seed: int = 1) -> Outcome:
    """Let a crowd talk to a tier; what comes in the first seconds is not counted."""
    world, draw = simpy.Environment(), random.Random(seed)
    tier = Tier(world, workers, from_s=warm_up_s)
    for _ in range(crowd.users):
        world.process(_visit(world, draw, crowd, tier, midway=True))
    world.process(_newcomers(world, draw, crowd, tier))
    world.run(until=seconds)
    return Outcome(workers, tier.work_s / workers / (seconds - warm_up_s), sorted(tier.waits_s))


def _newcomers(world: simpy.Environment, draw: random.Random, crowd: Crowd, tier: Tier) -> Iterable[Any]:
    while True:
        yield world.timeout(draw.expovariate(crowd.users / crowd.visit_s))
        world.process(_visit(world, draw, crowd, tier))


def _visit(
    world: simpy.Environment, draw: random.Random, crowd: Crowd, tier: Tier, *, midway: bool = False
) -> Iterable[Any]:
    """One user, from now until he leaves; a turn that he has begun he ends. `midway`: he may be in one already."""
    leaves_s = world.now + draw.expovariate(1 / crowd.visit_s)
    pause_s = crowd.turn_s * (1 - crowd.share) / crowd.share
    if midway and draw.random() < crowd.share:
        turn_s = draw.gammavariate(SHAPE + 1, crowd.turn_s / SHAPE)  # who looks in at random finds the long ones
        yield world.timeout(turn_s * draw.random())
        tier.put(crowd.cost * turn_s)
    while True:
        yield world.timeout(draw.expovariate(1 / pause_s))
        if world.now >= leaves_s:
            return
        turn_s = draw.gammavariate(SHAPE, crowd.turn_s / SHAPE)
        yield world.timeout(turn_s)
        tier.put(crowd.cost * turn_s)


def replay(jobs: Iterable[tuple[float, float]], workers: int) -> list[float]:
    """The sorted waits of jobs that came at known times and took known times: pairs of seconds."""
    world = simpy.Environment()
    tier = Tier(world, workers)

    def arrivals() -> Iterable[Any]:
        for came_s, takes_s in sorted(jobs):
            yield world.timeout(max(0.0, came_s - world.now))
            tier.put(takes_s)

    world.process(arrivals())
    world.run()
    return sorted(tier.waits_s)


def quantile(values: list[float], share: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0
