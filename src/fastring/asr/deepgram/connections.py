"""The pool of connections: bounded, guarded by a lock, with backoff while the service cannot be had."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from fastring.asr.backoff import Backoff
from fastring.asr.deepgram.connection import open_connection
from fastring.errors import EngineUnavailableError, QueueFullError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastring.asr.deepgram.connection import Connection
    from fastring.config import DeepgramSettings

__all__ = ["Connections"]

_log = logging.getLogger(__name__)
_LONGEST_BACKOFF_S = 8.0
_PATIENCE_S = 1.0  # a job waits this long for the next try to connect; if it is further away, the job fails at once


class Connections:
    """Connections that wait, hear, or are being opened; at most `settings.connections` together. In one event loop.

    Args:
        settings: bound, backoff, and how to connect.
        connect: opens one.
    """

    def __init__(
        self,
        settings: DeepgramSettings,
        connect: Callable[[DeepgramSettings, str], Awaitable[Connection]] = open_connection,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._lock = asyncio.Lock()
        self._open: list[Connection] = []
        self._opening = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._stocking: set[asyncio.Task[None]] = set()
        self._backoff = Backoff(settings.backoff_s, _LONGEST_BACKOFF_S)
        self._failure: EngineUnavailableError | None = None
        self._failed_s = self._not_before_s = 0.0
        self.counts: Counter[str] = Counter()  # opened, reused, failed

    def __len__(self) -> int:
        return sum(connection.lost is None for connection in list(self._open))

    async def lease(self, owner: str, language: str) -> Connection:
        """A connection for one segment: the owner's own, one that nobody uses, or a new one.

        Raises:
            QueueFullError: if all are in use.
            EngineUnavailableError: if the service cannot be had now.
        """
        connection = await self._free(owner, language)
        if connection is not None:
            connection.busy, connection.owner = True, owner
            self.counts["reused"] += 1
        else:
            try:
                connection = await self._connected(language)
                connection.busy, connection.owner = True, owner
                self._open.append(connection)
            finally:
                self._opening -= 1
        self._stock(language)
        return connection

    async def reach(self) -> None:
        """Open one ahead, if there is none.

        Raises:
            EngineUnavailableError: if the service cannot be had.
        """
        if not self._open:
            self._opening += 1
            try:
                self._open.append(await self._connected(""))
            finally:
                self._opening -= 1

    def works(self) -> None:
        """The service has answered: whatever was wrong is over."""
        if self._failure is not None:
            self._failure, self._not_before_s = None, 0.0
            self._backoff.reset()

    def failed(self, error: EngineUnavailableError, begun_s: float) -> None:
        """A try that began then has failed. Those that fail together count as one."""
        if begun_s < self._failed_s:
            return
        self._failure, self._failed_s = error, time.monotonic()
        self._not_before_s = self._failed_s + max(self._backoff.next_s(), error.retry_after_s)
        self.counts["failed"] += 1

    def release(self, owner: str) -> None:
        """A stream is gone: what it had waits for others; what is in the middle of its speech is closed."""
        for connection in self._open:
            if connection.owner == owner:
                connection.owner = ""
                if connection.busy:
                    self._end(connection)

    async def close(self) -> None:
        """End all."""
        for task in self._stocking:
            task.cancel()
        await asyncio.gather(*self._stocking, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._open), *self._closing, return_exceptions=True)
        self._open.clear()

    async def _free(self, owner: str, language: str) -> Connection | None:
        """One that can be used at once; None if a new one may be opened, which counts as being opened from now on."""
        while True:
            async with self._lock:
                try:
                    connection = self._waiting(owner, language)
                except QueueFullError:
                    if not self._stocking:
                        raise
                else:
                    self._opening += connection is None
                    return connection
            await asyncio.wait(self._stocking)  # a spare one is on its way

    def _stock(self, language: str) -> None:
        """Open another one ahead, if the next stream would have to wait for it."""
        alive = [connection for connection in self._open if connection.lost is None]
        spare = sum(not c.busy and not c.owner and c.language == language for c in alive) + len(self._stocking)
        room = self._settings.connections - len(alive) - self._opening
        for _ in range(0 if self._failure is not None else min(self._settings.spare - spare, room)):
            self._opening += 1
            task = asyncio.get_running_loop().create_task(self._open_spare(language))
            self._stocking.add(task)
            task.add_done_callback(self._stocking.discard)

    async def _open_spare(self, language: str) -> None:
        try:
            self._open.append(await self._connected(language))
        except EngineUnavailableError as error:
            _log.debug("no spare connection: %s", error)
        finally:
            self._opening -= 1

    def _waiting(self, owner: str, language: str) -> Connection | None:
        """One that can be used at once; None if a new one may be opened."""
        self._open = [connection for connection in self._open if connection.lost is None]
        full = len(self._open) + self._opening >= self._settings.connections
        idle = sorted((c for c in self._open if not c.busy), key=lambda c: -c.idle_s)
        for wanted in (owner, ""):
            for connection in idle:
                if connection.owner == wanted and connection.language == language:
                    return connection
        if not full:
            return None
        if not idle:
            raise QueueFullError(f"all {self._settings.connections} connections to Deepgram are in use")
        if idle[0].language == language:
            return idle[0]
        self._end(idle[0])
        return None

    async def _connected(self, language: str) -> Connection:
        wait_s = self._not_before_s - time.monotonic()
        if self._failure is not None and wait_s > _PATIENCE_S:
            raise EngineUnavailableError(
                f"{self._failure}; the next try is in {wait_s:.1f} s",
                reason=self._failure.reason,
                retry_after_s=wait_s,
                passing=False,  # not within this job
            )
        await asyncio.sleep(max(0.0, wait_s))
        begun_s = time.monotonic()
        try:
            connection = await self._connect(self._settings, language)
        except EngineUnavailableError as error:
            self.failed(error, begun_s)
            raise
        self.counts["opened"] += 1
        return connection

    def _end(self, connection: Connection) -> None:
        self._open.remove(connection)
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
