"""Clients that die in every phase of a connection, a few hundred times here and ten thousand with `make test-full`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from raw_websocket import BINARY, HANDSHAKE, PING, TEXT, close, frame
from serving import BASE, TWO_UTTERANCES, settings_for_tests

from fastring.audio.ring import RingBuffer
from fastring.config import ResumeSettings
from fastring.server.connection import Connection
from fastring.session.analysis import AnalysisSession
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving import Running, Serve

PATHS = [
    BASE + "voice/c{n}",
    BASE + "voice/c{n}?encoding=container",
    BASE + "voice/c{n}?encoding=mulaw&sample_rate=8000",
    BASE + "audio/c{n}?update_hz=100",
    BASE + "audio/c{n}?encoding=linear16&channels=2",
    "/ws/live?stream_id=c{n}",
    "/ws/recite?reference=zero+one+two+three",
]
SPEECH = TWO_UTTERANCES[16_000 : 16_000 + 64_000]
COUNTED = (VoiceSession, AnalysisSession, Connection, RingBuffer)

PHASES = (
    "connected",
    "half a request",
    "asked, not answered",
    "upgraded",
    "in a header",
    "in a message",
    "in an utterance",
    "after nonsense",
    "finalize asked",
    "close asked",
    "not reading",
    "polite",
)


async def die(server: Running, number: int, phase: str, chance: random.Random) -> None:
    """Connect, go as far as that phase, and vanish: half of the time with a reset."""
    host, _, port = server.netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        await _live(reader, writer, number, phase, chance)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        if chance.random() < 0.5:
            with contextlib.suppress(OSError):
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def _live(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, phase: str, chance: random.Random
) -> None:
    if phase == "connected":
        return
    path = chance.choice(PATHS).format(n=number)
    request = HANDSHAKE.format(path=path, more="").encode()
    writer.write(request[: len(request) // 2] if phase == "half a request" else request)
    if phase in ("half a request", "asked, not answered"):
        return
    await reader.readuntil(b"\r\n\r\n")
    if phase == "upgraded":
        return
    if phase == "in a header":
        writer.write(frame(BINARY, bytes(70_000))[: chance.randrange(1, 14)])
        return
    if phase == "in a message":
        writer.write(frame(BINARY, SPEECH)[:20_000])
        return
    if phase == "after nonsense":
        writer.write(frame(TEXT, "nonsense") + frame(BINARY, b"x") + frame(PING, b"?") + frame(3, b""))
        await asyncio.sleep(0.01 * chance.random())
        return
    spoken = json.dumps({"type": "audio", "source": "mic", "data": base64.b64encode(SPEECH).decode()})
    writer.write(
        frame(BINARY, SPEECH[: 4 * chance.randrange(16_000)]) if chance.random() < 0.7 else frame(TEXT, spoken)
    )
    if phase == "finalize asked":
        writer.write(frame(TEXT, '{"type":"finalize"}'))
    elif phase in ("close asked", "polite"):
        writer.write(frame(TEXT, '{"type":"close"}'))
    elif phase == "not reading":
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(frame(TEXT, '{"type":"ping"}') * 50)
    await writer.drain()
    if phase == "polite":
        writer.write(close())
        await asyncio.wait_for(reader.read(), 10)
    else:
        await asyncio.sleep(0.03 * chance.random())


def held() -> dict[str, int]:
    """What this process holds that a connection may leave behind."""
    gc.collect()
    counts = Counter(type(it).__name__ for it in gc.get_objects() if isinstance(it, COUNTED))
    return {
        **{kind.__name__: counts[kind.__name__] for kind in COUNTED},
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0,  # noqa: PTH208
    }


async def settled(server: Running, base: dict[str, int] | None) -> dict[str, int]:
    """Wait until no more is held than before, but not for ever."""
    deadline = time.monotonic() + 15
    while True:
        now = held()
        quiet = not server.services.registry.connections and not len(server.services.registry)
        if quiet and (base is None or all(now[name] <= base[name] for name in now)):
            return now
        if time.monotonic() > deadline:
            return now
        await asyncio.sleep(0.1)


def memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def churn(serve: Serve, deaths: int) -> dict[str, Any]:
    chance = random.Random(7)
    settings = settings_for_tests(max_streams=512)
    settings = replace(settings, resume=ResumeSettings(wait_s=0.5))
    async with serve(settings) as server:
        for number, phase in enumerate(PHASES * 2):
            await die(server, number, phase, chance)
        base = await settled(server, None)
        await asyncio.sleep(1.5)  # sessions that wait for their clients
        base = await settled(server, None)
        memory: list[float] = []
        started = time.monotonic()
        for batch in range(0, deaths, 20):
            numbers = range(batch, min(batch + 20, deaths))
            await asyncio.gather(*(die(server, 1000 + n, PHASES[n % len(PHASES)], chance) for n in numbers))
            if batch % 1000 == 980:
                memory.append(memory_mib())
        took_s = time.monotonic() - started
        after = await settled(server, base)
        stats = server.services.pool.stats()
        status, _ = await server.get(BASE + "health")
        return {
            "base": base,
            "after": after,
            "jobs": stats.queued + stats.running,
            "status": status,
            "memory": memory,
            "per_s": deaths / took_s,
        }


def assert_nothing_left(found: dict[str, Any]) -> None:
    assert found["status"] == 200
    assert found["jobs"] == 0
    base, after = found["base"], found["after"]
    assert {name: count for name, count in after.items() if count > base[name]} == {}


async def test_hundreds_of_deaths_in_every_phase_leave_nothing(serve: Serve) -> None:
    assert_nothing_left(await churn(serve, 16 * len(PHASES)))


@pytest.mark.full
async def test_ten_thousand_deaths_leave_nothing_and_memory_flat(serve: Serve, figures: Callable[[str], None]) -> None:
    found = await churn(serve, 10_000)
    memory = found["memory"]
    figures(f"10,000 deaths, {found['per_s']:.0f} a second; MiB by thousands: {[round(m) for m in memory]}")
    assert_nothing_left(found)
    assert memory[-1] - memory[4] < 16  # of arenas, after the first half
