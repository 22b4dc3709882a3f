from __future__ import annotations

import numpy as np
import pytest

from fastring.audio.ring import RingBuffer
from fastring.session.stats import LatencyLog, buffer_stats


def test_latency_log_forgets_the_oldest_but_counts_on() -> None:
    log = LatencyLog()
    for seconds in [1.0] * 1024 + [1e-6] * 1024:
        log.add(seconds)
    assert log.stats() == {"count": 2048, "latency_us": {"p50": pytest.approx(1.0), "p99": pytest.approx(1.0)}}


def test_buffer_stats_speak_in_samples_per_channel() -> None:
    ring = RingBuffer(10, 2, "float32")
    ring.write(np.zeros((15, 2), np.float32))
    stats = buffer_stats(ring)
    assert (stats["capacity_samples"], stats["written"], stats["dropped"]) == (10, 15, 5)
