"""The limits that fail a build: a percentile of single calls, each measured by pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

PERCENTILE = 99
ROUNDS = 2000


@pytest.fixture
def assert_below(benchmark: BenchmarkFixture) -> Callable[..., Any]:
    """`assert_below(limit_ms, call, setup=None)`: 99 of 100 single calls of `call()` end within `limit_ms`.

    Not the mean, which hides the slow calls, and not the slowest, which on a shared machine is the scheduler's.
    Returns what the last call returned, so that the test can assert the answer.
    """

    def check(limit_ms: float, call: Callable[[], Any], setup: Callable[[], Any] | None = None) -> Any:
        answer = benchmark.pedantic(call, setup=setup, rounds=ROUNDS, iterations=1, warmup_rounds=20)
        if benchmark.stats is not None:
            slow_ms = float(np.percentile(benchmark.stats.stats.data, PERCENTILE)) * 1e3
            benchmark.extra_info["p99_ms"] = slow_ms
            assert slow_ms < limit_ms, (
                f"{PERCENTILE} % of calls end within {slow_ms:.3f} ms; the limit is {limit_ms} ms"
            )
        return answer

    return check
