"""The engine pool as uploads see it: together they have a part of it and take turns, so that live speech is not kept.

The jobs of an upload are finals, which go before everybody's partials. So few of them are let into the pool at a time:
one less than it has workers, or one; and a place that comes free is given on by the event loop, not by the worker that
freed it, so that the worker takes first what live clients have waiting.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from fastring.asr.transcriber import Outcome
from fastring.errors import JobDroppedError, TranscriberError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.pool import TranscriberPool
    from fastring.asr.transcriber import Job

__all__ = ["UploadLane", "UploadLanes"]


class UploadLanes:
    """Who of the uploads may have a job in the pool. Thread-safe.

    Args:
        pool: of the server.
        most: jobs of uploads in it at a time.
    """

    def __init__(self, pool: TranscriberPool, most: int) -> None:
        self.pool = pool
        self._free = most
        self._lock = threading.Lock()
        self._waiting: OrderedDict[UploadLane, deque[tuple[Job, Callable[[Outcome], None]]]] = OrderedDict()

    def put(self, lane: UploadLane, job: Job, done: Callable[[Outcome], None]) -> None:
        """Let a job wait for its turn; it may be at once."""
        with self._lock:
            self._waiting.setdefault(lane, deque()).append((job, done))
        self._let_in()

    def drop(self, lane: UploadLane) -> None:
        """Answer what waits in a lane that is given up."""
        with self._lock:
            waiting = self._waiting.pop(lane, ())
        for job, done in waiting:
            done(Outcome(job, None, JobDroppedError("cancelled")))

    def release(self) -> None:
        """A job is answered: another may go in."""
        with self._lock:
            self._free += 1
        self._let_in()

    def _let_in(self) -> None:
        """Let in who is next, while there is room; a lane that had its turn goes to the end."""
        while True:
            with self._lock:
                if not self._free or not self._waiting:
                    return
                self._free -= 1
                lane, jobs = self._waiting.popitem(last=False)
                job, done = jobs.popleft()
                if jobs:
                    self._waiting[lane] = jobs
            self._submit(lane, job, done)

    def _submit(self, lane: UploadLane, job: Job, done: Callable[[Outcome], None]) -> None:
        def answered(outcome: Outcome) -> None:
            done(outcome)
            lane.later(self.release)

        try:
            self.pool.submit(job, answered)
        except TranscriberError as error:  # full: the session tries again
            answered(Outcome(job, None, error))


class UploadLane:
    """The pool as one upload sees it.

    Args:
        lanes: of the server.
        name: the stream id of its jobs.
        later: calls a function soon, from another thread than a worker's.

    Attributes:
        cancelled: nothing goes in any more.
    """

    def __init__(self, lanes: UploadLanes, name: str, later: Callable[[Callable[[], None]], object]) -> None:
        self.cancelled = False
        self.later = later
        self._lanes = lanes
        self._name = name

    def submit(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """See `TranscriberPool.submit`; a job may wait here for its turn."""
        if self.cancelled:
            raise TranscriberError("the upload was given up")
        self._lanes.put(self, job, done)

    def cancel(self) -> None:
        """Give up: what waits or runs is answered now with `JobDroppedError`."""
        self.cancelled = True
        self._lanes.drop(self)
        self._lanes.pool.cancel(self._name)
