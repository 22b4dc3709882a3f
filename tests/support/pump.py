"""A server with nothing but the pump, and a station that misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from fastring.config import ServerSettings
from fastring.errors import AudioFormatError, ProtocolError
from fastring.events import Audio, Close, Closed, Finalize, Latency, Ping, Pong, Status
from fastring.protocols.native import NativeCodec
from fastring.server.connection import Connection
from fastring.server.websocket import Socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastring.events import Command
    from fastring.server.station import Line

LATENCY = Latency(0, 0, 0, 0)
BIG = "x" * 20_000


class FakeStation:
    """Answers audio with its length, and misbehaves on demand."""

    slice_bytes = 100

    def __init__(self) -> None:
        self.line: Line | None = None
        self.pieces: list[int] = []
        self.busy = False
        self.detached = 0

    @property
    def congested(self) -> bool:
        return self.busy

    def attach(self, line: Line) -> None:
        self.line = line
        line.post(Status("recovered", queue_depth=1))

    def receive(self, command: Command, now: float) -> None:
        assert self.line is not None
        if isinstance(command, Audio):
            self.pieces.append(len(command.data))
            if command.data == b"bad":
                raise AudioFormatError("bad audio")
            if command.data == b"bug":
                raise RuntimeError("a bug")
            if command.data == b"hold":
                self.busy = True
        elif isinstance(command, Ping):
            self.line.post(Pong())
        elif isinstance(command, Finalize):
            raise ProtocolError("not here", code="unknown_type")
        elif isinstance(command, Close):
            self.line.post(Closed("requested"))

    def finish(self, now: float) -> None:
        assert self.line is not None
        self.line.post(Closed("going away"))

    def detach(self) -> None:
        self.detached += 1


class Pump:
    """A server with nothing but the pump, on a real port."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.stations: list[FakeStation] = []
        self.connections: list[Connection] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ws = Socket(
            heartbeat=5, autoclose=False, autoping=False, compress=False, max_msg_size=self.settings.max_message_bytes
        )
        await ws.prepare(request)
        station = FakeStation()
        codec = NativeCodec("s", encoding="mulaw", max_message_bytes=self.settings.max_message_bytes)
        assert request.transport is not None
        connection = Connection(ws, request.transport, codec, station, self.settings, name="test/s")
        self.stations.append(station)
        self.connections.append(connection)
        with contextlib.suppress(ConnectionError):
            await connection.run()
        return ws

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Pump]:
        app = web.Application()
        app.router.add_get("/", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield self
        finally:
            await runner.cleanup()


async def hear(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    return json.loads(await ws.receive_str(timeout=5))


async def gone(pump: Pump, index: int = 0) -> None:
    await asyncio.wait_for(pump.connections[index].gone.wait(), 5)
    assert pump.stations[index].detached == 1
