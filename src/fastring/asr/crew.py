"""The pool's worker threads: who is inside the engine since when, who is given up, and who takes their place.

A thread inside an engine that hangs cannot be ended. It is abandoned: another takes its place, and if it ever comes
back it ends, or joins again where no other could be hired. So threads are bounded by `size` + `most_abandoned`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastring.asr.ending import THREAD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

from fastring.asr.job_queue import Ticket

__all__ = ["Crew", "Worker"]


@dataclass(slots=True, eq=False)
class Worker:
    """One thread. `calling` is what the engine has of it, since `began_s`."""

    calling: list[Ticket] = field(default_factory=list)
    began_s: float | None = None
    patience_s: float = 0.0
    generation: int = 0  # of the engine, when it was called
    abandoned: bool = False
    thread: threading.Thread | None = None

    def begin(self, tickets: list[Ticket], now: float, patience_s: float, generation: int) -> None:
        """It goes into the engine; after `patience_s` seconds it counts as hanging."""
        self.calling = list(tickets)
        self.began_s, self.patience_s, self.generation = now, patience_s, generation

    def come_back(self, now: float) -> float:
        """It is out of the engine again; how long it was in there."""
        took_s = 0.0 if self.began_s is None else now - self.began_s
        self.began_s = None
        self.calling = []
        return took_s


class Crew:
    """The threads of one pool; its lock guards it.

    Args:
        size: threads that work.
        most_abandoned: threads that may hang besides.
        work: what a thread does: it returns when the pool stops, or when `stays` says so.
    """

    def __init__(self, size: int, most_abandoned: int, work: Callable[[Worker], None]) -> None:
        self._size = size
        self._most_abandoned = most_abandoned
        self._work = work
        self._workers: set[Worker] = set()
        self._abandoned: set[Worker] = set()
        self._hired = 0

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def abandoned(self) -> int:
        """Threads that hang."""
        return len(self._abandoned)

    def fill(self) -> None:
        """Hire until the crew is complete."""
        while len(self._workers) < self._size and self._hire():
            pass

    def next_deadline(self) -> float | None:
        """When the next one is overdue; None while nobody is in the engine."""
        return min((w.began_s + w.patience_s for w in self._workers if w.began_s is not None), default=None)

    def overdue(self, now: float) -> list[Worker]:
        """Those who have been in the engine for too long."""
        return [w for w in self._workers if w.began_s is not None and now - w.began_s >= w.patience_s]

    def abandon(self, worker: Worker) -> None:
        """Count no more on this one."""
        worker.abandoned = True
        self._workers.discard(worker)
        self._abandoned.add(worker)
        self.fill()

    def stays(self, worker: Worker) -> bool:
        """Whether a worker that came back from the engine is still wanted; an abandoned one only if one is missing."""
        if worker.abandoned and len(self._workers) < self._size:
            worker.abandoned = False
            self._abandoned.discard(worker)
            self._workers.add(worker)
        return not worker.abandoned

    def leave(self, worker: Worker) -> None:
        """This thread ends."""
        self._workers.discard(worker)
        self._abandoned.discard(worker)

    def threads(self) -> list[threading.Thread]:
        """All that have not ended."""
        return [w.thread for w in (*self._workers, *self._abandoned) if w.thread is not None]

    def _hire(self) -> bool:
        if len(self._workers) + len(self._abandoned) >= self._size + self._most_abandoned:
            return False
        worker = Worker()
        # Daemons: an engine that hangs must not keep the process alive; closing the pool is the orderly way.
        worker.thread = threading.Thread(
            target=self._work, args=(worker,), name=f"{THREAD_PREFIX}{self._hired}", daemon=True
        )
        self._hired += 1
        self._workers.add(worker)
        worker.thread.start()
        return True
