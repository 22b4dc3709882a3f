"""Counts that streams report, under the names of the native protocol."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastring.audio.ring import RingBuffer

__all__ = ["LatencyLog", "VoiceStats", "buffer_stats"]


@dataclass(frozen=True, slots=True)
class VoiceStats:
    """Counters of one voice session. Sizes in samples, shares in 0..1."""

    samples: int
    dropped_samples: int
    waiting_samples: int
    buffer_usage: float
    utterances: int
    open_utterances: int
    partial_jobs: int
    final_jobs: int
    failed_jobs: int
    refused_jobs: int
    frames: int
    gated_share: float
    window_seconds: float


class LatencyLog:
    """How many analyses there were, and how long the latest 1024 of them took."""

    def __init__(self) -> None:
        self._count = 0
        self._latest_s: deque[float] = deque(maxlen=1024)

    def add(self, seconds: float) -> None:
        """Note one."""
        self._count += 1
        self._latest_s.append(seconds)

    def stats(self) -> dict[str, Any]:
        """`count`, and `latency_us` with the percentiles `p50` and `p99`, in microseconds."""
        latest_s = sorted(self._latest_s) or [0.0]  # nearest rank; the first call of NumPy's takes 40 ms
        p50, p99 = (latest_s[int(share * (len(latest_s) - 1))] * 1e6 for share in (0.5, 0.99))
        return {"count": self._count, "latency_us": {"p50": p50, "p99": p99}}


def buffer_stats(ring: RingBuffer) -> dict[str, Any]:
    """The counts of a ring in samples per channel; `used_samples` is what its slowest reader has still to read."""
    stats = ring.stats()
    return {
        "capacity_samples": stats.capacity,
        "used_samples": stats.used,
        "usage": stats.usage,
        "written": stats.total_written,
        "read": stats.total_read,
        "dropped": stats.dropped,
        "overflows": stats.overflows,
    }
