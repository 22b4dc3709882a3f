"""What the pool decides: who gets which job, and what becomes of it when the engine fails. No threads, no clock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from fastring.asr.health import EngineHealth
from fastring.asr.job_queue import JobQueue, Ticket
from fastring.asr.ledger import Ledger
from fastring.errors import EngineFailedError, FastringError, JobDroppedError, JobTimeoutError, QueueFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.asr.crew import Worker
    from fastring.asr.transcriber import Capabilities, Hypothesis

__all__ = ["Dispatcher"]

_MOST_TRIES: Final = 2
_IN_TIME: Final = 0.5  # of the timeout: what is accepted is expected to be answered within it
_NEWEST: Final = 0.2  # weight of the newest call in what a job takes
_INSTANT_S: Final = 1e-6  # a job that takes no longer bounds nothing


class Dispatcher:
    """Tickets from `submit` to their answer. The pool's lock guards it.

    Answers to what a worker brought back are returned, for its thread to tell; all others wait in `chores`. A job whose
    call failed, or did not come back, is tried once more; then it fails.

    Args:
        capabilities: of the engine.
        max_queue_per_stream: tickets one stream may have waiting.
        max_queue_total: tickets that may wait in all.
        timeout_s: a ticket is answered within this time.
        hang_s: a call may take this long.
        rebuildable: whether the engine can be built anew.
        forget: tells the engine that a stream is gone, then calls `forgotten`; as a chore, outside the lock.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        *,
        max_queue_per_stream: int,
        max_queue_total: int,
        timeout_s: float,
        hang_s: float,
        rebuildable: bool,
        forget: Callable[[str], None],
    ) -> None:
        self._max_batch = capabilities.max_batch
        self._concurrency = capabilities.concurrency
        self._job_s = 0.0  # what the engine takes for a job, of late
        self._timeout_s = timeout_s
        self._forget = forget
        self.health = EngineHealth(hang_s, timeout_s, rebuildable=rebuildable)
        self.ledger = Ledger()
        self.chores: deque[Callable[[], None]] = deque()
        self._queue = JobQueue(
            max_per_stream=max_queue_per_stream, max_total=max_queue_total, in_order=capabilities.progressive
        )
        self._held: dict[Ticket, Worker] = {}  # taken, not yet back
        self._forgetting: set[str] = set()  # cancelled streams whose running job must end before the engine forgets

    @property
    def waiting(self) -> int:
        """Tickets that wait."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Tickets that workers have."""
        return len(self._held)

    # --- from outside ------------------------------------------------------------------------------------------------

    def submit(self, ticket: Ticket) -> None:
        """Let a ticket wait; what it makes pointless is dropped.

        Raises:
            QueueFullError: if there is no room.
        """
        try:
            displaced = self._queue.put(ticket)
        except QueueFullError:
            self.ledger.counts["rejected"] += 1
            raise
        self.ledger.accept(ticket)
        for other, reason in displaced:
            if other.job.kind == "partial":
                self._drop(other, reason, ticket.accepted_s)
            else:
                error = QueueFullError("all places are taken, and another answer has been owed for longer")
                self._answer(other, "dropped", error, ticket.accepted_s)

    def cancel(self, stream_id: str, now: float) -> None:
        """A stream is gone: drop its tickets, and let the engine forget it when none of them runs any more."""
        for ticket in self._queue.remove_stream(stream_id):
            self._drop(ticket, "cancelled", now)
        for ticket in self._held:
            if ticket.job.stream_id == stream_id:
                self._drop(ticket, "cancelled", now)
        if stream_id not in self._forgetting:
            self._forgetting.add(stream_id)
            self._queue.hold(stream_id)
            self._forget_if_idle(stream_id)

    def forgotten(self, stream_id: str) -> None:
        """The engine has forgotten a stream; its name may be used again."""
        self._forgetting.discard(stream_id)
        self._queue.release(stream_id)

    def drop_waiting(self, reason: str, now: float) -> None:
        """Drop what waits."""
        for ticket in list(self._queue):
            self._queue.remove(ticket)
            self._drop(ticket, reason, now)

    def drop_running(self, reason: str, now: float) -> None:
        """Answer what runs, whatever comes of it."""
        for ticket in self._held:
            self._drop(ticket, reason, now)

    def fail_waiting(self, error: FastringError, now: float) -> None:
        """There is nobody to take what waits."""
        for ticket in list(self._queue):
            self._queue.remove(ticket)
            self._answer(ticket, "failed", error, now)

    def expire(self, now: float) -> None:
        """Answer what is past its deadline, waiting or running; a running one's own answer is then discarded."""
        while (ticket := self.ledger.oldest) is not None and ticket.accepted_s <= now - self._timeout_s:
            self._queue.remove(ticket)
            self._answer(ticket, "expired", JobTimeoutError(f"not answered within {self._timeout_s:g} s"), now)

    def next_deadline(self) -> float | None:
        """When `expire` has something to do; None without tickets."""
        oldest = self.ledger.oldest
        return None if oldest is None else oldest.accepted_s + self._timeout_s

    # --- from workers ------------------------------------------------------------------------------------------------

    def take(self, worker: Worker, idle: int, now: float) -> list[Ticket]:
        """Jobs for one call, none if none may run; what waits is shared with `idle` others."""
        share = -(-len(self._queue) // (idle + 1))
        batch = self._queue.take(min(self._max_batch, share))
        for ticket in batch:
            self._held[ticket] = worker
        if batch:
            self._begin(worker, batch, now)
        return batch

    def take_again(self, worker: Worker, ticket: Ticket, now: float) -> bool:
        """Whether the worker is to call the engine again for a ticket that `failed` returned."""
        if self._held.get(ticket) is not worker:
            return False
        if ticket not in self.ledger:
            self._let_go(ticket)
            return False
        self.ledger.counts["retried"] += 1
        self._begin(worker, [ticket], now)
        return True

    def succeeded(
        self, worker: Worker, batch: Sequence[Ticket], heard: Sequence[Hypothesis], now: float
    ) -> list[Callable[[], None]]:
        """A call came back with answers. They count too if it had been given up, and nobody was quicker."""
        took_s = worker.come_back(now)
        self.health.came_back(took_s)
        self._fit_queue(took_s / len(batch))
        reports = []
        for ticket, hypothesis in zip(batch, heard, strict=True):
            if self._held.get(ticket) is worker:
                self._let_go(ticket)
            self._queue.remove(ticket)
            reports.append(self.ledger.settle(ticket, "done", hypothesis, None, now))
        return [report for report in reports if report is not None]

    def failed(
        self, worker: Worker, batch: Sequence[Ticket], error: BaseException, now: float
    ) -> tuple[list[Ticket], list[Callable[[], None]]]:
        """A call raised: the tickets that the worker is to try again, one by one; and the answers to the others."""
        worker.come_back(now)
        self.health.failed(error, worker.generation)
        again, reports = [], []
        for ticket in batch:
            if self._held.get(ticket) is not worker:
                continue  # given up, and tried again elsewhere
            ticket.tries += 1
            if ticket.tries < _MOST_TRIES:
                again.append(ticket)
                continue
            self._let_go(ticket)
            reports.append(self.ledger.settle(ticket, "failed", None, _as_engine_failure(error), now))
        return again, [report for report in reports if report is not None]

    def give_up(self, worker: Worker, now: float) -> None:
        """The worker does not come back from the engine: what it holds is tried by another."""
        self.ledger.counts["hung"] += 1
        if worker.calling:
            self.health.hangs(worker.generation)
        else:  # it was building the engine anew: go on with what there is
            self.health.rebuilt()
        for ticket in worker.calling:
            ticket.tries += 1
        self.put_back(worker, now)

    def put_back(self, worker: Worker, now: float) -> None:
        """What the worker holds waits again; what was tried often enough fails."""
        for ticket in [ticket for ticket, holder in self._held.items() if holder is worker]:
            self._let_go(ticket)
            if ticket not in self.ledger:
                continue
            if ticket.tries >= _MOST_TRIES:
                error = EngineFailedError("the engine did not come back from this job, twice")
                self._answer(ticket, "failed", error, now)
            elif self._queue.put_back(ticket):
                self.ledger.counts["retried"] += 1
            else:
                self._drop(ticket, "replaced", now)

    def _fit_queue(self, job_s: float) -> None:
        """Let no more jobs wait than can be answered in time: who comes later is refused now, not given up then."""
        self._job_s += (job_s - self._job_s) * (_NEWEST if self._job_s else 1.0)
        if self._job_s > _INSTANT_S:
            in_time = int(_IN_TIME * self._timeout_s * self._concurrency / self._job_s)
            fewest = 2 * self._concurrency * self._max_batch
            self._queue.resize(max(in_time, fewest))

    def _begin(self, worker: Worker, batch: list[Ticket], now: float) -> None:
        for ticket in batch:
            ticket.started_s = now
        worker.begin(batch, now, self.health.patience_s, self.health.generation)

    def _let_go(self, ticket: Ticket) -> None:
        del self._held[ticket]
        self._queue.finish(ticket)
        self._forget_if_idle(ticket.job.stream_id)

    def _answer(self, ticket: Ticket, count: str, error: FastringError, now: float) -> None:
        report = self.ledger.settle(ticket, count, None, error, now)
        if report is not None:
            self.chores.append(report)

    def _drop(self, ticket: Ticket, reason: str, now: float) -> None:
        self._answer(ticket, "dropped", JobDroppedError(reason), now)

    def _forget_if_idle(self, stream_id: str) -> None:
        if stream_id in self._forgetting and all(ticket.job.stream_id != stream_id for ticket in self._held):
            self.chores.append(lambda: self._forget(stream_id))


def _as_engine_failure(error: BaseException) -> FastringError:
    if isinstance(error, FastringError):
        return error
    failure = EngineFailedError(f"the engine raised {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
