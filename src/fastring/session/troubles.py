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
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._busy_since: float | None = None
        self._busy_said = 0.0
        self._failing = False

    def busy(self, waiting: int, now: float) -> None:
        """The pool refused a job; `waiting` of them are out. Said once a second at most."""
        if self._busy_since is None:
            self._busy_since = now
        elif now - self._busy_said < _BUSY_EVERY_S:
            return
        self._busy_said = now
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

    def over(self) -> None:
        """A job was answered."""
        self._failing = False
        if self._busy_since is not None:
            self._busy_since = None
            self._outbox.tell(Status("recovered"))
