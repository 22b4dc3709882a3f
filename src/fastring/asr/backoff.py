"""How long to wait before trying again: exponential, with full jitter. Pure.

Full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015) draws the wait from all of the
interval, so that clients which failed together do not come back together.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Waits of one series of failures.

    Args:
        first_s: longest wait after the first failure; it doubles with each further one,
        longest_s: up to this.
        draw: a number in [0, 1).
    """

    def __init__(self, first_s: float, longest_s: float, draw: Callable[[], float] = random.random) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._draw = draw
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        limit_s = min(self._longest_s, self._first_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return limit_s * self._draw()

    def reset(self) -> None:
        """It worked: the series is over."""
        self._failures = 0
