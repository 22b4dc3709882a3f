"""Whether another voice stream may come in: does the engine keep up with those that are here? Pure, no I/O.

Theory of operation. What a user notices of a full engine is that finals wait. So what is watched is how long finals
wait beyond the time that the engine itself takes for them: those that are owed now, and those that were answered in the
last seconds. Above a limit the door closes, and it opens again when nothing has waited for half of the limit for a
while. A final tells of overload late, after its utterance; streams that came in meanwhile would be too many. So where
there are enough finals to tell, streams that are too young to have cost much are expected to cost as much as the others
do, and the door closes where all of them together would fill the engine.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

__all__ = ["AdmissionControl"]

_WATCHED_S: Final = 5.0  # how long an answered final, or a stream's coming, is remembered
_CALM_S: Final = 1.0  # how long an answer that came too late keeps the door closed
_FULL: Final = 0.7  # of the engine's time, finals alone; more of it makes queues
_MOST_YOUNG: Final = 2.0  # times what is used: of more newcomers than others, nobody can tell
_TELLING: Final = 8  # answers of which a load can be told; with fewer, somebody just said something


class AdmissionControl:
    """Times are monotonic seconds that the caller passes in.

    Args:
        limit_s: how long finals may wait for the engine before nobody else is let in; 0: everybody is.
        workers: jobs that the engine answers at the same time.

    Attributes:
        refused: how often the answer was no.
    """

    def __init__(self, limit_s: float, workers: int = 1) -> None:
        self.refused = 0
        self._limit_s = limit_s
        self._workers = max(1, workers)
        self._owed: dict[tuple[str, int], float] = {}  # finals that are not answered, and since when; oldest first
        self._answered: deque[tuple[float, float, float]] = deque()  # when, its wait, the engine's time for it
        self._came: deque[float] = deque()  # streams of the last seconds
        self._streams = 0
        self._closed = False

    # --- what happens ------------------------------------------------------------------------------------------------

    def enter(self, now: float) -> None:
        """A stream has come in."""
        self._streams += 1
        self._came.append(now)

    def leave(self, name: str) -> None:
        """A stream is gone, and what it was owed with it."""
        self._streams -= 1
        for key in [key for key in self._owed if key[0] == name]:
            del self._owed[key]

    def owe(self, name: str, job_id: int, now: float) -> None:
        """A stream is owed a final; again if the queue had no room for it."""
        self._owed.setdefault((name, job_id), now)

    def settle(self, name: str, job_id: int, now: float, engine_s: float = 0.0) -> None:
        """It has been answered, or given up; the engine took so long for it."""
        since = self._owed.pop((name, job_id), None)
        if since is not None:
            self._answered.append((now, max(0.0, now - since - engine_s), engine_s))
            self._forget(now)

    # --- what follows ------------------------------------------------------------------------------------------------

    def lag_s(self, now: float) -> float:
        """How long finals wait for the engine, at worst, now and in the last second."""
        self._forget(now)
        owed = now - next(iter(self._owed.values())) - self._engine_s() if self._owed else 0.0
        return max(owed, *(wait for when, wait, _ in self._answered if now - when <= _CALM_S), 0.0)

    def load(self, now: float) -> float:
        """Share of the engine's time that finals will take, once the youngest streams cost what the others do."""
        self._forget(now)
        old = self._streams - len(self._came)
        used = sum(engine_s for _, _, engine_s in self._answered) / (_WATCHED_S * self._workers)
        return used * min(_MOST_YOUNG, 1 + len(self._came) / old) if old > 0 else used

    def refuses(self, now: float) -> str:
        """Why another stream had better not come in now; "" if it may. Counts what it refuses."""
        if not self._limit_s:
            return ""
        lag_s, load = self.lag_s(now), self.load(now)
        full = load > _FULL and len(self._answered) >= _TELLING
        if lag_s > self._limit_s or full:
            self._closed = True
        elif lag_s <= self._limit_s / 2:
            self._closed = False
        if not self._closed:
            return ""
        self.refused += 1
        return f"finals wait {lag_s:.1f} s for an engine that is {load:.0%} in use: come later (server.admit_lag_ms)"

    def retry_after_s(self, now: float) -> int:
        """When to ask again: as long as the queue takes, but a second at least and half a minute at most."""
        return min(30, max(1, math.ceil(self.lag_s(now))))

    def _engine_s(self) -> float:
        """What the engine takes for a final, on average."""
        return sum(engine_s for _, _, engine_s in self._answered) / len(self._answered) if self._answered else 0.0

    def _forget(self, now: float) -> None:
        while self._answered and now - self._answered[0][0] > _WATCHED_S:
            self._answered.popleft()
        while self._came and now - self._came[0] > _WATCHED_S:
            self._came.popleft()
