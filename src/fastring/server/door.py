"""The door: how many sockets may be open at a time, of all and of one address, before anything is read from them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from fastring.server.problems import busy
from fastring.server.registry import CONNECTIONS_PER_STREAM
from fastring.server.services import SERVICES

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

    from fastring.server.addresses import AddressLimits
    from fastring.server.problems import Problem

__all__ = ["SPARE_SOCKETS", "DoorRunner"]

SPARE_SOCKETS: Final = 64
"""Open sockets beyond `CONNECTIONS_PER_STREAM` for each of `server.max_streams`: of requests that are no streams."""

_TURNED_AWAY_S: Final = 1.0
"""How long one that is beyond its address's limit may take to ask, and be told so."""


class _Door(web.Server):
    """aiohttp's server, with bounds on its sockets."""

    def __init__(self, server: web.Server, addresses: AddressLimits, most: int) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,
            **server._kwargs,
        )
        self._addresses = addresses
        self._most = most
        self._peers: dict[RequestHandler, str] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """A socket was accepted, and its TLS handshake is over."""
        super().connection_made(handler, transport)
        if len(self._connections) > self._most:
            transport.write(_raw(busy("too_many_connections", f"{self._most} sockets are open", retry_after_s=5)))
            transport.close()
            return
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        if not address or self._addresses.proxies.trusts(address):
            return
        if self._addresses.has_room(address):
            self._addresses.enter(address)
            self._peers[handler] = address
        else:
            self._addresses.turned_away.add(handler)
            self._loop.call_later(_TURNED_AWAY_S, transport.abort)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """It is closed."""
        super().connection_lost(handler, exc)
        self._addresses.turned_away.discard(handler)
        if (address := self._peers.pop(handler, None)) is not None:
            self._addresses.leave(address)


class DoorRunner(web.AppRunner):
    """Runs the application behind such a door."""

    async def _make_server(self) -> web.Server:
        services = self.app[SERVICES]
        most = CONNECTIONS_PER_STREAM * services.settings.server.max_streams + SPARE_SOCKETS
        return _Door(await super()._make_server(), services.addresses, most)


def _raw(problem: Problem) -> bytes:
    """A refusal without a request."""
    body = json.dumps({"error": {"code": problem.code, "message": problem.message, "param": None}})
    head = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    return (
        f"HTTP/1.1 {problem.status} Service Unavailable\r\nContent-Type: application/json\r\n{head}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode("ascii")
