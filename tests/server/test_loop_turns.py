"""No turn of the event loop takes long, whatever comes, with real speech recognition at full load beside it.

A turn is one callback of the loop. What counts is the CPU time of the loop's thread in it, so that other processes of
a busy machine do not. A wait for another thread (FFmpeg's, for a container) is no CPU time of the loop's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import threading
import time
from asyncio import events
from concurrent.futures import Future
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
from serving import BASE, TWO_UTTERANCES, serving, settings_for_tests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastring.asr.transcriber import Transcriber

LONGEST_S = 0.005
MIB = 1 << 20


class Turns:
    """The turns of one thread's loop: CPU seconds and what ran, the longest first."""

    def __init__(self) -> None:
        self.thread = 0
        self.longest: list[tuple[float, str]] = []

    def note(self, seconds: float, what: str) -> None:
        self.longest = sorted([*self.longest, (seconds, what)], reverse=True)[:5]


@contextlib.contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    turns = Turns()
    run = events.Handle._run

    def timed(self: events.Handle) -> None:
        if threading.get_ident() != turns.thread:
            run(self)
            return
        what, before = self._callback, time.thread_time()
        run(self)
        if (took := time.thread_time() - before) > LONGEST_S / 5:
            turns.note(took, repr(getattr(what, "__self__", what)))

    monkeypatch.setattr(events.Handle, "_run", timed)
    yield turns


@contextlib.contextmanager
def in_a_thread(engine: Transcriber, turns: Turns) -> Iterator[str]:
    """A server on a loop of its own; its address."""
    address: Future[str] = Future()
    over: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with serving(settings_for_tests(), engine) as server:
            over.append((asyncio.get_running_loop(), asyncio.Event()))
            turns.thread = threading.get_ident()
            address.set_result(server.url)
            await over[0][1].wait()
            turns.thread = 0

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield address.result(20)
    finally:
        over[0][0].call_soon_threadsafe(over[0][1].set)
        thread.join(20)


async def speak(client: aiohttp.ClientSession, url: str, number: int) -> None:
    """Keeps the engine busy: as fast as it takes it."""
    async with client.ws_connect(f"{url}{BASE}voice/busy{number}") as ws:
        hearing = asyncio.ensure_future(ws.receive())
        for _ in range(3):
            for at in range(0, len(TWO_UTTERANCES), 3200):
                await ws.send_bytes(TWO_UTTERANCES[at : at + 3200])
                await asyncio.sleep(0.004)
        hearing.cancel()


def flac_bomb(seconds: int) -> bytes:
    """Silence, as small as it gets: an hour is some 200 KiB."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000 * 10), np.int16), format="s16", layout="mono")
        for _ in range(seconds // 10):
            frame.sample_rate = 16_000
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


BIG = {
    "voice, binary": (BASE + "voice/big{0}", bytes(MIB)),
    "voice, float32": (BASE + "voice/big{0}?encoding=float32&sample_rate=48000&channels=2", bytes(MIB)),
    "analysis": (BASE + "audio/big{0}", bytes(MIB)),
    "live, base64": (
        "/ws/live",
        json.dumps({"type": "audio", "source": "a", "data": base64.b64encode(bytes(MIB // 2)).decode()}),
    ),
    "container": (BASE + "voice/bomb{0}?encoding=container", flac_bomb(590)),
    "realtime, 15 MiB": (
        "/v1/realtime?intent=transcription",
        json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(15 * MIB)).decode()}),
    ),
    "realtime, 20 MiB that are no append": ("/v1/realtime?intent=transcription", '{"type":"' + "x" * 20 * MIB + '"}'),
    "deepgram": ("/v1/listen?encoding=linear16&sample_rate=16000", bytes(MIB)),
}


async def test_big_messages_beside_a_busy_engine_hold_no_turn_for_long(
    digits: Transcriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch) as turns, in_a_thread(digits, turns) as url:
        async with aiohttp.ClientSession() as client:
            busy = [asyncio.ensure_future(speak(client, url, number)) for number in range(2)]
            await asyncio.sleep(0.3)
            turns.longest.clear()
            found: dict[str, list[tuple[float, str]]] = {}
            for number, (name, (path, message)) in enumerate([*BIG.items()] * 2):  # the better of two rounds counts
                async with client.ws_connect(url + path.format(number), max_msg_size=0) as ws:
                    await asyncio.sleep(0.1)
                    turns.longest.clear()
                    await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                    await asyncio.sleep(0.5)
                    found[name] = min(found.get(name, turns.longest), turns.longest)
                    turns.longest = []
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
    longest = {
        name: f"{1000 * took[0][0]:.1f} ms in {took[0][1][:200]}" if took else "" for name, took in found.items()
    }
    for line in longest.items():
        print(*line)  # noqa: T201
    assert {name: longest[name] for name, took in found.items() if took and took[0][0] > LONGEST_S} == {}
