"""What a session says of an engine in trouble: busy, failed, recovered; never more than is of use."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final as Constant

from fastring.errors import EngineFailedError
from fastring.events import Failure, Status
from fastring.session.jobs import RETRY_S

if TYPE_CHECKING:
    from fastring.asr.transcriber import Outcome
    from fastring.session.outbox import Outbox

__all__ = ["Troubles"]

_BUSY_EVERY_S: Constant = 1.0


class Troubles:
    """Tells the outbox about an engine that has no time or no answer.

    Args:
        outbox: who is told.
        max_lag_s: a final that is owed for longer means that the engine is busy.
    """

    def __init__(self, outbox: Outbox, max_lag_s: float = 5.0) -> None:
        self._outbox = outbox
        self._max_lag_s = max_lag_s
        self._busy_since: float | None = None
        self._busy_said = 0.0
        self._failing = False

    @property
    def is_busy(self) -> bool:
        """Whether `recovered` is still to come."""
        return self._busy_since is not None

    def late_at(self, owed_since: float) -> float:
        """When a final that is due since then is late."""
        return owed_since + self._max_lag_s

    def owed(self, waiting: int, owed_since: float | None, now: float) -> None:
        """`waiting` jobs are out, and the oldest final among them is due since then."""
        if owed_since is not None and self.late_at(owed_since) <= now:
            self.busy(waiting, now, owed_since)

    def busy(self, waiting: int, now: float, since: float | None = None) -> None:
        """The engine has no time for us; `waiting` jobs are out. Said once a second at most."""
        if self._busy_since is None:
            self._busy_since = now if since is None else since
        elif now - self._busy_said < _BUSY_EVERY_S:
            return
        self._busy_said = now
        self._busy_since = self._busy_since if since is None else since
        lag_ms = 1000 * (now - self._busy_since)
        self._outbox.tell(
            Status("server_busy", queue_depth=waiting, lag_ms=lag_ms, retry_after_ms=round(1000 * RETRY_S))
        )

    def failed(self, outcome: Outcome) -> None:
        """A job got no answer. Every final that fails is told; of partials in a row only the first."""
        if outcome.job.kind == "final" or not self._failing:
            error = outcome.error or EngineFailedError("the job ended without a result")
            self._outbox.tell(Failure(error.code, str(error), text_lost=outcome.job.kind == "final"))
        self._failing = True

    def over(self, owed_since: float | None = None, now: float = 0.0) -> None:
        """A job was answered; the oldest final that is still owed is due since then."""
        self._failing = False
        if self._busy_since is not None and (owed_since is None or now < self.late_at(owed_since)):
            self._busy_since = None
            self._outbox.tell(Status("recovered"))
