"""The client under conditions that nobody wants: it ends in time, with a typed error, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hostile_servers import Closing, Refusing, silent
from hurried import FAST, UNPACED, behind_proxy, hear, of, texts, unlimited
from serving import RATE, SCRIPT, TWO_UTTERANCES, chunks, serving, silence

from fastring.client import Reconnecting, VoiceStream, transcribe
from fastring.errors import FastringError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BRIEF = replace(FAST, give_up_s=0.6)


@pytest.fixture(autouse=True)
async def no_complaints() -> AsyncIterator[None]:
    """No task is destroyed while it is pending, and no exception is left for nobody."""
    loop, said = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _loop, context: said.append(context))
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=2)
    assert [task.get_name() for task in left] == []  # type: ignore[union-attr]
    del left
    gc.collect(1)
    await asyncio.sleep(0)
    ours = [context for context in said if "StreamReaderProtocol" not in context["message"]]  # those are the proxy's
    assert ours == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
async def test_a_refusal_for_good_is_a_protocol_error_at_once(status: int) -> None:
    server = Refusing(status=status)
    async with server.up():
        with pytest.raises(ProtocolError, match=f"HTTP {status}: refused with {status}"):
            async with VoiceStream(server.url, patience=FAST):
                pass
    assert len(server.asked) == 1


async def test_a_key_that_is_taken_back_ends_the_stream() -> None:
    wrong = Refusing(status=401)
    async with behind_proxy() as (_, proxy), wrong.up(), VoiceStream(proxy.url, "mic", patience=FAST) as stream:
        await stream.send(silence(0.1))
        proxy._upstream = ("127.0.0.1", int(wrong.url.rpartition(":")[2]))
        proxy.reset()
        with pytest.raises(ProtocolError, match="HTTP 401"):
            await asyncio.wait_for(hear(stream), 10)


async def test_a_full_server_is_asked_again_when_it_says() -> None:
    full = Refusing(status=503, retry_after="1")
    async with behind_proxy() as (_, proxy), full.up():
        patience = replace(FAST, give_up_s=2.5)
        async with VoiceStream(proxy.url, "mic", patience=patience) as stream:
            await stream.send(silence(0.1))
            proxy._upstream = ("127.0.0.1", int(full.url.rpartition(":")[2]))
            proxy.reset()
            with pytest.raises(FastringError, match=r"no connection .* HTTP 503: refused with 503"):
                await asyncio.wait_for(hear(stream), 15)
    waits = [later - earlier for earlier, later in zip(full.asked, full.asked[1:], strict=False)]
    assert waits
    assert min(waits) > 0.95


@pytest.mark.parametrize("code", [1012, 1013])
async def test_a_server_that_always_closes_is_given_up(code: int) -> None:
    """It takes every connection and says `ready`, which is no reason to try for ever."""
    server = Closing(code=code)
    began = time.monotonic()
    async with server.up(), VoiceStream(server.url, patience=BRIEF) as stream:
        with pytest.raises(FastringError, match=rf"no connection .* for 0\.6 s: close code {code}"):
            await asyncio.wait_for(hear(stream), 10)
    assert time.monotonic() - began < 5
    assert len(server.asked) > 2


async def test_a_close_for_good_is_a_protocol_error() -> None:
    server = Closing(code=1008)
    async with server.up(), VoiceStream(server.url, patience=FAST) as stream:
        with pytest.raises(ProtocolError, match="code 1008"):
            await asyncio.wait_for(hear(stream), 10)


async def test_a_port_where_nobody_speaks_is_no_server() -> None:
    began = time.monotonic()
    async with silent() as url:
        with pytest.raises(FastringError, match=r"no server at .*: no answer for 0\.5 s"):
            async with VoiceStream(url, patience=FAST):
                pass
    assert time.monotonic() - began < 3


async def test_a_line_that_goes_dead_while_it_reconnects_is_given_up() -> None:
    """Half open: the upgrade is sent and nothing comes."""
    async with behind_proxy() as (_, proxy), VoiceStream(proxy.url, "mic", patience=BRIEF) as stream:
        await stream.send(silence(0.1))
        proxy.reset()
        proxy.stall()
        with pytest.raises(FastringError, match="no connection"):
            await asyncio.wait_for(hear(stream), 10)
        proxy.heal()


async def test_a_name_that_is_not_known_says_so() -> None:
    with pytest.raises(FastringError, match=r"no server at http://nowhere\.invalid"):
        async with VoiceStream("http://nowhere.invalid", patience=FAST):
            pass


async def test_a_slow_line_is_not_taken_for_a_dead_one() -> None:
    """Everything comes 0.4 s late, in small pieces; a server that is silent for 0.5 s would be dead."""
    async with behind_proxy() as (_, proxy):
        proxy.delay(0.4)
        proxy.trickle(4000, 0.01, "up")
        async with VoiceStream(proxy.url, "mic", patience=replace(FAST, dead_after_s=1.5), limits=UNPACED) as stream:
            for chunk in chunks(TWO_UTTERANCES):
                await stream.send(chunk)
            await stream.close()
            events = await asyncio.wait_for(hear(stream), 60)
    assert texts(events) == list(SCRIPT)
    assert of(events, Reconnecting) == []


async def test_closing_while_it_reconnects_ends_well_once_the_server_is_back() -> None:
    async with behind_proxy() as (_, proxy), VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream:
        await stream.send(TWO_UTTERANCES[: RATE * 2])
        proxy.refuse()
        proxy.reset()
        await asyncio.sleep(0.05)
        await stream.send(TWO_UTTERANCES[RATE * 2 :])
        await stream.close()
        await asyncio.sleep(0.1)
        proxy.heal()
        events = await asyncio.wait_for(hear(stream), 30)
    assert texts(events) == list(SCRIPT)


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.05, 0.3])
@pytest.mark.parametrize("cut", [False, True], ids=["connected", "reconnecting"])
async def test_a_task_that_is_cancelled_leaves_nothing(after_s: float, cut: bool) -> None:
    async with behind_proxy(unlimited()) as (server, proxy):

        async def use() -> None:
            async for _ in transcribe(proxy.url, (silence(0.1) for _ in range(10_000)), patience=FAST):
                pass

        using = asyncio.ensure_future(use())
        await asyncio.sleep(0.1 if cut else 0)
        if cut:
            proxy.refuse()
            proxy.reset()
        await asyncio.sleep(after_s)
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        proxy.heal()
        await server.empty()


async def test_leaving_the_block_at_once_leaves_nothing() -> None:
    async with serving(unlimited()) as server:
        for _ in range(5):
            async with VoiceStream(server.url, "mic"):
                pass
            await server.empty()
            assert server.held == (0, 0)
