"""One timer for the acknowledgements of all connections: most go with a message, this looks after the silent ones."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import Protocol

__all__ = ["ACK_BY_S", "AckRound", "Acknowledging"]

ACK_BY_S = 0.9
"""An acknowledgement that is owed is sent by then; the protocol says once a second."""

_AT_ONCE = 32  # in one turn of the loop: thousands may fall silent at the same time


class Acknowledging(Protocol):
    """Who may owe an acknowledgement."""

    def acknowledge(self, now: float) -> None:
        """Send it, if anything has moved. `now` is the monotonic time."""
        ...


class AckRound:
    """Asks each that owes one, a fixed time after it said so.

    That time is the same for all, so they stand in line, and a timer for the first of them is enough. Who has been
    acknowledged meanwhile says so anew and goes to the end: while audio comes, nobody ever gets to the front.

    Args:
        by_s: that time.
    """

    def __init__(self, by_s: float = ACK_BY_S) -> None:
        self._by_s = by_s
        self._since_s: dict[Acknowledging, float] = {}  # oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._asking = False

    def __len__(self) -> int:
        return len(self._since_s)

    def owe(self, who: Acknowledging) -> None:
        """From now on it owes one: ask it in time, and not before."""
        self._since_s.pop(who, None)
        self._since_s[who] = time.monotonic()
        self._wind_up()

    def forget(self, who: Acknowledging) -> None:
        """It owes nothing any more."""
        self._since_s.pop(who, None)
        if not self._since_s and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wind_up(self) -> None:
        """Set the timer for the first in line, unless it is set, or about to be."""
        if self._since_s and self._timer is None and not self._asking:
            due_s = next(iter(self._since_s.values())) + self._by_s
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due_s - time.monotonic()), self._ask)

    def _ask(self) -> None:
        """Ask those whose time has come: some in this turn, the others in the next."""
        self._timer, self._asking = None, True
        due_s = time.monotonic() - self._by_s
        try:
            for who, since_s in list(islice(self._since_s.items(), _AT_ONCE)):
                if since_s > due_s:
                    break
                if self._since_s.get(who) == since_s:  # the one before has not ended it
                    del self._since_s[who]
                    who.acknowledge(time.monotonic())
        finally:
            self._asking = False
            self._wind_up()
