"""How long to wait before the next attempt: full jitter, so that a thousand clients do not come back at once."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits drawn evenly from 0 to a bound that doubles with every attempt.

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015 (full jitter).

    Args:
        first_s: bound of the first wait.
        longest_s: the bound grows no further.
        draw: evenly distributed in 0..1.
    """

    def __init__(self, first_s: float = 0.2, longest_s: float = 5.0, draw: random.Random | None = None) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._random = draw or random.Random()
        self.attempt = 0

    def succeeded(self) -> None:
        """Start over."""
        self.attempt = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The next wait; `at_least_s` is what the server asked for."""
        bound_s = min(self._longest_s, self._first_s * 2.0 ** min(self.attempt, 30))
        self.attempt += 1
        return at_least_s + self._random.uniform(0, bound_s)
