"""The proxy itself: it does what it is told, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """Before a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as running:
        yield running
    server.close()


async def connect(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_what_goes_in_comes_out(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    sent = bytes(range(256)) * 2000
    writer.write(sent)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), 5) == sent
    assert proxy.passed("up") == proxy.passed("down") == len(sent)
    writer.close()
    assert await reader.read() == b""


async def test_delay_keeps_the_order(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    proxy.delay(0.1)
    started = time.monotonic()
    for number in range(5):
        writer.write(bytes([number]) * 10)
        await asyncio.sleep(0.01)
    heard = await asyncio.wait_for(reader.readexactly(50), 5)
    assert heard == b"".join(bytes([number]) * 10 for number in range(5))
    assert 0.2 <= time.monotonic() - started < 1
    writer.close()


async def test_stall_ends_by_itself_or_by_heal(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    for seconds in (0.1, float("inf")):
        proxy.stall(seconds)
        writer.write(b"x")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.05)
        if seconds > 1:
            proxy.heal()
        assert await asyncio.wait_for(reader.readexactly(1), 5) == b"x"
    writer.close()


async def test_trickle_loses_nothing(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    proxy.trickle(1, 0.001, "up")
    writer.write(b"abcdefghij")
    started = time.monotonic()
    assert await asyncio.wait_for(reader.readexactly(10), 5) == b"abcdefghij"
    assert time.monotonic() - started >= 0.009
    writer.close()


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_cut_after_cuts_at_that_byte(proxy: FaultProxy, direction: str) -> None:
    reader, writer = await connect(proxy)
    proxy.cut_after(100, direction)  # type: ignore[arg-type]
    writer.write(bytes(1000))
    heard = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(4096), 5):
            heard += data
    assert proxy.passed(direction) == 100  # type: ignore[arg-type]
    assert len(heard) <= (100 if direction == "down" else 1000)
    writer.close()
    reader, writer = await connect(proxy)  # once only
    writer.write(bytes(1000))
    assert len(await asyncio.wait_for(reader.readexactly(1000), 5)) == 1000
    writer.close()


async def test_reset_cut_and_refuse(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"x")
    await reader.readexactly(1)
    assert proxy.connections == 1
    proxy.reset()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()

    reader, writer = await connect(proxy)
    writer.write(b"x")
    await reader.readexactly(1)
    proxy.cut()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()

    proxy.refuse()
    reader, writer = await connect(proxy)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()
    proxy.refuse(False)
    reader, writer = await connect(proxy)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()
