"""A program's own callback on early triggers and finals: isolated, one call at a time."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from fastring.events import EarlyTrigger, EarlyTriggerRetracted, Event, Final

__all__ = ["TriggerCallback", "TriggerWitness"]

log = structlog.get_logger("fastring.server")

TriggerCallback = Callable[[str, EarlyTrigger | EarlyTriggerRetracted | Final], Any]
"""`callback(stream_id, event)`, plain or async."""

_MOST_WAITING = 64


class TriggerWitness:
    """Calls back for one stream: each early trigger, each one taken back, each final, in order.

    A plain callback runs in a thread, an async one in the event loop. One that raises is logged and goes on with the
    next; one that is slower than the speech misses the oldest.

    Args:
        stream_id: handed to the callback.
        callback: see `TriggerCallback`.
    """

    def __init__(self, stream_id: str, callback: TriggerCallback) -> None:
        self._stream_id = stream_id
        self._callback = callback
        self._waiting: deque[EarlyTrigger | EarlyTriggerRetracted | Final] = deque(maxlen=_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def hear(self, event: Event) -> None:
        """See `VoiceWitness`."""
        if isinstance(event, EarlyTrigger | EarlyTriggerRetracted | Final):
            self._waiting.append(event)
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._call(), name=f"callback {self._stream_id}")

    def stop(self) -> None:
        """See `VoiceWitness`. What waits is still handed over: the last final is often the one that matters."""

    async def _call(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            try:
                if inspect.iscoroutinefunction(self._callback):
                    await self._callback(self._stream_id, event)
                else:
                    result = await asyncio.to_thread(self._callback, self._stream_id, event)
                    if isinstance(result, Awaitable):
                        await result
            except Exception:  # the callback is somebody else's
                log.exception("the trigger callback failed", stream_id=self._stream_id)
        self._task = None
