"""Three times as many clients as the engine can serve: those that are let in are heard in time, the others are told."""

from __future__ import annotations

import asyncio
import json
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from serving import BASE, settings_for_tests, silence, speech

from fastring.asr.scripted import ScriptedTranscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving import Running, Serve

    from fastring.asr.transcriber import Hypothesis, Job

COST_S = 0.1  # of a final; capacity is 1 / (COST_S * finals a second of a client)
SPOKEN = speech("seen_0")
TURN_S = len(SPOKEN) / 32_000 + 0.5
CAPACITY = round(TURN_S / COST_S)  # clients that speak without a rest, each a turn after the other


class Priced(ScriptedTranscriber):
    """One worker, and a set price for each final."""

    def __init__(self) -> None:
        super().__init__(["one two three"], concurrency=1)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        time.sleep(sum(COST_S if job.kind == "final" else 0.001 for job in jobs))
        return super().transcribe(jobs)


async def talk(server: Running, number: int, seconds: float, late_s: list[float]) -> str:
    """Speak turn after turn in real time for so long; how late finals were, or why nobody listened."""
    try:
        ws = await server.connect(f"{BASE}voice/c{number}?interim=false")
    except aiohttp.WSServerHandshakeError as refused:
        return f"refused: {refused.status}"
    ended: list[float] = []

    async def hear() -> None:
        async for message in ws:
            event: dict[str, Any] = json.loads(message.data)
            if event["type"] == "final":
                late_s.append(time.monotonic() - ended.pop(0))
            elif event["type"] == "closed":
                return

    hearing = asyncio.ensure_future(hear())
    until = time.monotonic() + seconds
    turn = SPOKEN + silence(0.5)
    while time.monotonic() < until:
        due = time.monotonic()
        for start in range(0, len(turn), 6400):
            await ws.send_bytes(turn[start : start + 6400])
            if start <= len(SPOKEN) < start + 6400:
                ended.append(time.monotonic())
            due += len(turn[start : start + 6400]) / 32_000
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await ws.send_str('{"type":"close"}')
    await asyncio.wait_for(hearing, 30)
    await ws.close()
    return "heard"


async def crowd(server: Running, clients: int, every_s: float, seconds: float) -> tuple[list[str], list[float]]:
    """So many clients, one after the other; what became of each, and how late their finals were."""
    late_s: list[float] = []
    talks = []
    for number in range(clients):
        talks.append(asyncio.ensure_future(talk(server, number, seconds - number * every_s, late_s)))
        await asyncio.sleep(every_s)
    told = await asyncio.gather(*talks)
    return told, sorted(late_s)


@pytest.mark.full
async def test_at_three_times_capacity_those_who_are_let_in_are_heard_in_time(
    serve: Serve, figures: Callable[[str], None]
) -> None:
    settings = settings_for_tests(admit_lag_ms=500)
    async with serve(settings, Priced()) as server:
        _, normal = await crowd(server, CAPACITY // 3, 0.3, 10)
        told, late = await crowd(server, 3 * CAPACITY, 0.3, 25)
        heard = told.count("heard")
        assert heard + told.count("refused: 503") == len(told)
        figures(
            f"capacity {CAPACITY}; asked {3 * CAPACITY}, heard {heard}; finals after speech, p95: normal"
            f" {normal[int(0.95 * len(normal))]:.2f} s, crowded {late[int(0.95 * len(late))]:.2f} s,"
            f" median {statistics.median(late):.2f} s"
        )
        assert CAPACITY // 3 <= heard <= 1.2 * CAPACITY
        assert server.services.registry.admission.refused >= CAPACITY
        assert late[int(0.95 * len(late))] < 2 * normal[int(0.95 * len(normal))]
        assert server.services.pool.stats().queued == 0
        await asyncio.sleep(5)
        async with server.connect(f"{BASE}voice/after") as ws:  # recovered
            await ws.receive_str()


class Stuck(ScriptedTranscriber):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__(["one"], concurrency=1)
        self.go = threading.Event()

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.go.wait(10)
        return super().transcribe(jobs)


REFUSED = {
    f"{BASE}voice/b": 503,
    "/ws/live": 503,
    "/ws/recite?reference=zero": 503,
    "/v1/listen": 503,
    "/v2/listen": 503,
    "/v1/realtime": 503,
    "/vosk": 503,
}


async def test_every_protocol_says_that_the_engine_is_behind_and_recovers(serve: Serve) -> None:
    engine = Stuck()
    async with (
        serve(settings_for_tests(admit_lag_ms=100), engine) as server,
        server.client.ws_connect(server.url + f"{BASE}voice/a?interim=false") as ws,
    ):
        await ws.send_bytes(silence(0.5) + SPOKEN + silence(1.0))
        await asyncio.sleep(0.4)
        for path, status in REFUSED.items():
            async with server.client.get(
                server.url + path,
                headers={
                    "Upgrade": "websocket",
                    "Connection": "Upgrade",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
                },
            ) as answer:
                text = await answer.text()
                assert (answer.status, "Retry-After" in answer.headers) == (status, True), (path, text)
                assert "finals wait" in text, path
        async with server.connect(f"{BASE}audio/free"):  # analysis needs no engine
            pass
        engine.go.set()
        deadline = time.monotonic() + 5
        while server.services.registry.admission.refuses(time.monotonic()):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        async with server.connect(f"{BASE}voice/b") as after:
            await after.receive_str()
