"""Connections to one server: made within a bounded time, refused with a typed error, hung up without waiting."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from fastring.client.plain import headers_of, nobody_at, refusal
from fastring.errors import FastringError, ProtocolError

__all__ = ["DONE", "GIVEN_UP", "Dialer", "Patience", "TryAgainError"]

DONE, GIVEN_UP = 1000, 4000
_CLOSE_S = 0.5
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard a client tries.

    Attributes:
        dead_after_s: a server that owes an answer and is silent for this long is taken for dead.
        first_wait_s: the first wait before another attempt is drawn from 0 to this; then the bound doubles.
        longest_wait_s: and grows no further.
        give_up_s: without a good connection for this long, the stream fails. A good one stood for 5 s, or brought an
            acknowledgement or its session back.
    """

    dead_after_s: float = 10.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0
    give_up_s: float = 120.0


class TryAgainError(FastringError):
    """Nobody answered; `after_s` is what the server asked for, if one did."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Dialer:
    """Makes WebSockets to one address, one at a time, and ends them.

    Args:
        url: of the server, for messages.
        address: of the endpoint.
        api_key: sent as a bearer token, if not empty.
        within_s: a server that has not answered the upgrade by then is taken for dead.
    """

    def __init__(self, url: str, address: str, *, api_key: str, within_s: float) -> None:
        import aiohttp

        self._url = url
        self._address = address
        self._within_s = within_s
        timeout = aiohttp.ClientTimeout(total=within_s)  # of the upgrade; an open WebSocket has none
        self._session = aiohttp.ClientSession(headers=headers_of(api_key), timeout=timeout)
        self._closing: set[asyncio.Task[None]] = set()

    async def connect(self) -> Any:
        """A new WebSocket.

        Raises:
            TryAgainError: there is nobody now; later there may be.
            ProtocolError: the server will not have this stream.
        """
        import aiohttp

        try:
            return await self._session.ws_connect(self._address, max_msg_size=0, heartbeat=None)
        except aiohttp.WSServerHandshakeError as error:
            text = await refusal(self._session, self._address, error.status)
            if error.status in _AGAIN:
                raise TryAgainError(text, _seconds(error.headers)) from error
            raise ProtocolError(text) from error
        except asyncio.TimeoutError as error:
            raise TryAgainError(f"no server at {self._url}: no answer for {self._within_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise TryAgainError(nobody_at(self._url, error)) from error

    def hang_up(self, socket: Any, code: int) -> None:
        """Close without waiting: whoever is at the other end of a dead line would not answer."""
        closing = asyncio.get_running_loop().create_task(_close(socket, code), name="hang up")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Give every connection back; those that are being hung up get a moment."""
        try:
            if self._closing:
                await asyncio.wait(self._closing, timeout=_CLOSE_S)
            for closing in list(self._closing):
                closing.cancel()
            await asyncio.gather(*self._closing, return_exceptions=True)
        finally:
            await self._session.close()


async def _close(socket: Any, code: int) -> None:
    """Close a WebSocket, and its transport in any case: after a reset aiohttp leaves that open."""
    try:
        with contextlib.suppress(ConnectionError, RuntimeError, asyncio.TimeoutError):
            await socket.close(code=code)
    finally:
        socket._response.close()


def _seconds(headers: Any) -> float:
    """What `Retry-After` asks for; 0 where it is missing, a date, or nonsense."""
    try:
        return min(_LONGEST_WAIT_S, max(0.0, float((headers or {}).get("Retry-After", 0))))
    except ValueError:
        return 0.0
