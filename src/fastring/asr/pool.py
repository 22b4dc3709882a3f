"""Threads that run an engine for many streams: bounded, fair, every accepted job answered exactly once.

The `Dispatcher` decides; here are its lock, its threads and its clock. Workers take jobs and call the engine. One more
thread, the keeper, tells the answers that no worker brings (replaced, evicted, cancelled, too old), and gives up on
calls that do not come back: such a worker is abandoned, another takes its place, and the jobs are tried once more.
After a call that hung or killed the engine, one that is `Rebuildable` is built anew. The engine and every `done` are
called outside the lock.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from fastring.asr.crew import Crew, Worker
from fastring.asr.dispatch import Dispatcher
from fastring.asr.ending import THREAD_PREFIX
from fastring.asr.job_queue import Ticket
from fastring.asr.transcriber import Rebuildable
from fastring.errors import EngineFailedError, TranscriberError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.pool_stats import PoolStats
    from fastring.asr.transcriber import Job, Outcome, Transcriber

__all__ = ["TranscriberPool"]

_log = logging.getLogger(__name__)
_REBUILD_S: Final = 120.0  # loading a model may take long


class TranscriberPool:
    """Runs a `Transcriber`, which it owns from now on, on threads of its own.

    Thread-safe. `submit`, `cancel` and `stats` never wait for an engine, so an event loop may call them.

    Args:
        transcriber: the engine.
        max_queue_per_stream: jobs one stream may have waiting.
        max_queue_total: jobs that may wait in all.
        timeout_s: a job that is not answered this long after `submit` is answered with `JobTimeoutError`.
        hang_s: a call of the engine that takes longer is given up: another thread takes the worker's place, and the
            jobs are tried once more. Where the engine is slow rather than hanging, the pool learns patience from what
            comes back late, up to `timeout_s`; a late answer still counts if there is no other yet.
        workers: threads; None: as many as the engine can use at once.
        most_abandoned: threads that may hang before no more are put in their place; None: twice the workers.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        transcriber: Transcriber,
        *,
        max_queue_per_stream: int = 3,
        max_queue_total: int = 64,
        timeout_s: float = 30.0,
        hang_s: float = 15.0,
        workers: int | None = None,
        most_abandoned: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transcriber = transcriber
        self._clock = clock
        self._lock = threading.Lock()
        self._has_work = threading.Condition(self._lock)
        self._has_chore = threading.Condition(self._lock)
        self._is_drained = threading.Condition(self._lock)
        # Guarded by the lock from here on.
        self._dispatcher = Dispatcher(
            transcriber.capabilities,
            max_queue_per_stream=max_queue_per_stream,
            max_queue_total=max_queue_total,
            timeout_s=timeout_s,
            hang_s=hang_s,
            rebuildable=isinstance(transcriber, Rebuildable),
            forget=self._forget,
        )
        self._idle = 0
        self._wakes_s: float | None = None  # when the keeper looks again by itself
        self._closing = False
        self._stopped = False
        self._closed = False
        size = workers or transcriber.capabilities.concurrency
        self._crew = Crew(size, 2 * size if most_abandoned is None else most_abandoned, self._work)
        self._keeper = threading.Thread(target=self._keep, name=f"{THREAD_PREFIX}keeper", daemon=True)
        self._keeper.start()
        with self._lock:
            self._crew.fill()

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
            EngineFailedError: if every thread hangs in the engine; `done` is not called then.
            TranscriberError: if the pool is closed.
        """
        with self._lock:
            if self._closing:
                raise TranscriberError("the pool is closed")
            if not self._crew:
                raise self._all_hang()
            self._dispatcher.submit(Ticket(job, done, self._clock()))
            self._stir()

    def cancel(self, stream_id: str) -> None:
        """Forget a stream: its jobs, waiting or running, are answered with `JobDroppedError` now.

        Jobs submitted for the same id afterwards are a new stream to the engine.
        """
        with self._lock:
            if not self._stopped:
                self._dispatcher.cancel(stream_id, self._clock())
                self._stir()

    def stats(self) -> PoolStats:
        """Counters, and latencies over the last jobs."""
        with self._lock:
            dispatcher = self._dispatcher
            return dispatcher.ledger.stats(
                workers=len(self._crew),
                abandoned=self._crew.abandoned,
                queued=dispatcher.waiting,
                running=dispatcher.running,
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
        dispatcher = self._dispatcher
        with self._lock:
            self._closing = True
            if drain:
                self._is_drained.wait_for(lambda: not dispatcher.waiting + dispatcher.running, timeout_s * 2 / 3)
            dispatcher.drop_waiting("closed", self._clock())
            self._is_drained.wait_for(lambda: not dispatcher.running, begun + timeout_s - time.monotonic())
            dispatcher.drop_running("closed", self._clock())
            self._stopped = True
            self._has_work.notify_all()
            self._has_chore.notify_all()
        return self._end_threads(max(0.5, begun + timeout_s - time.monotonic()))

    def _end_threads(self, timeout_s: float) -> bool:
        with self._lock:
            threads = [t for t in (*self._crew.threads(), self._keeper) if t is not threading.current_thread()]
            # A worker inside the engine cannot be waited for; one outside ends at once.
            stuck = self._dispatcher.running or self._crew.abandoned
        end_s = time.monotonic() + (0.1 if stuck else timeout_s)
        for thread in threads:
            thread.join(max(0.0, end_s - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            _log.warning("the speech engine did not stop within %.1f s", timeout_s)
            return False
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            self._transcriber.close()
        return True

    def _stir(self) -> None:
        """Wake whom the last decision concerns. Holds the lock."""
        dispatcher = self._dispatcher
        if dispatcher.waiting:
            self._has_work.notify(dispatcher.waiting)
        if dispatcher.chores or self._must_wake_keeper():
            self._has_chore.notify()
        if not dispatcher.running:
            self._is_drained.notify_all()

    # --- workers -------------------------------------------------------------------------------------------------

    def _work(self, worker: Worker) -> None:
        """What a worker's thread does. Whatever ends it, what it held is tried again and another takes its place."""
        try:
            self._serve(worker)
        except BaseException:
            _log.exception("a thread of the speech pool broke")
        with self._lock:
            self._crew.leave(worker)
            self._dispatcher.put_back(worker, self._clock())
            if not self._stopped:
                self._crew.fill()
            self._stir()

    def _serve(self, worker: Worker) -> None:
        while True:
            with self._lock:
                if self._stopped or not self._crew.stays(worker):
                    return
                batch = self._wait_for_batch(worker)
            if batch:
                self._run(worker, batch)
                del batch  # while the worker waits for the next one, the owners of these jobs may be gone

    def _wait_for_batch(self, worker: Worker) -> list[Ticket]:
        """Jobs to run together; none when the pool stops or the worker was given up. Holds the lock."""
        while not self._stopped and not worker.abandoned:
            now = self._clock()
            self._dispatcher.expire(now)
            if self._mend(worker, now):
                continue
            batch = self._dispatcher.take(worker, self._idle, now)
            if batch:
                self._stir()
                return batch
            self._rest(None)
        return []

    def _rest(self, seconds: float | None) -> None:
        self._idle += 1
        try:
            self._has_work.wait(seconds)
        finally:
            self._idle -= 1

    def _run(self, worker: Worker, batch: list[Ticket]) -> None:
        """Have jobs transcribed. Where that fails, each is tried once more on its own."""
        try:
            heard = self._transcriber.transcribe([ticket.job for ticket in batch])
            if len(heard) != len(batch):
                raise EngineFailedError(f"the engine answered {len(heard)} of {len(batch)} jobs")
        except BaseException as error:  # whatever it is, the worker must live and the job be answered
            with self._lock:
                again, reports = self._dispatcher.failed(worker, batch, error, self._clock())
                self._stir()
            _tell(reports)
            for ticket in again:
                self._run_again(worker, ticket)
        else:
            with self._lock:
                reports = self._dispatcher.succeeded(worker, batch, heard, self._clock())
                self._stir()
            _tell(reports)

    def _run_again(self, worker: Worker, ticket: Ticket) -> None:
        with self._lock:
            while not self._stopped and self._mend(worker, self._clock()):
                pass
            now = self._clock()
            self._dispatcher.expire(now)
            wanted = self._dispatcher.take_again(worker, ticket, now)
            self._stir()
        if wanted:
            self._run(worker, [ticket])

    # --- an engine in trouble ----------------------------------------------------------------------------------------

    def _mend(self, worker: Worker, now: float) -> bool:
        """Build the engine anew if that is due, or wait for it; False if it is well. The lock is let go meanwhile."""
        health = self._dispatcher.health
        if health.rebuilding:
            self._rest(None)
        elif health.rebuild_at is None:
            return False
        elif now < health.rebuild_at:
            self._rest(health.rebuild_at - now)
        else:
            health.begin_rebuild(now)
            worker.begin([], now, _REBUILD_S, health.generation)
            self._stir()
            self._lock.release()
            try:
                self._rebuild()
            finally:
                self._lock.acquire()
            self._rebuilt(worker)
        return True

    def _rebuild(self) -> None:
        assert isinstance(self._transcriber, Rebuildable)
        _log.warning("building the speech engine anew")
        try:
            self._transcriber.rebuild()
        except BaseException:
            _log.exception("the speech engine could not be built anew")

    def _rebuilt(self, worker: Worker) -> None:
        worker.come_back(self._clock())
        if not worker.abandoned:
            self._dispatcher.health.rebuilt()
            self._dispatcher.ledger.counts["rebuilt"] += 1
        self._has_work.notify_all()

    def _give_up_overdue(self, now: float) -> None:
        """Replace the workers that do not come back from the engine. Holds the lock."""
        for worker in self._crew.overdue(now):
            _log.error("the speech engine hangs: no answer to %d job(s) yet", len(worker.calling))
            self._crew.abandon(worker)
            self._dispatcher.give_up(worker, now)
            if not self._crew:
                self._dispatcher.fail_waiting(self._all_hang(), now)
            self._stir()

    def _all_hang(self) -> EngineFailedError:
        return EngineFailedError(f"the engine hangs: {self._crew.abandoned} calls have not come back")

    # --- keeper --------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        chores = self._dispatcher.chores
        while True:
            with self._lock:
                now = self._clock()
                self._dispatcher.expire(now)
                self._give_up_overdue(now)
                if not chores and self._stopped:
                    return
                if not chores:
                    self._wakes_s = self._next_deadline()
                    self._has_chore.wait(None if self._wakes_s is None else max(0.0, self._wakes_s - now))
                todo = list(chores)
                chores.clear()
            for chore in todo:
                chore()

    def _must_wake_keeper(self) -> bool:
        deadline = self._next_deadline()
        return deadline is not None and (self._wakes_s is None or deadline < self._wakes_s)

    def _next_deadline(self) -> float | None:
        """When a job is too old, or a call takes too long."""
        deadlines = [self._dispatcher.next_deadline(), self._crew.next_deadline()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _forget(self, stream_id: str) -> None:
        try:
            self._transcriber.forget(stream_id)
        except Exception:
            _log.exception("the engine could not forget %s", stream_id)
        with self._lock:
            self._dispatcher.forgotten(stream_id)
            self._stir()


def _tell(reports: list[Callable[[], None]]) -> None:
    for report in reports:
        report()
