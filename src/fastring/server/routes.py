"""The table: which path leads where, and the one way from a WebSocket request to its connection."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from fastring.errors import ConfigError, UnknownStreamError
from fastring.protocols.codec import Counters
from fastring.server.addresses import ADDRESS
from fastring.server.auth import subprotocol_of
from fastring.server.connection import Connection
from fastring.server.endpoints.dashboard import DASHBOARD
from fastring.server.endpoints.deepgram import DEEPGRAM
from fastring.server.endpoints.native import NATIVE
from fastring.server.endpoints.openai import OPENAI
from fastring.server.endpoints.operations import OPERATIONS
from fastring.server.endpoints.vosk import VOSK
from fastring.server.endpoints.whisper_live import WHISPER_LIVE
from fastring.server.family import OWNER, SESSION, Asked, Family, Handler, SocketRoute
from fastring.server.problems import UPGRADED, Problem, Refuse
from fastring.server.services import SERVICES, Services
from fastring.server.websocket import CLOSE_TIMEOUT_S, Socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastring.config import ServerSettings

__all__ = ["FAMILIES", "admit", "chosen", "refusals", "routes"]

log = structlog.get_logger("fastring.server")
_numbers = itertools.count(1)
"""Of connections, for the log: two of them may be of one stream."""

FAMILIES: Final[tuple[Family, ...]] = (OPERATIONS, DASHBOARD, NATIVE, OPENAI, DEEPGRAM, VOSK, WHISPER_LIVE)

_OPEN_TO_ALL = frozenset(page.path for family in FAMILIES for page in family.pages if page.open_to_all)

_SCOPES: Final = {socket.path: family.name for family in FAMILIES for socket in family.sockets}
"""Whose short-lived keys open a path: live paths alone, so none of them makes another."""


def chosen(names: Sequence[str]) -> tuple[Family, ...]:
    """The families of these names, all if there are none; that of operations always.

    Raises:
        ConfigError: there is no such family.
    """
    known = [family.name for family in FAMILIES if family is not OPERATIONS]
    for name in names:
        if name not in known:
            raise ConfigError(f"server.protocols = {name!r}: must be of {', '.join(known)}")
    return tuple(family for family in FAMILIES if not names or family.name in names or family is OPERATIONS)


def routes(families: Sequence[Family]) -> list[web.RouteDef]:
    """All of theirs, for aiohttp."""
    return [route for family in families for route in _routes_of(family)]


def refusals(families: Sequence[Family]) -> dict[str, Refuse]:
    """How each path words a refusal; a path that ends with a slash and more before it stands for all that begin so."""
    of_paths = {path: family.refuse for family in families for path in family.paths}
    return of_paths | {family.realm: family.refuse for family in families if family.realm}


def _routes_of(family: Family) -> Iterator[web.RouteDef]:
    for socket in family.sockets:
        yield web.get(socket.path, _socket_handler(socket))
    for page in family.pages:
        yield web.route(page.method, page.path, page.handler)


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who may come in; an unknown stream is 404 wherever it is asked for."""
    services = request.app[SERVICES]
    gate = services.gate
    with services.addresses.check(request, time.monotonic()):
        gate.check_origin(request.headers)
        resource = request.match_info.route.resource
        path = "" if resource is None else resource.canonical
        if path not in _OPEN_TO_ALL:
            visitor = gate.visitor(request.headers, _SCOPES.get(path, ""), time.time())
            request[OWNER], request[SESSION] = visitor.owner, visitor.session
            _charge(services, visitor.owner, request.content_length)
        return await _unless_unknown(handler, request)


async def _unless_unknown(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownStreamError as error:
        raise Problem(404, error.code, str(error), param="stream_id") from None


def _charge(services: Services, owner: str, n_bytes: int | None) -> None:
    """Count an upload against what its key may send.

    Raises:
        Problem: 429.
    """
    wait_s = services.allowance.spend(owner, 0, time.monotonic())
    if wait_s and n_bytes:
        retry_s = math.ceil(wait_s)
        raise Problem(
            429, "rate_limited", "this key sends too much (bytes_per_second)", headers={"Retry-After": str(retry_s)}
        )
    services.allowance.spend(owner, n_bytes or 0, time.monotonic())


def _socket_handler(route: SocketRoute) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        settings = _limits(services, route)
        socket = _socket(settings, request)
        services.registry.admit()
        owner = request[OWNER]
        services.allowance.enter(owner)
        stream_id = request.match_info.get("stream_id", "")[:128]
        try:
            with (
                structlog.contextvars.bound_contextvars(stream_id=stream_id, owner=owner, number=next(_numbers)),
                _traced(services, route.name, stream_id, owner),
            ):
                await connect(services, settings, request, socket)
        finally:
            services.allowance.leave(owner)
        return socket

    async def connect(services: Services, settings: ServerSettings, request: web.Request, socket: Socket) -> None:
        owner = request[OWNER]
        asked = Asked(request.match_info, request.query, request.headers, owner, request[SESSION])
        opening = route.open(services, asked)
        socket.headers.update(opening.headers)
        connection = Connection(
            socket,
            _transport(request),
            opening.codec,
            opening.station,
            settings,
            name=f"{route.name}/{request.match_info.get('stream_id', '')}",
            idle_timeout_s=opening.idle_timeout_s,
            owner=owner,
            pace=services.allowance.spend,
        )
        await _serve(services, request, connection, socket, route.name)

    return handle


async def _serve(
    services: Services, request: web.Request, connection: Connection, socket: Socket, endpoint: str
) -> None:
    """Upgrade and run; whatever happens, the station is let go and the counters are kept."""
    try:
        await services.decoders.settled()
        await socket.prepare(request)
    except BaseException:
        connection.station.detach()
        raise
    request[UPGRADED] = True
    services.registry.connections.add(connection)
    log.info("connected", connection=connection.name, remote=request[ADDRESS])
    try:
        with contextlib.suppress(ConnectionError):
            await connection.run()
    finally:
        services.registry.connections.discard(connection)
        services.ended.setdefault(endpoint, Counters()).add(connection.codec.counters)
        log.info("disconnected", connection=connection.name, code=connection.close_code)


def _traced(services: Services, name: str, stream_id: str, owner: str) -> contextlib.AbstractContextManager[None]:
    """A span, where traces are wanted."""
    return services.tracing.connection(name, stream_id, owner) if services.tracing else contextlib.nullcontext()


def _limits(services: Services, route: SocketRoute) -> ServerSettings:
    settings = services.settings.server
    return replace(settings, max_message_bytes=max(settings.max_message_bytes, route.max_message_bytes))


def _socket(settings: ServerSettings, request: web.Request) -> Socket:
    protocol = subprotocol_of(request.headers)
    socket = Socket(
        timeout=CLOSE_TIMEOUT_S,
        heartbeat=settings.heartbeat_s,
        protocols=(protocol,) if protocol else (),
        autoclose=False,
        autoping=False,
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
