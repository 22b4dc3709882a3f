"""Counts that streams report, under the names of the native protocol."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastring.audio.ring import RingBuffer

__all__ = ["BufferStats", "LatencyLog", "VoiceStats", "buffer_stats"]


@dataclass(frozen=True, slots=True)
class BufferStats:
    """Counts of a ring in samples per channel; `used_samples`, of which `usage` is the share, are still to be used."""

    capacity_samples: int
    used_samples: int = 0
    usage: float = 0.0
    written: int = 0
    read: int = 0
    dropped: int = 0
    overflows: int = 0


@dataclass(frozen=True, slots=True)
class VoiceStats:
    """Counters of one voice session. Sizes in samples at 16 kHz, shares in 0..1.

    `dropped_samples` counts what was lost on the way, too, as far as it is known; `buffer.dropped` what had no room.
    """

    buffer: BufferStats
    samples: int = 0
    dropped_samples: int = 0
    waiting_samples: int = 0
    buffer_usage: float = 0.0
    utterances: int = 0
    open_utterances: int = 0
    partial_jobs: int = 0
    final_jobs: int = 0
    failed_jobs: int = 0
    refused_jobs: int = 0
    frames: int = 0
    gated_share: float = 0.0
    window_seconds: float = 0.0


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
    """The fields of `BufferStats`; `used_samples` is what the ring's slowest reader has still to read."""
    stats = ring.stats()
    return asdict(
        BufferStats(
            capacity_samples=stats.capacity,
            used_samples=stats.used,
            usage=stats.usage,
            written=stats.total_written,
            read=stats.total_read,
            dropped=stats.dropped,
            overflows=stats.overflows,
        )
    )
