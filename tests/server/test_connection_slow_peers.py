"""Peers that read slowly or not at all, and floods: the pump stays bounded and others run."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from pump import BIG, LATENCY, Pump, gone, hear
from raw_websocket import BINARY, close, frame

from fastring.config import ServerSettings
from fastring.events import Final, Partial
from fastring.server.connection import Connection

if TYPE_CHECKING:
    pass


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
