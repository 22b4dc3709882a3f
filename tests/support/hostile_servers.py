"""Servers that refuse, that close at once, and that take a connection and never say a word."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Closing", "Refusing", "silent"]

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}


@dataclass
class _Server:
    url: str = ""
    asked: list[float] = field(default_factory=list)
    """When each upgrade was asked for, on the loop's clock."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def _take(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers=_CORS)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            self.asked.append(asyncio.get_running_loop().time())
        return await self.answer(request)

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[_Server]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@dataclass
class Refusing(_Server):
    """Answers every request with one status."""

    status: int = 503
    retry_after: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {**_CORS, **({"Retry-After": self.retry_after} if self.retry_after else {})}
        body = {"error": {"code": "no", "message": f"refused with {self.status}", "param": None}}
        return web.json_response(body, status=self.status, headers=headers)


@dataclass
class Closing(_Server):
    """Says `ready`, then closes at once with a code."""

    code: int = 1013

    async def answer(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        if not socket.can_prepare(request).ok:
            return web.Response(status=426, headers=_CORS)
        await socket.prepare(request)
        await socket.send_str('{"type":"ready","stream_id":"mic","resume_token":""}')
        await socket.close(code=self.code)
        return socket


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A listener that takes connections and answers nothing: a port that is open, and nobody behind it."""
    writers: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in writers:
            writer.close()
        server.close()
