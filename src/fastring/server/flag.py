"""A flag that can be waited for, and takes no memory for waiting until somebody does: every connection has several."""

from __future__ import annotations

import asyncio

__all__ = ["Flag"]


class Flag:
    """As `asyncio.Event`, without its queue of 0.7 KiB. Belongs to one event loop."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it is up."""
        return self._is_set

    def set(self) -> None:
        """Put it up: whoever waits goes on."""
        self._is_set = True
        waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Take it down."""
        self._is_set = False

    async def wait(self) -> None:
        """Return once it has been put up."""
        if self._is_set:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters += (waiter,)
        try:
            await waiter
        finally:
            self._waiters = tuple(other for other in self._waiters if other is not waiter)
