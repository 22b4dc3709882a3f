"""What the pool has done and how long it took: counters, and percentiles over the last jobs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Latencies", "LatencyWindow", "PoolStats"]


@dataclass(frozen=True, slots=True)
class Latencies:
    """Mean and percentiles in milliseconds over the last `count` jobs; all 0 before the first."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool at one moment. Every accepted job ends in exactly one of done, failed, dropped and expired.

    Attributes:
        workers: threads that run the engine.
        abandoned: threads that hang in it, and were given up.
        queued: jobs that wait.
        running: jobs that the engine has.
        accepted: jobs taken by `submit`.
        rejected: jobs refused with `QueueFullError`.
        done: jobs answered with a hypothesis.
        failed: jobs the engine failed on.
        dropped: jobs replaced, evicted, cancelled, or left over when the pool closed.
        expired: jobs not answered within the deadline.
        retried: jobs tried again after a call that failed or hung.
        hung: calls of the engine that took too long.
        rebuilt: times the engine was built anew.
        queue: time from `submit` to the engine, of jobs done.
        inference: time in the engine, of jobs done.
        total: both.
    """

    workers: int
    abandoned: int
    queued: int
    running: int
    accepted: int
    rejected: int
    done: int
    failed: int
    dropped: int
    expired: int
    retried: int
    hung: int
    rebuilt: int
    queue: Latencies
    inference: Latencies
    total: Latencies


class LatencyWindow:
    """The last `size` durations."""

    def __init__(self, size: int = 512) -> None:
        self._seconds: deque[float] = deque(maxlen=size)

    def add(self, seconds: float) -> None:
        """Count one more."""
        self._seconds.append(seconds)

    def summary(self) -> Latencies:
        """Mean and percentiles (nearest rank)."""
        ordered = sorted(self._seconds)
        if not ordered:
            return Latencies(0, 0.0, 0.0, 0.0)
        n = len(ordered)
        return Latencies(
            count=n,
            mean_ms=1000 * sum(ordered) / n,
            p50_ms=1000 * ordered[(n - 1) // 2],
            p95_ms=1000 * ordered[max(0, -(-n * 95 // 100) - 1)],
        )
