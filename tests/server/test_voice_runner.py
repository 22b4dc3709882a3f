"""A session at work without a connection: what it says goes to whoever listens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
from serving import SCRIPT, TWO_UTTERANCES, chunks

from fastring.asr.pool import TranscriberPool
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import EndpointSettings, VoiceSettings
from fastring.events import Closed, Event, Final
from fastring.server.metrics import Metrics
from fastring.server.voice_runner import VoiceRunner
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Iterator

import pytest


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.done = asyncio.Event()

    def hear(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Closed):
            self.done.set()

    def relieve(self) -> None:
        """Nothing waits for it."""


@pytest.fixture
def engine() -> Iterator[ScriptedTranscriber]:
    transcriber = ScriptedTranscriber(SCRIPT)
    yield transcriber
    transcriber.close()


def _runner(engine: ScriptedTranscriber, pool: TranscriberPool) -> VoiceRunner:
    session = VoiceSession(
        "a", voice=VoiceSettings(), endpoint=EndpointSettings(vad="energy"), capabilities=engine.capabilities
    )
    return VoiceRunner(session, name="a", pool=pool, metrics=Metrics())


async def test_a_listener_may_change_in_the_middle(engine: ScriptedTranscriber) -> None:
    pool = TranscriberPool(engine, max_queue_per_stream=3, max_queue_total=8, timeout_s=5.0)
    try:
        runner, first, second = _runner(engine, pool), Ear(), Ear()
        runner.listener = first
        pieces = list(chunks(TWO_UTTERANCES, 3200))
        for index, piece in enumerate(pieces):
            if index == len(pieces) // 2:
                runner.listener = second
            runner.receive_audio(np.frombuffer(piece, "<i2"), time.monotonic())
            await asyncio.sleep(0)
        runner.close(time.monotonic(), "requested")
        await asyncio.wait_for(second.done.wait(), 10)
        finals = [event.text for event in (*first.events, *second.events) if isinstance(event, Final)]
        assert finals == list(SCRIPT)
        assert runner.closed
    finally:
        pool.close(1.0)


async def test_nothing_is_heard_after_stop(engine: ScriptedTranscriber) -> None:
    pool = TranscriberPool(engine, max_queue_per_stream=3, max_queue_total=8, timeout_s=5.0)
    try:
        runner, ear = _runner(engine, pool), Ear()
        runner.listener = ear
        runner.receive_audio(np.frombuffer(TWO_UTTERANCES, "<i2"), time.monotonic())
        runner.stop()
        heard = len(ear.events)
        await asyncio.sleep(0.3)
        assert len(ear.events) == heard
        assert runner.listener is None
    finally:
        pool.close(1.0)
