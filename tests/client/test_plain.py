from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest
from aiohttp import WSMsgType, web

from fastring.client import ClientStream, connect
from fastring.errors import ConfigError, FastringError, ProtocolError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server on a free port that answers every path with one handler; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def mirror(request: web.Request) -> web.WebSocketResponse:
    """Says what it was asked for, then gives back everything, until `close`."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json(
        {
            "type": "ready",
            "path": request.path,
            "query": dict(request.query),
            "key": request.headers.get("Authorization"),
        }
    )
    async for frame in socket:
        if frame.type == WSMsgType.BINARY:
            await socket.send_json({"type": "audio", "bytes": list(frame.data)})
        else:
            message = json.loads(frame.data)
            await socket.send_json(message)
            if message["type"] == "close":
                await socket.send_json({"type": "closed"})
                await socket.close(code=1000)
    return socket


async def test_a_conversation(serve: Serve) -> None:
    url = await serve(mirror)
    async with connect(url + "/", "a b", "audio", api_key="hush", sample_rate=8000) as stream:
        ready = await stream.receive()
        assert ready["path"] == "/api/v1/stream/audio/a b"
        assert ready["query"] == {"sample_rate": "8000"}
        assert ready["key"] == "Bearer hush"
        await stream.send(b"\x01\x02")
        await stream.send(np.array([1, -2], np.int16))
        await stream.send(np.array([1, -2], ">i2"))
        await stream.send(np.array([0.5], np.float32))
        await stream.finalize()
        await stream.command("audio", data="AAA=", seq=3)
        await stream.close()
        messages = [message async for message in stream]
    assert messages == [
        {"type": "audio", "bytes": [1, 2]},
        {"type": "audio", "bytes": [1, 0, 254, 255]},
        {"type": "audio", "bytes": [1, 0, 254, 255]},
        {"type": "audio", "bytes": [0, 0, 0, 63]},
        {"type": "finalize"},
        {"type": "audio", "data": "AAA=", "seq": 3},
        {"type": "close"},
        {"type": "closed"},
    ]


async def test_without_a_key_none_is_sent(serve: Serve) -> None:
    async with connect(await serve(mirror), "a") as stream:
        ready = await stream.receive()
    assert ready["key"] is None
    assert ready["path"] == "/api/v1/stream/voice/a"


async def test_receive_after_the_end_says_how_it_ended(serve: Serve) -> None:
    async def rude(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=1013)
        return socket

    async with connect(await serve(rude), "a") as stream:
        with pytest.raises(FastringError, match="1013"):
            await stream.receive()
        with pytest.raises(FastringError, match="gone"):
            await stream.send(b"\x00\x00")


async def test_a_refusal_gives_the_servers_reason(serve: Serve) -> None:
    async def refuse(request: web.Request) -> web.Response:
        error = {"code": "invalid_field", "message": "sample_rate = 1: must be 8000..192000", "param": "sample_rate"}
        return web.json_response({"error": error}, status=400)

    with pytest.raises(ProtocolError, match=r"HTTP 400: sample_rate = 1: must be 8000\.\.192000"):
        async with connect(await serve(refuse), "a", sample_rate=1):
            pass


async def test_a_refusal_without_a_reason_gives_the_status(serve: Serve) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=503, text="<html>")

    with pytest.raises(ProtocolError, match="HTTP 503"):
        async with connect(await serve(refuse), "a"):
            pass


async def test_no_server_is_told_as_such(unused_tcp_port: int) -> None:
    with pytest.raises(FastringError, match=f"no server at http://127.0.0.1:{unused_tcp_port}: .*fastring serve"):
        async with connect(f"http://127.0.0.1:{unused_tcp_port}", "a"):
            pass


async def test_one_task_sends_while_another_receives(serve: Serve) -> None:
    async with connect(await serve(mirror), "a") as stream:
        await stream.receive()

        async def send(to: ClientStream) -> None:
            for number in range(100):
                await to.send(bytes([number]))
            await to.close()

        sending = asyncio.ensure_future(send(stream))
        got = [message["bytes"][0] async for message in stream if message["type"] == "audio"]
        await sending
    assert got == list(range(100))


async def test_an_address_without_a_scheme_is_told() -> None:
    with pytest.raises(ConfigError, match="url = 'localhost:8000': must begin with http://"):
        async with connect("localhost:8000", "mine"):
            pass
