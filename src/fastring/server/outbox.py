"""Events that wait for a connection's one writer: bounded, the newest partial wins, a final is never dropped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastring.events import Ack, Analysis, ChannelEvent, Heard, Partial, SourceEvent

if TYPE_CHECKING:
    from fastring.events import Event

__all__ = ["MAX_ONSETS", "Outbox", "PongFrame", "merged"]

MAX_ONSETS = 1024
"""Onsets that one merged analysis may carry; a reader that slow loses the oldest."""


@dataclass(frozen=True, slots=True)
class PongFrame:
    """The answer to a ping of the WebSocket itself; of several pings the last one's will do (RFC 6455, 5.5.3)."""

    data: bytes


_REPLACEABLE = (Partial, Analysis, Ack, Heard, PongFrame)


class Outbox:
    """A queue between the loop's callbacks and one writer task.

    A waiting `Partial`, `Analysis`, `Ack`, `Heard` or pong gives way to a newer one of its channel or source (an
    `Analysis` hands on its onsets, an `Ack` its token). All else is kept in order; `overflowed` says that more than
    `limit` such events wait, which only a stuck reader brings about.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Event | PongFrame] = []
        self._kept = 0  # of them, those that nothing replaces
        self._sending = False  # what was taken last has not all been sent
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing waits, and all that was taken has been sent."""
        return not (self._waiting or self._sending)

    @property
    def overflowed(self) -> bool:
        """More events wait than may."""
        return self._kept > self._limit

    @property
    def crowded(self) -> bool:
        """Half full: whoever causes answers should pause."""
        return len(self._waiting) * 2 > self._limit

    def put(self, event: Event | PongFrame) -> None:
        """Queue an event; never blocks."""
        if (kind := _replaceable(event)) is not None:
            event = self._replacing(event, kind)
        else:
            self._kept += 1
        self._waiting.append(event)
        _wake(self._reader)

    async def take(self) -> list[Event | PongFrame]:
        """Everything that waits, oldest first; waits until there is something."""
        self._sending = False
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        taken, self._waiting, self._kept = self._waiting, [], 0
        self._sending = True
        _wake(self._room)
        return taken

    async def room(self) -> None:
        """Wait until the writer has taken what waits."""
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def release(self) -> None:
        """Let go whoever waits for room: there will be no writer any more."""
        _wake(self._room)

    def _replacing(self, event: Event | PongFrame, kind: tuple[type, int | str]) -> Event | PongFrame:
        for index, older in enumerate(self._waiting):
            if _replaceable(older) == kind:
                del self._waiting[index]
                if isinstance(older, Analysis) and isinstance(event, Analysis):
                    return merged(older, event)
                if isinstance(older, Ack) and isinstance(event, Ack) and not event.resume_token:
                    return replace(event, resume_token=older.resume_token)
                return event
        return event


def merged(older: Analysis, newer: Analysis) -> Analysis:
    """One analysis that stands for both: the newer's values, the larger peak, the onsets of both."""
    onsets = (*older.onsets, *newer.onsets)[-MAX_ONSETS:]
    return replace(newer, onsets=onsets, peak=max(older.peak, newer.peak))


def _replaceable(event: Event | PongFrame) -> tuple[type, int | str] | None:
    """Class and channel or source of an event that a newer one of the same may replace; None: it must be told."""
    told: object = event
    whose: int | str = 0
    if isinstance(event, ChannelEvent):
        told, whose = event.event, event.channel
    elif isinstance(event, SourceEvent):
        told, whose = event.event, event.source
    return (type(told), whose) if isinstance(told, _REPLACEABLE) else None


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
