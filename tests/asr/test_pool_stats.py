from __future__ import annotations

import pytest

from fastring.asr.pool_stats import Latencies, LatencyWindow


def test_before_the_first_job_all_is_zero() -> None:
    assert LatencyWindow().summary() == Latencies(0, 0.0, 0.0, 0.0)


def test_percentiles_are_by_nearest_rank() -> None:
    window = LatencyWindow()
    for milliseconds in range(100, 0, -1):
        window.add(milliseconds / 1000)
    summary = window.summary()
    assert (summary.count, summary.mean_ms) == (100, pytest.approx(50.5))
    assert (summary.p50_ms, summary.p95_ms) == (pytest.approx(50), pytest.approx(95))


def test_only_the_last_ones_count() -> None:
    window = LatencyWindow(size=3)
    for seconds in (9, 1, 1, 1):
        window.add(seconds)
    assert window.summary() == Latencies(3, 1000, 1000, 1000)
