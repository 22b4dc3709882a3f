"""A circuit breaker: leave alone what keeps failing, and try it again now and then. Pure; the time comes in.

M. Nygard, "Release It!", 2007. Closed: every call may go through. After some failures in a row it opens, and nothing
goes through for a while that doubles with each opening. Then it lets one call through: that one's success closes it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CircuitBreaker"]

_LONGEST_S: Final = 60.0
_JITTER: Final = 0.2  # share of a wait that is drawn, so that many processes do not try at once


class CircuitBreaker:
    """State of one thing that can fail. Not thread-safe.

    Args:
        failures: so many in a row open it.
        first_s: how long it stays open the first time.
        draw: a number in [0, 1).
    """

    def __init__(self, failures: int, first_s: float, draw: Callable[[], float] = random.random) -> None:
        self._limit = failures
        self._first_s = first_s
        self._draw = draw
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probe_until: float | None = None

    def state(self, now: float) -> Literal["closed", "open", "half-open"]:
        """What a caller may expect."""
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    def admit(self, now: float, probe_s: float) -> bool:
        """Whether a call may go through. Of a half-open one, one call in `probe_s` seconds may until one succeeds."""
        state = self.state(now)
        if state != "half-open":
            return state == "closed"
        if self._probe_until is not None and now < self._probe_until:
            return False
        self._probe_until = now + probe_s
        return True

    def succeeded(self) -> None:
        """A call went well."""
        self._failures = self._openings = 0
        self._open_until = self._probe_until = None

    def failed(self, now: float, *, at_once: bool = False, least_s: float = 0.0) -> None:
        """A call failed.

        Args:
            now: the time.
            at_once: one failure is enough, for the next call would fail in the same way.
            least_s: stay open at least this long, as the other side asks.
        """
        self._failures += 1
        half_open = self.state(now) == "half-open"
        if not (at_once or half_open or least_s or self._failures >= self._limit) or self.state(now) == "open":
            return
        wait_s = min(_LONGEST_S, self._first_s * 2.0 ** min(self._openings, 30))
        wait_s *= 1 - _JITTER * self._draw()
        self._openings += 1
        self._open_until = now + max(wait_s, min(least_s, _LONGEST_S))
        self._probe_until = None
