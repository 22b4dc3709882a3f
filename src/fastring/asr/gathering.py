"""Calls of one engine from many threads: no more at once than it can take, and those that wait are asked together."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastring.errors import EngineFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.asr.transcriber import Hypothesis, Job, Transcriber

__all__ = ["Gathering"]


@dataclass(slots=True, eq=False)
class _Asked:
    """Jobs of one kind that somebody waits for."""

    jobs: Sequence[Job]
    alone: bool = False  # they were in a call that failed, perhaps because of them
    heard: list[Hypothesis] | None = None

    @property
    def is_final(self) -> bool:
        return self.jobs[0].kind == "final"


@dataclass(slots=True, eq=False)
class _Line:
    """Those who wait for the engine, and how many calls it could take now."""

    free: int
    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: list[_Asked] = field(default_factory=list)

    def is_next(self, asked: _Asked) -> bool:
        """Whether these jobs may go into the engine now: finals first, each kind in the order they came."""
        finals = [other for other in self.waiting if other.is_final]
        return bool(self.free and self.waiting) and asked is (finals or self.waiting)[0]

    def take(self, asked: _Asked, most: int) -> list[_Asked]:
        """These jobs, and of those that wait as well as many as go with them."""
        batch, room = [asked], 0 if asked.alone else most - len(asked.jobs)
        for other in self.waiting:
            if other is not asked and not other.alone and other.is_final == asked.is_final:
                if len(other.jobs) > room:
                    break
                batch.append(other)
                room -= len(other.jobs)
        self.waiting = [other for other in self.waiting if other not in batch]
        self.free -= 1
        self.changed.notify_all()  # somebody else is next now
        return batch


class Gathering:
    """Asks one engine. Thread-safe.

    Args:
        transcriber: the engine; it is neither owned nor closed here.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        able = transcriber.capabilities
        self._line = _Line(able.concurrency)
        self._most = able.max_batch
        self._patience = able.concurrency * able.max_batch if able.max_batch > 1 else 0

    def reset(self) -> None:
        """Count no more on calls that are in the engine: they hang. Those that wait for them ask anew."""
        before, self._line = self._line, _Line(self._transcriber.capabilities.concurrency)
        with before.changed:
            before.changed.notify_all()

    def hear(self, jobs: Sequence[Job]) -> list[Hypothesis] | None:
        """The engine's answers; None for partials that would have to wait for long.

        Jobs wait for their turn, finals before partials. When that comes, others of their kind that wait as well are
        asked for in the same call, as many as the engine takes; should that fail, each caller's are asked for by
        themselves. Partials wait only for an engine that takes several, and no more of them than its next calls hold.

        Args:
            jobs: of one kind, at most as many as the engine takes in a call.

        Raises:
            EngineFailedError: as the engine does.
        """
        mine = _Asked(jobs)
        while mine.heard is None:
            line = self._line
            if not mine.is_final and self._is_too_busy(line):
                return None
            batch = self._turn(line, mine)
            if batch:
                self._ask(line, batch)
        return mine.heard

    def _is_too_busy(self, line: _Line) -> bool:
        with line.changed:
            return not line.free and len(line.waiting) >= self._patience

    def _turn(self, line: _Line, mine: _Asked) -> list[_Asked]:
        """Wait until it is their turn: what to ask for; nothing if another has asked, or the engine hung."""
        with line.changed:
            line.waiting.append(mine)
            line.changed.wait_for(lambda: mine.heard is not None or line is not self._line or line.is_next(mine))
            if line is self._line and mine.heard is None:
                return line.take(mine, self._most)
            mine.alone = True
            return []

    def _ask(self, line: _Line, batch: list[_Asked]) -> None:
        """Call the engine. Where a batch of several fails, they wait again, each for itself."""
        jobs = [job for asked in batch for job in asked.jobs]
        heard: list[Hypothesis] = []
        try:
            heard = self._transcriber.transcribe(jobs)
            if len(heard) != len(jobs):
                raise EngineFailedError(f"the engine answered {len(heard)} of {len(jobs)} jobs")
        except Exception:
            heard = []
            if len(batch) == 1:
                raise
        finally:
            with line.changed:
                line.free += 1
                answers = iter(heard)
                for asked in batch:
                    asked.alone = True
                    asked.heard = [next(answers) for _ in asked.jobs] if heard else None
                if not heard:
                    line.waiting += batch[1:]  # the first one comes again by itself
                line.changed.notify_all()
