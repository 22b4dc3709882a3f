"""The table: which path leads where, and the one way from a WebSocket request to its connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from fastring.errors import UnknownStreamError
from fastring.protocols.codec import Counters
from fastring.server import http
from fastring.server.auth import subprotocol_of
from fastring.server.connection import CLOSE_TIMEOUT_S, Connection, Socket
from fastring.server.openings import Opening, open_audio, open_control, open_voice
from fastring.server.options import Query, stream_id_of
from fastring.server.problems import UPGRADED, Problem
from fastring.server.services import SERVICES, Services

if TYPE_CHECKING:
    from multidict import MultiMapping

__all__ = ["PAGES", "SOCKETS", "admit", "routes"]

log = structlog.get_logger("fastring.server")

Open = Callable[[Services, str, Query, str], Opening]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SOCKETS: tuple[tuple[str, str, Open], ...] = (
    ("audio", "/api/v1/stream/audio/{stream_id}", open_audio),
    ("control", "/api/v1/stream/control/{stream_id}", open_control),
    ("voice", "/api/v1/stream/voice/{stream_id}", open_voice),
)

PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/api/v1/stream/start/{stream_id}", http.start),
    ("POST", "/api/v1/stream/stop/{stream_id}", http.stop),
    ("GET", "/api/v1/stream/stats/{stream_id}", http.stats),
    ("GET", "/api/v1/stream/list", http.list_streams),
    ("GET", "/api/v1/stream/health", http.health),
    ("GET", "/metrics", http.metrics),
    ("GET", "/metrics/streaming", http.streaming_metrics),
    ("GET", "/", http.index),
)

OWNER: web.RequestKey[str] = web.RequestKey("owner", str)
"""Who presents a request: a short name of the key, "" on an open server."""

_WITHOUT_KEY = frozenset({"/", "/api/v1/stream/health"})


def routes() -> list[web.RouteDef]:
    """All of them, for aiohttp."""
    sockets = [web.get(path, _socket_handler(endpoint, path_open)) for endpoint, path, path_open in SOCKETS]
    return [*sockets, *(web.route(method, path, handler) for method, path, handler in PAGES)]


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who may come in; an unknown stream is 404 wherever it is asked for."""
    gate = request.app[SERVICES].gate
    gate.check_origin(request.headers)
    if request.path not in _WITHOUT_KEY:
        request[OWNER] = gate.owner(request.headers)
    try:
        return await handler(request)
    except UnknownStreamError as error:
        raise Problem(404, error.code, str(error), param="stream_id") from None


def _socket_handler(endpoint: str, open_station: Open) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        socket = _socket(services, request)
        services.registry.admit()
        stream_id = stream_id_of(request.match_info["stream_id"])
        opening = open_station(services, stream_id, Query(_once(request.query)), request[OWNER])
        connection = Connection(
            socket,
            _transport(request),
            opening.codec,
            opening.station,
            services.settings.server,
            name=f"{endpoint}/{stream_id}",
        )
        await _serve(services, request, connection, socket, endpoint)
        return socket

    return handle


async def _serve(
    services: Services, request: web.Request, connection: Connection, socket: Socket, endpoint: str
) -> None:
    """Upgrade and run; whatever happens, the station is let go and the counters are kept."""
    try:
        await socket.prepare(request)
    except BaseException:
        connection.station.detach()
        raise
    request[UPGRADED] = True
    services.registry.connections.add(connection)
    log.info("connected", connection=connection.name, owner=request[OWNER], remote=request.remote)
    try:
        with contextlib.suppress(ConnectionError):
            await connection.run()
    finally:
        services.registry.connections.discard(connection)
        services.ended.setdefault(endpoint, Counters()).add(connection.codec.counters)
        log.info("disconnected", connection=connection.name, code=connection.close_code)


def _socket(services: Services, request: web.Request) -> Socket:
    settings = services.settings.server
    protocol = subprotocol_of(request.headers)
    socket = Socket(
        timeout=CLOSE_TIMEOUT_S,
        heartbeat=settings.heartbeat_s,
        protocols=(protocol,) if protocol else (),
        autoclose=False,
        compress=False,
        max_msg_size=settings.max_message_bytes + 1,  # aiohttp refuses what reaches it
    )
    if not socket.can_prepare(request):
        raise Problem(426, "upgrade_required", "this is a WebSocket", headers={"Upgrade": "websocket"})
    return socket


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the client is gone")
    return request.transport


def _once(query: MultiMapping[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in query.items():
        if name in values:
            raise Problem(400, "invalid_parameter", "given twice", param=name[:64])
        values[name] = value
    return values
