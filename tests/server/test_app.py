"""The whole application: nothing leaks, nothing blocks, and it goes down in order."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serving import BASE, SCRIPT, TWO_UTTERANCES, chunks, listen, of, settings_for_tests, texts

from fastring.asr.scripted import ScriptedTranscriber
from fastring.server.app import drain

if TYPE_CHECKING:
    from serving import Running, Serve


class Usage:
    """What a process holds."""

    def __init__(self) -> None:
        gc.collect()
        self.tasks = len(asyncio.all_tasks())
        self.threads = threading.active_count()
        self.files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0  # noqa: PTH208

    def __repr__(self) -> str:
        return f"tasks {self.tasks}, threads {self.threads}, files {self.files}"


async def settled(base: Usage) -> Usage:
    """Wait until no more is held than before, but not for ever."""
    for _ in range(100):
        now = Usage()
        if now.tasks <= base.tasks and now.threads <= base.threads and now.files <= base.files:
            return now
        await asyncio.sleep(0.05)
    return now


async def visit(server: Running, number: int, chance: random.Random) -> None:
    """Connect, send something or not, and go: politely, rudely, or in the middle of a word."""
    kind, query = chance.choice(
        [("audio", "?update_hz=100"), ("voice", ""), ("voice", "?encoding=container"), ("audio", "?encoding=mulaw")]
    )
    ws = await server.connect(f"{BASE}{kind}/v{number}{query}")
    if chance.random() < 0.8:
        await ws.send_bytes(TWO_UTTERANCES[20_000 : 20_000 + 4 * chance.randrange(8000)])
    if chance.random() < 0.3:
        await ws.send_str("nonsense")
    how = chance.random()
    if how < 0.4:
        ws._response.connection.transport.abort()
    elif how < 0.6:
        await ws.send_str('{"type":"close"}')
        await ws.close()
    else:
        await ws.close()
    ws._response.close()


async def test_hundreds_of_visits_leave_nothing(server: Running) -> None:
    chance = random.Random(1)
    for number in range(20):
        await visit(server, number, chance)
    await server.empty()
    sessions = weakref.WeakSet[Any]()
    base = await settled(Usage())
    for batch in range(30):
        await asyncio.gather(*(visit(server, batch * 100 + number, chance) for number in range(10)))
        sessions.update(station for station in server.services.registry)  # type: ignore[type-var]
    await server.empty()
    after = await settled(base)
    assert after.tasks <= base.tasks, (base, after)
    assert after.threads <= base.threads, (base, after)
    assert after.files <= base.files + 2, (base, after)
    for _ in range(40):
        gc.collect()
        if not sessions:
            break
        await asyncio.sleep(0.05)
    assert list(sessions) == []


CLIENTS = """
import asyncio, sys
import aiohttp
import numpy as np
from serving import BASE, TWO_UTTERANCES

async def voice(client, number):
    async with client.ws_connect(f"{sys.argv[1]}{BASE}voice/f{number}") as ws:
        await ws.send_bytes((TWO_UTTERANCES * 8)[:600_000])
        await ws.send_str('{"type":"close"}')
        return [message.data async for message in ws]

async def audio(client, number):
    noise = np.random.default_rng(1).normal(size=250_000).astype("<f4").tobytes()
    async with client.ws_connect(f"{sys.argv[1]}{BASE}audio/f{number}") as ws:
        for _ in range(4):
            await ws.send_bytes(noise)
        await ws.send_str('{"type":"close"}')
        return [message.data async for message in ws]

async def main():
    async with aiohttp.ClientSession() as client:
        said = await asyncio.gather(*(talk(client, n) for n in range(3) for talk in (voice, audio)))
        print(sum(map(len, said)))

asyncio.run(main())
"""


async def test_the_loop_is_not_blocked_by_large_messages_or_the_engine(serve: Serve, root: Path) -> None:
    """An engine that keeps the interpreter busy, and clients that send half a minute at once."""

    class Busy(ScriptedTranscriber):
        def transcribe(self, jobs: Any) -> Any:
            until = time.monotonic() + 0.02
            while time.monotonic() < until:
                np.fft.rfft(np.ones(4096))
            return super().transcribe(jobs)

    turns: list[float] = []

    async def tick() -> None:
        """CPU time of this thread from one turn of the loop to the next: other processes do not count."""
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - before)

    async with serve(transcriber=Busy(SCRIPT, concurrency=1)) as server:
        command = [sys.executable, "-c", CLIENTS, server.url]
        environment = {**os.environ, "PYTHONPATH": str(root / "tests" / "support")}
        clients = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        ticking = asyncio.ensure_future(tick())
        out, _ = await asyncio.wait_for(clients.communicate(), 30)
        ticking.cancel()
    assert int(out) > 10
    turns.sort()
    p99, longest = turns[int(0.99 * len(turns))], turns[-1]
    assert p99 < 0.005, f"p99 of a turn of the loop: {p99 * 1000:.1f} ms"
    assert longest < 0.03, f"the loop stood still for {longest * 1000:.0f} ms"


async def read_to_the_end(ws: Any) -> list[dict[str, Any]]:
    return [json.loads(message.data) async for message in ws]


async def test_going_down_answers_what_was_said_and_closes_with_1012(serve: Serve) -> None:
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, delay_s=0.2), drain_s=3.0) as server:
        voice = await server.connect(BASE + "voice/a")
        audio = await server.connect(BASE + "audio/a")
        for chunk in chunks(TWO_UTTERANCES):
            await voice.send_bytes(chunk)
        await voice.send_str('{"type":"ping"}')
        await listen(voice, "pong")
        hearing = asyncio.gather(read_to_the_end(voice), read_to_the_end(audio))
        started = time.monotonic()
        await drain_app(server)
        assert time.monotonic() - started < 3
        said, _ = await hearing
        assert texts(said)[-1] == SCRIPT[1]
        assert said[-1]["reason"] == "going away"
        assert (voice.close_code, audio.close_code) == (1012, 1012)
        status, error = await server.refusal(BASE + "voice/b")
        assert (status, error["code"]) == (503, "shutting_down")


async def test_going_down_waits_no_longer_than_it_may(serve: Serve) -> None:
    slow = ScriptedTranscriber(SCRIPT, delay_s=2.0)
    async with serve(transcriber=slow, drain_s=0.3) as server, server.connect(BASE + "voice/a") as ws:
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        hearing = asyncio.ensure_future(read_to_the_end(ws))
        started = time.monotonic()
        await drain_app(server)
        await hearing
        assert ws.close_code == 1012
        assert 0.3 <= time.monotonic() - started < 1.5


async def test_bytes_that_are_no_audio_do_not_keep_the_others_from_their_end(serve: Serve) -> None:
    async with serve(drain_s=3.0) as server:
        bad = [await server.connect(f"{BASE}{kind}/bad?encoding=container") for kind in ("voice", "audio")]
        for ws in bad:
            await ws.send_bytes(b"this is no audio at all")
        good = await server.connect(BASE + "voice/good")
        for chunk in chunks(TWO_UTTERANCES):
            await good.send_bytes(chunk)
        for ws in (*bad, good):
            await ws.send_str('{"type":"ping"}')
            await listen(ws, "pong")
        hearing = asyncio.gather(*(read_to_the_end(ws) for ws in (*bad, good)))
        await drain_app(server)
        said = await hearing
        assert [messages[-1]["type"] for messages in said] == ["closed"] * 3
        assert [ws.close_code for ws in (*bad, good)] == [1012] * 3


async def drain_app(server: Running) -> None:
    from aiohttp import web

    from fastring.server.services import SERVICES

    app = web.Application()
    app[SERVICES] = server.services
    await drain(app)


async def test_answers_say_little_of_the_server_and_are_not_kept(server: Running) -> None:
    for path in (BASE + "health", "/nowhere"):
        async with server.client.get(server.url + path) as response:
            assert response.headers["Server"] == "fastring"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("clients", [8])
async def test_many_streams_at_once_stay_apart(serve: Serve, clients: int) -> None:
    async with serve(settings_for_tests(max_streams=clients)) as server:

        async def stream(number: int) -> None:
            async with server.connect(f"{BASE}voice/c{number}") as ws:
                for chunk in chunks(TWO_UTTERANCES, 1600 + 200 * number):
                    await ws.send_bytes(chunk)
                await ws.send_str('{"type":"close"}')
                messages = await listen(ws)
                assert {message["stream_id"] for message in messages} == {f"c{number}"}
                assert texts(messages) == list(SCRIPT)
                assert of(messages, "error") == []

        await asyncio.gather(*map(stream, range(clients)))
        assert json.loads(json.dumps((await server.get("/metrics/streaming"))[1]))["latency_sample_count"] > 0
