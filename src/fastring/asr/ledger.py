"""The books of the pool: which accepted jobs are not answered yet, how the others ended, and how long they took."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from fastring.asr.pool_stats import LatencyWindow, PoolStats
from fastring.asr.transcriber import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.job_queue import Ticket
    from fastring.asr.transcriber import Hypothesis
    from fastring.errors import FastringError

__all__ = ["Ledger"]

_log = logging.getLogger(__name__)
_COUNTED = ("accepted", "rejected", "done", "failed", "dropped", "expired", "retried", "hung", "rebuilt")


class Ledger:
    """Sees to it that every accepted ticket is answered once. The pool's lock guards it."""

    def __init__(self) -> None:
        self._open: OrderedDict[Ticket, None] = OrderedDict()  # accepted and not answered, oldest first
        self.counts: Counter[str] = Counter()
        self._queue_times, self._inference_times, self._total_times = LatencyWindow(), LatencyWindow(), LatencyWindow()

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._open

    @property
    def oldest(self) -> Ticket | None:
        """The one that has waited longest for its answer."""
        return next(iter(self._open), None)

    def accept(self, ticket: Ticket) -> None:
        """An answer is owed."""
        self.counts["accepted"] += 1
        self._open[ticket] = None

    def settle(
        self, ticket: Ticket, count: str, hypothesis: Hypothesis | None, error: FastringError | None, now: float
    ) -> Callable[[], None] | None:
        """Book the answer under `count`, unless there is one already.

        Returns:
            The call that tells the ticket's owner, to be made outside the lock; None if it was told before.
        """
        if ticket not in self._open:
            return None
        del self._open[ticket]
        self.counts[count] += 1
        started_s = now if ticket.started_s is None else ticket.started_s
        queue_s, inference_s = started_s - ticket.accepted_s, now - started_s
        if count == "done":
            self._queue_times.add(queue_s)
            self._inference_times.add(inference_s)
            self._total_times.add(queue_s + inference_s)
        outcome = Outcome(ticket.job, hypothesis, error, queue_s, inference_s)

        def report() -> None:
            try:
                ticket.done(outcome)
            except Exception:
                _log.exception("the owner of job %d of %s raised", ticket.job.job_id, ticket.job.stream_id)

        return report

    def stats(self, *, workers: int, abandoned: int, queued: int, running: int) -> PoolStats:
        """Counters, and latencies over the last jobs."""
        return PoolStats(
            workers=workers,
            abandoned=abandoned,
            queued=queued,
            running=running,
            **{name: self.counts[name] for name in _COUNTED},
            queue=self._queue_times.summary(),
            inference=self._inference_times.summary(),
            total=self._total_times.summary(),
        )
