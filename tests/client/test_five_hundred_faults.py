"""A minute of conversation through a proxy that fails at 500 random bytes: as if nothing had been."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from hurried import FAST, UNPACED, behind_proxy, hear, numbered, of, unlimited
from serving import RATE, TWO_UTTERANCES, chunks, serving

from fastring.asr.scripted import ScriptedTranscriber
from fastring.client import AudioLost, Restarted, Resumed, VoiceStream, transcribe

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_proxy import FaultProxy

    from fastring.asr.transcriber import Transcriber

MINUTE = (TWO_UTTERANCES * 12)[: 60 * RATE * 2]
LINES = [f"line {n}" for n in range(40)]


async def fail(proxy: FaultProxy, draw: random.Random, faults: int, done: asyncio.Event) -> int:
    """Let the connection fail at random bytes, one fault after the other."""
    made = 0
    while made < faults and not done.is_set():
        at = proxy.passed("up") + draw.randrange(1, 6 * len(MINUTE) // (5 * faults))
        while proxy.passed("up") < at and not done.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        kind = draw.randrange(20)
        if kind == 0:
            proxy.stall(0.6)
        else:
            (proxy.cut if kind % 2 else proxy.reset)()
        made += 1
    return made


async def converse(faults: int, seed: int, engine: Transcriber | None = None) -> tuple[list[Any], int, int]:
    """The numbered events of a minute with faults; how many were made, and how often it was resumed."""
    draw, done = random.Random(seed), asyncio.Event()
    async with (
        behind_proxy(unlimited(stall_ms=0), engine or ScriptedTranscriber(LINES)) as (_, proxy),
        VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream,
    ):

        async def speak() -> None:
            for chunk in chunks(MINUTE):
                await stream.send(chunk)
                await asyncio.sleep(0.2 if faults > 100 else 0.002)
            await stream.close()

        speaking = asyncio.ensure_future(speak())
        failing = asyncio.ensure_future(fail(proxy, draw, faults, done))
        events = await hear(stream)
        done.set()
        await speaking
        made = await failing
    assert of(events, Restarted) == of(events, AudioLost) == []
    return numbered(events), made, len(of(events, Resumed))


async def uncut(engine: Transcriber | None = None) -> list[Any]:
    async with serving(unlimited(stall_ms=0), engine or ScriptedTranscriber(LINES)) as server:
        return numbered([event async for event in transcribe(server.url, MINUTE)])


@pytest.mark.full
async def test_five_hundred_faults_change_nothing(figures: Callable[[str], None]) -> None:
    began = time.monotonic()
    told, made, resumed = await converse(500, seed=1)
    figures(f"{made} faults, resumed {resumed} times, {time.monotonic() - began:.0f} s")
    assert told == await uncut()
    assert made == 500
    assert resumed >= 300


@pytest.mark.full
async def test_twenty_faults_change_nothing_for_the_real_engine() -> None:
    pytest.importorskip("faster_whisper")
    from fastring.asr.engines import create_transcriber
    from fastring.config import AsrSettings

    settings = AsrSettings(model="digits", workers=1, threads=1)
    told, made, resumed = await converse(20, seed=2, engine=create_transcriber(settings))
    assert told == await uncut(create_transcriber(settings))
    assert (made, resumed > 5) == (20, True)


async def test_five_faults_change_nothing() -> None:
    told, made, _ = await converse(5, seed=3)
    assert told == await uncut()
    assert made == 5
