"""HTTP: what one stream holds and waits for, for whoever has to find out why it is late."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fastring.server.options import stream_id_of
from fastring.server.services import SERVICES

if TYPE_CHECKING:
    from fastring.server.services import Services

__all__ = ["debug", "debug_all"]


async def debug(request: web.Request) -> web.Response:
    """One stream: its stats (ring, queue, jobs), its connections, and the engine pool they share."""
    services, stream_id = request.app[SERVICES], stream_id_of(request.match_info["stream_id"])
    stream = services.registry.get(stream_id)
    return web.json_response(
        {"stream": stream.stats(), "connections": _connections(services, stream_id), **_shared(services)}
    )


async def debug_all(request: web.Request) -> web.Response:
    """Every stream, briefly but with its ring and queue, and every connection."""
    services = request.app[SERVICES]
    streams = [stream.stats() for stream in services.registry]
    return web.json_response({"streams": streams, "connections": _connections(services, None), **_shared(services)})


def _connections(services: Services, stream_id: str | None) -> list[dict[str, Any]]:
    return [
        connection.snapshot()
        for connection in services.registry.connections
        if stream_id is None or connection.name.partition("/")[2] == stream_id
    ]


def _shared(services: Services) -> dict[str, Any]:
    return {
        "engine": asdict(services.pool.stats()),
        "window_seconds": services.window.seconds,
        "draining": services.registry.draining,
    }
