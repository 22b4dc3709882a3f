"""How the engine behind a pool fares: how long a call may take, and when the engine must be built anew."""

from __future__ import annotations

import math
from typing import Final

from fastring.errors import EngineDiedError

__all__ = ["EngineHealth"]

_SUSPICIOUS: Final = 4  # calls in a row that failed: two jobs, each tried twice
# An engine that dies before it answers once is built anew after 0.25 s, then 0.5 s, up to this.
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 8.0


class EngineHealth:
    """Judges by how calls end. The pool's lock guards it.

    Args:
        hang_s: a call that takes longer hangs, until calls that took long and came back have shown otherwise.
        most_s: a call that takes longer hangs in any case.
        rebuildable: whether the engine can be built anew.
    """

    def __init__(self, hang_s: float, most_s: float, *, rebuildable: bool) -> None:
        self._patience_s = min(hang_s, most_s)
        self._most_s = most_s
        self._rebuildable = rebuildable
        self._failed_in_a_row = 0
        self._wanted = False
        self._rebuilding = False
        self._not_before_s = -math.inf
        self._next_wait_s = _FIRST_WAIT_S
        self._generation = 0

    @property
    def patience_s(self) -> float:
        """How long a call may take."""
        return self._patience_s

    @property
    def generation(self) -> int:
        """How often the engine was built anew."""
        return self._generation

    def came_back(self, took_s: float) -> None:
        """A call was answered, be it late: an engine that is slow does not hang."""
        self._patience_s = min(self._most_s, max(self._patience_s, 2 * took_s))
        self._failed_in_a_row = 0
        self._not_before_s = -math.inf
        self._next_wait_s = _FIRST_WAIT_S

    def failed(self, error: BaseException, generation: int) -> None:
        """A call of the engine of that generation raised."""
        self._failed_in_a_row += 1
        died = isinstance(error, EngineDiedError) or not isinstance(error, Exception)
        if died or self._failed_in_a_row >= _SUSPICIOUS:
            self._want(generation)

    def hangs(self, generation: int) -> None:
        """A call of the engine of that generation does not come back."""
        self._want(generation)

    @property
    def rebuild_at(self) -> float | None:
        """When the engine is to be built anew, by whoever asks; calls had better wait. None: it is well enough."""
        return self._not_before_s if self._wanted else None

    @property
    def rebuilding(self) -> bool:
        """Whether somebody is about it; calls had better wait."""
        return self._rebuilding

    def begin_rebuild(self, now: float) -> None:
        """The engine is being built anew; `rebuilt` must follow."""
        self._wanted = False
        self._rebuilding = True
        self._failed_in_a_row = 0
        self._not_before_s = now + self._next_wait_s
        self._next_wait_s = min(2 * self._next_wait_s, _LONGEST_WAIT_S)

    def rebuilt(self) -> None:
        """The engine was built anew, or that failed."""
        self._rebuilding = False
        self._generation += 1

    def _want(self, generation: int) -> None:
        self._wanted = self._wanted or (self._rebuildable and not self._rebuilding and generation == self._generation)
