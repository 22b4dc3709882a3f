"""Threads that run an engine for many streams: bounded, fair, every accepted job answered exactly once.

Workers take jobs from the `JobQueue` and call the engine. One more thread, the keeper, answers what never gets there
(replaced, evicted, cancelled, too old) and gives up on jobs whose engine hangs, so that no answer waits for a worker.
One lock guards all state; the engine and every `done` are called outside it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING

from fastring.asr.job_queue import JobQueue, Ticket
from fastring.asr.pool_stats import LatencyWindow, PoolStats
from fastring.asr.transcriber import Outcome
from fastring.errors import (
    EngineFailedError,
    FastringError,
    JobDroppedError,
    JobTimeoutError,
    QueueFullError,
    TranscriberError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.transcriber import Hypothesis, Job, Transcriber

__all__ = ["TranscriberPool"]

_log = logging.getLogger(__name__)


class TranscriberPool:
    """Runs a `Transcriber`, which it owns from now on, on threads of its own.

    Thread-safe. `submit`, `cancel` and `stats` never wait for an engine, so an event loop may call them.

    Args:
        transcriber: the engine.
        max_queue_per_stream: jobs one stream may have waiting.
        max_queue_total: jobs that may wait in all.
        timeout_s: a job that is not answered this long after `submit` is answered with `JobTimeoutError`.
        workers: threads; None: as many as the engine can use at once.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        *,
        max_queue_per_stream: int = 3,
        max_queue_total: int = 64,
        timeout_s: float = 30.0,
        workers: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transcriber = transcriber
        self._capabilities = transcriber.capabilities
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._has_work = threading.Condition(self._lock)
        self._has_chore = threading.Condition(self._lock)
        self._is_drained = threading.Condition(self._lock)
        # Guarded by the lock from here on.
        self._queue = JobQueue(
            max_per_stream=max_queue_per_stream, max_total=max_queue_total, in_order=self._capabilities.progressive
        )
        self._open: OrderedDict[Ticket, None] = OrderedDict()  # accepted and not answered, oldest first
        self._running: set[Ticket] = set()
        self._running_of: Counter[str] = Counter()
        self._forgetting: set[str] = set()  # cancelled streams whose running job must end before the engine forgets
        self._chores: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._watching = False  # the keeper knows of a deadline
        self._closing = False
        self._stopped = False
        self._closed = False
        self._counts: Counter[str] = Counter()
        self._queue_times, self._inference_times, self._total_times = LatencyWindow(), LatencyWindow(), LatencyWindow()
        # Daemons: an engine that hangs must not keep the process alive; `close` is the orderly way.
        self._workers = [
            threading.Thread(target=self._work, name=f"fastring-asr-{number}", daemon=True)
            for number in range(workers or self._capabilities.concurrency)
        ]
        self._keeper = threading.Thread(target=self._keep, name="fastring-asr-keeper", daemon=True)
        for thread in (*self._workers, self._keeper):
            thread.start()

    @property
    def transcriber(self) -> Transcriber:
        """The engine."""
        return self._transcriber

    def submit(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """Accept a job.

        Args:
            job: what to transcribe.
            done: called exactly once, from a thread of the pool, with the outcome: a hypothesis, or an error:
                `EngineFailedError`, `JobDroppedError` or `JobTimeoutError`. It must not block.

        Raises:
            QueueFullError: if the stream's share or the whole queue is full; `done` is not called then.
            TranscriberError: if the pool is closed.
        """
        with self._lock:
            if self._closing:
                raise TranscriberError("the pool is closed")
            ticket = Ticket(job, done, self._clock())
            try:
                displaced = self._queue.put(ticket)
            except QueueFullError:
                self._counts["rejected"] += 1
                raise
            self._counts["accepted"] += 1
            self._open[ticket] = None
            for other, reason in displaced:
                self._drop(other, reason)
            self._has_work.notify()
            if not self._watching:
                self._has_chore.notify()  # the keeper sleeps without a deadline

    def cancel(self, stream_id: str) -> None:
        """Forget a stream: its jobs, waiting or running, are answered with `JobDroppedError` now.

        Jobs submitted for the same id afterwards are a new stream to the engine.
        """
        with self._lock:
            for ticket in self._queue.remove_stream(stream_id):
                self._drop(ticket, "cancelled")
            for ticket in self._running:
                if ticket.job.stream_id == stream_id:
                    self._drop(ticket, "cancelled")
            if stream_id not in self._forgetting and not self._stopped:
                self._forgetting.add(stream_id)
                self._queue.hold(stream_id)
                self._forget_if_idle(stream_id)
            self._notify_if_drained()

    def stats(self) -> PoolStats:
        """Counters, and latencies over the last jobs."""
        with self._lock:
            return PoolStats(
                workers=len(self._workers),
                queued=len(self._queue),
                running=len(self._running),
                **{name: self._counts[name] for name in _COUNTED},
                queue=self._queue_times.summary(),
                inference=self._inference_times.summary(),
                total=self._total_times.summary(),
            )

    def close(self, timeout_s: float = 5.0, *, drain: bool = True) -> bool:
        """Take no more jobs, finish those that wait, end all threads, close the engine.

        Args:
            timeout_s: how long it may take. After two thirds of it, what still waits is dropped; at its end, what
                still runs.
            drain: False drops what waits at once.

        Returns:
            True if every thread has ended and the engine is closed; False if the engine still runs.
        """
        begun = time.monotonic()
        with self._lock:
            self._closing = True
            if drain:
                self._is_drained.wait_for(lambda: not self._queue and not self._running, timeout_s * 2 / 3)
            for ticket in list(self._queue):
                self._queue.remove(ticket)
                self._drop(ticket, "closed")
            self._is_drained.wait_for(lambda: not self._running, begun + timeout_s - time.monotonic())
            for ticket in self._running:
                self._drop(ticket, "closed")
            self._stopped = True
            self._has_work.notify_all()
            self._has_chore.notify_all()
        return self._end_threads(max(0.5, begun + timeout_s - time.monotonic()))

    def _end_threads(self, timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        threads = [t for t in (*self._workers, self._keeper) if t is not threading.current_thread()]
        for thread in threads:
            # A worker inside the engine cannot be waited for; one outside ends at once.
            thread.join(max(0.0, end - time.monotonic()) if not self._running else 0.1)
        if any(thread.is_alive() for thread in threads):
            _log.warning("the speech engine did not stop within %.1f s", timeout_s)
            return False
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            self._transcriber.close()
        return True

    # --- workers -------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._lock:
                batch = self._wait_for_batch()
            if not batch:
                return
            answers = self._transcribe(batch)
            with self._lock:
                reports = [self._finish(ticket, answer) for ticket, answer in zip(batch, answers, strict=True)]
            for report in reports:
                if report is not None:
                    report()

    def _wait_for_batch(self) -> list[Ticket]:
        """Jobs to run together, or none when the pool stops. Holds the lock."""
        while not self._stopped:
            self._expire()
            # What waits is shared with the workers that have nothing to do.
            share = -(-len(self._queue) // (self._idle + 1))
            batch = self._queue.take(min(self._capabilities.max_batch, share))
            if batch:
                now = self._clock()
                for ticket in batch:
                    ticket.started_s = now
                    self._running_of[ticket.job.stream_id] += 1
                self._running.update(batch)
                return batch
            self._idle += 1
            self._has_work.wait()
            self._idle -= 1
        return []

    def _transcribe(self, batch: list[Ticket]) -> list[tuple[Hypothesis | FastringError, float]]:
        """Each job's hypothesis or error, and when it was there. Where a batch fails, its jobs are tried one by one."""
        try:
            heard = self._transcriber.transcribe([ticket.job for ticket in batch])
            if len(heard) != len(batch):
                raise EngineFailedError(f"the engine answered {len(heard)} of {len(batch)} jobs")
            return [(hypothesis, self._clock()) for hypothesis in heard]
        except BaseException as error:  # whatever it is, the worker must live and the job be answered
            if len(batch) > 1:
                return [answer for ticket in batch for answer in self._transcribe([ticket])]
            return [(_as_engine_failure(error), self._clock())]

    def _finish(self, ticket: Ticket, answer: tuple[Hypothesis | FastringError, float]) -> Callable[[], None] | None:
        """Book a job that has run, and what to call for it: nothing if it was answered before. Holds the lock."""
        result, ended_s = answer
        stream_id = ticket.job.stream_id
        self._running.discard(ticket)
        self._running_of[stream_id] -= 1
        if not self._running_of[stream_id]:
            del self._running_of[stream_id]
        self._queue.finish(ticket)
        self._forget_if_idle(stream_id)
        if self._queue:
            self._has_work.notify()
        self._notify_if_drained()
        if isinstance(result, FastringError):
            return self._settle(ticket, "failed", None, result, ended_s)
        return self._settle(ticket, "done", result, None, ended_s)

    # --- answers: these hold the lock ------------------------------------------------------------------------------

    def _settle(
        self, ticket: Ticket, count: str, hypothesis: Hypothesis | None, error: FastringError | None, now: float
    ) -> Callable[[], None] | None:
        """Answer a ticket if nobody has: count it, and return the call that tells its owner."""
        if ticket not in self._open:
            return None
        del self._open[ticket]
        self._counts[count] += 1
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

    def _answer_later(self, ticket: Ticket, count: str, error: FastringError) -> None:
        report = self._settle(ticket, count, None, error, self._clock())
        if report is not None:
            self._chores.append(report)
            self._has_chore.notify()

    def _drop(self, ticket: Ticket, reason: str) -> None:
        self._answer_later(ticket, "dropped", JobDroppedError(reason))

    def _expire(self) -> None:
        """Answer what is past its deadline, waiting or running; a running job's own answer is then discarded."""
        latest = self._clock() - self._timeout_s
        while (ticket := next(iter(self._open), None)) is not None and ticket.accepted_s <= latest:
            if ticket not in self._running:
                self._queue.remove(ticket)
            self._answer_later(ticket, "expired", JobTimeoutError(f"not answered within {self._timeout_s:g} s"))
            self._notify_if_drained()

    def _notify_if_drained(self) -> None:
        if not self._running:
            self._is_drained.notify_all()

    def _forget_if_idle(self, stream_id: str) -> None:
        if stream_id not in self._forgetting or self._running_of[stream_id]:
            return

        def forget() -> None:
            try:
                self._transcriber.forget(stream_id)
            except Exception:
                _log.exception("the engine could not forget %s", stream_id)
            with self._lock:
                self._forgetting.discard(stream_id)
                self._queue.release(stream_id)
                self._has_work.notify()

        self._chores.append(forget)
        self._has_chore.notify()

    # --- keeper --------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while True:
            with self._lock:
                self._expire()
                if not self._chores and self._stopped:
                    return
                if not self._chores:
                    deadline_in = self._next_deadline_in()
                    self._watching = deadline_in is not None
                    self._has_chore.wait(deadline_in)
                chores = list(self._chores)
                self._chores.clear()
            for chore in chores:
                chore()

    def _next_deadline_in(self) -> float | None:
        oldest = next(iter(self._open), None)
        return None if oldest is None else max(0.0, oldest.accepted_s + self._timeout_s - self._clock())


_COUNTED = ("accepted", "rejected", "done", "failed", "dropped", "expired")


def _as_engine_failure(error: BaseException) -> FastringError:
    if isinstance(error, FastringError):
        return error
    failure = EngineFailedError(f"the engine raised {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
