"""Who may have the name of a voice stream that another connection has: a real server, and lines that are dead."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from fault_proxy import FaultProxy
from serving import RATE, SCRIPT, TWO_UTTERANCES, VOICE, listen, of, silence, texts

if TYPE_CHECKING:
    from serving import Running


CLIENT = """
import asyncio, os, signal, sys
from fastring.client import connect

async def main():
    async with connect(sys.argv[1], "a") as stream:
        await stream.send(bytes(16000))
        await stream.command("ping")
        while (await stream.receive())["type"] != "pong":
            pass
        print("stopping", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
async def test_a_name_is_had_from_a_process_that_is_stopped(server: Running) -> None:
    """Its kernel still takes what is sent to it."""
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, server.url, stdout=subprocess.PIPE)
    try:
        assert client.stdout is not None
        assert await client.stdout.readline() == b"stopping\n"
        began = time.monotonic()
        async with server.connect(VOICE + "a") as new:
            await new.send_bytes(TWO_UTTERANCES)
            await new.send_str('{"type":"close"}')
            assert texts(await listen(new)) == list(SCRIPT)
        assert time.monotonic() - began < 4
        assert server.services.keeper.waiting == 1
    finally:
        client.kill()
        await client.wait()


@pytest.mark.parametrize("presented", ["", "stale"], ids=["without a token", "with a token of another time"])
async def test_a_name_is_had_from_a_connection_that_does_not_answer(server: Running, presented: str) -> None:
    async with FaultProxy("127.0.0.1", int(server.netloc.rpartition(":")[2])) as proxy:
        old = await server.client.ws_connect(proxy.url + VOICE + "a")
        token = json.loads(await old.receive_str())["resume_token"]
        await old.send_bytes(silence(0.5))
        await old.send_str('{"type":"ping"}')
        await listen(old, "pong")
        proxy.stall()  # the line is dead, and nobody can know
        began = time.monotonic()
        new = await server.connect(VOICE + "a")
        if presented:
            await new.send_json({"type": "resume", "token": presented})
        await new.send_bytes(TWO_UTTERANCES)
        await new.send_str('{"type":"close"}')
        messages = await listen(new)
        assert time.monotonic() - began < 4
        assert texts(messages) == list(SCRIPT)
        assert [m["code"] for m in of(messages, "error")] == (["resume_failed"] if presented else [])
        await new.receive()
        assert server.services.keeper.waiting == 1
        back = await server.connect(VOICE + "a")
        await back.send_json({"type": "resume", "token": token})
        assert (await listen(back, "resumed"))[-1]["next_sample"] == RATE // 2
        await back.close()
        proxy.heal()
        assert (await listen(old, "error"))[-1]["code"] == "no_answer"
        await old.receive()
        assert old.close_code == 4408


async def test_a_name_is_not_had_from_a_connection_that_speaks(server: Running) -> None:
    """It answers no ping, for it never reads, but its audio comes."""
    async with server.connect(VOICE + "a") as old:
        for _ in range(2):
            await old.send_bytes(silence(0.1))
            await asyncio.sleep(0.1)
        new = await server.connect(VOICE + "a")
        await new.send_bytes(silence(0.1))
        for _ in range(22):
            await old.send_bytes(silence(0.1))
            await asyncio.sleep(0.1)
        assert (await listen(new, "error"))[-1]["code"] == "stream_exists"
        await old.send_str('{"type":"close"}')
        assert (await listen(old))[-1]["stats"]["received"] == 24 * RATE // 10
