"""What a client is told while more comes than can be heard: at once, then now and then, and when it is over."""

from __future__ import annotations

from fastring.events import Status

__all__ = ["Backpressure"]

_EVERY_S = 1.0
_CALM_S = 0.5
_RETRY_MS = (100, 5000)


class Backpressure:
    """Makes `backpressure` and `recovered` of one source. Times are monotonic seconds that the caller passes in.

    Args:
        source: its name.
    """

    def __init__(self, source: str = "system") -> None:
        self._source = source
        self._dropped = 0
        self._behind_at: float | None = None
        self._said_at: float | None = None

    @property
    def active(self) -> bool:
        """Whether `recovered` is still to come."""
        return self._said_at is not None

    def lose(self, frames: int) -> None:
        """So many samples per channel were lost."""
        self._dropped += frames

    def report(self, behind: bool, *, waiting: int, lag_s: float, now: float) -> Status | None:
        """What to say now, if anything.

        Args:
            behind: whether chunks wait that the session has no room for.
            waiting: how many.
            lag_s: how far behind the oldest of them is.
            now: seconds.
        """
        if behind:
            self._behind_at = now
            if self._said_at is not None and now - self._said_at < _EVERY_S:
                return None
            self._said_at = now
            lag_ms = 1000 * lag_s
            retry_ms = min(max(round(lag_ms), _RETRY_MS[0]), _RETRY_MS[1])
            return Status("backpressure", self._source, self._dropped, waiting, round(lag_ms, 1), retry_ms)
        if self._said_at is None or self._behind_at is None or now - self._behind_at < _CALM_S:
            return None
        status = Status("recovered", self._source, self._dropped)
        self._said_at, self._dropped = None, 0
        return status
