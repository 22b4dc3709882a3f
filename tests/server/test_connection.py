"""The pump with a station of its own: pace, limits and every way to end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from pump import Pump, gone, hear

from fastring.config import ServerSettings
from fastring.events import Failure, Pong

if TYPE_CHECKING:
    pass


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


async def test_an_event_is_written_where_it_is_posted_and_no_task_is_made_for_it(
    pump: Pump, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        connection = pump.connections[0]
        connection.post(Pong())
        assert len(connection._outbox) == 0
        assert (await hear(ws))["type"] == "pong"
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("write")]


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


async def test_a_fatal_failure_is_the_last_word(pump: Pump, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(pump.url) as ws:
        await hear(ws)
        pump.connections[0].post(Failure("overloaded", "too much", fatal=True))
        pump.connections[0].post(Pong())
        assert (await hear(ws))["code"] == "overloaded"
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1013
    await gone(pump)
