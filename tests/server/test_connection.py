"""The pump with a station of its own: pace, limits and every way to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from raw_websocket import BINARY, close, frame

from fastring.config import ServerSettings
from fastring.errors import AudioFormatError, ProtocolError
from fastring.events import Audio, Close, Closed, Failure, Final, Finalize, Latency, Partial, Ping, Pong, Status
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


@pytest.fixture
async def pump(request: pytest.FixtureRequest) -> AsyncIterator[Pump]:
    settings = getattr(request, "param", ServerSettings(max_message_bytes=4096, send_queue=16))
    async with Pump(settings).running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def hear(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    return json.loads(await ws.receive_str(timeout=5))


async def gone(pump: Pump, index: int = 0) -> None:
    await asyncio.wait_for(pump.connections[index].gone.wait(), 5)
    assert pump.stations[index].detached == 1


async def test_messages_go_in_and_events_come_out(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        assert (await hear(ws))["state"] == "recovered"
        await ws.send_str('{"type":"ping"}')
        assert (await hear(ws))["type"] == "pong"
        await ws.send_str('{"type":"close"}')
        assert (await hear(ws))["type"] == "closed"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1000
    await gone(pump)


async def test_long_audio_is_cut_into_pieces(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await ws.send_bytes(bytes(1050))
        await ws.send_str('{"type":"ping"}')
        await hear(ws)
        await hear(ws)
        assert pump.stations[0].pieces == [100] * 10 + [50]


@pytest.mark.parametrize(
    ("message", "code"),
    [("{", "invalid_json"), ('{"type":"finalize"}', "unknown_type"), (b"bad", "invalid_field")],
)
async def test_what_is_wrong_is_answered_and_the_stream_goes_on(
    pump: Pump, client: aiohttp.ClientSession, message: str | bytes, code: str
) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        error = await hear(ws)
        assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
        await ws.send_str('{"type":"ping"}')
        assert (await hear(ws))["type"] == "pong"


async def test_a_bug_ends_its_own_connection_alone(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as other, client.ws_connect(pump.url) as ws:
        await hear(ws)
        await ws.send_bytes(b"bug")
        error = await hear(ws)
        assert (error["code"], error["fatal"]) == ("internal", True)
        assert "a bug" not in error["message"]
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1011
        await gone(pump, 1)
        await hear(other)
        await other.send_str('{"type":"ping"}')
        assert (await hear(other))["type"] == "pong"


async def test_a_message_too_large_says_so_and_closes_with_1009(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        await ws.send_bytes(bytes(5000))
        error = await hear(ws)
        assert (error["code"], error["fatal"]) == ("message_too_large", True)
        assert "4096" in error["message"]
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1009
    await gone(pump)


@pytest.mark.parametrize("pump", [ServerSettings(idle_timeout_s=0.3)], indirect=True)
async def test_an_idle_client_is_told_and_closed(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        started = time.monotonic()
        for _ in range(3):
            await asyncio.sleep(0.15)
            await ws.send_bytes(b"ok")
        error = await hear(ws)
        assert 0.7 <= time.monotonic() - started < 2
        assert (error["code"], error["fatal"]) == ("idle_timeout", True)
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1008
    await gone(pump)


async def test_a_peer_that_vanishes_leaves_nothing(pump: Pump, client: aiohttp.ClientSession) -> None:
    ws = await client.ws_connect(pump.url)
    await hear(ws)
    transport = ws._response.connection.transport  # type: ignore[union-attr]
    transport.abort()
    await gone(pump)
    assert not [task for task in asyncio.all_tasks() if "test/s" in task.get_name()]


async def test_a_station_that_fails_at_the_end_is_closed_all_the_same(
    pump: Pump, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)

        def fail(_now: float) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(pump.stations[0], "finish", fail)
        pump.connections[0].finish()
        assert (await hear(ws))["code"] == "internal"
        await ws.receive()
        assert ws.close_code == 1011
    await gone(pump)


async def test_finish_closes_with_1012(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        pump.connections[0].finish()
        assert (await hear(ws))["reason"] == "going away"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1012
    await gone(pump)


async def test_nothing_is_read_while_the_station_is_congested(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        await ws.send_bytes(b"hold")
        await ws.send_bytes(b"more")
        await asyncio.sleep(0.1)
        station = pump.stations[0]
        assert station.pieces == [4]
        station.busy = False
        pump.connections[0].relieve()
        await ws.send_str('{"type":"ping"}')
        await hear(ws)
        assert station.pieces == [4, 4]


async def test_a_congested_station_can_still_end(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        await ws.send_bytes(b"hold")
        await asyncio.sleep(0.05)
        pump.connections[0].finish()
        assert (await hear(ws))["type"] == "closed"
    await gone(pump)


def stuck_client(url: str, *, buffer_bytes: int = 4096) -> socket.socket:
    """A client that connects, and then reads nothing."""
    port = int(url.rsplit(":", 1)[1].rstrip("/"))
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    raw.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    return raw


async def connected(pump: Pump) -> Connection:
    while not pump.connections or pump.stations[0].line is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return pump.connections[0]


async def test_partials_for_a_stuck_reader_cost_no_memory(pump: Pump) -> None:
    with stuck_client(pump.url):
        connection = await connected(pump)
        for number in range(2000):
            connection.post(Partial(number, BIG, "", (), 0.5, 0, 1, -20.0, 0.0, 0, LATENCY))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert len(connection._outbox) <= 2
        assert connection._transport.get_write_buffer_size() < 400_000
        assert not connection.gone.is_set()


async def test_a_stuck_reader_of_finals_is_cut_off(pump: Pump) -> None:
    with stuck_client(pump.url):
        connection = await connected(pump)
        for number in range(500):
            connection.post(Final(number, number, BIG, (), 0.5, 0, 1, LATENCY))
            await asyncio.sleep(0)
        await gone(pump)
        assert connection._transport.is_closing()
    assert not [task for task in asyncio.all_tasks() if "test/s" in task.get_name()]


@pytest.mark.parametrize("pump", [ServerSettings(send_timeout_s=0.3)], indirect=True)
@pytest.mark.parametrize("reads_again", [False, True])
async def test_a_client_that_sends_and_never_reads_is_closed_with_1013(pump: Pump, reads_again: bool) -> None:
    """Its own messages keep the heartbeat content, and what it is told coalesces, so nothing else would end it."""
    with stuck_client(pump.url, buffer_bytes=100_000) as raw:
        connection = await connected(pump)
        number = 0
        while not connection._ending:
            raw.sendall(frame(BINARY, b"x"))
            connection.post(Partial(number, BIG, "", (), 0.5, 0, 1, -20.0, 0.0, 0, LATENCY))
            number += 1
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert connection.close_code == 1013
        assert connection._transport.get_write_buffer_size() < 400_000
        if reads_again:
            heard = await asyncio.to_thread(read_to_end, raw)
            assert heard.endswith(b"\x03\xf5" + b"results are not read fast enough")
    await gone(pump)


def read_to_end(raw: socket.socket) -> bytes:
    raw.settimeout(5)
    heard = b""
    while data := raw.recv(65_536):
        heard += data
        if b"fast enough" in data:
            raw.sendall(close(1013))
    return heard


async def test_a_slow_reader_gets_every_final(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        finals = []
        for burst in range(10):
            for number in range(15):
                pump.connections[0].post(Final(burst * 15 + number, 0, BIG, (), 0.5, 0, 1, LATENCY))
            await asyncio.sleep(0.02)
            finals += [(await hear(ws))["seq"] for _ in range(15)]
        assert finals == list(range(150))


async def test_a_flood_of_nonsense_is_answered_one_by_one(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        sending = asyncio.ensure_future(send_many(ws, 2000))
        for _ in range(2000):
            assert (await hear(ws))["code"] == "invalid_json"
        await sending
        assert pump.connections[0].codec.counters.malformed == 2000


async def send_many(ws: aiohttp.ClientWebSocketResponse, count: int) -> None:
    for _ in range(count):
        await ws.send_str("nonsense")


async def test_a_flood_of_messages_lets_others_run(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        worst = 0.0
        sending = asyncio.ensure_future(send_many(ws, 3000))
        reading = asyncio.ensure_future(read_many(ws, 3000))
        while not reading.done():
            before = time.monotonic()
            await asyncio.sleep(0)
            worst = max(worst, time.monotonic() - before)
        await asyncio.gather(sending, reading)
        assert worst < 0.25


async def read_many(ws: aiohttp.ClientWebSocketResponse, count: int) -> None:
    for _ in range(count):
        await hear(ws)


async def test_a_fatal_failure_is_the_last_word(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        pump.connections[0].post(Failure("overloaded", "too much", fatal=True))
        pump.connections[0].post(Pong())
        assert (await hear(ws))["code"] == "overloaded"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1013
    await gone(pump)
