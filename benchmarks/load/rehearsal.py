"""A real server with an engine of known service times, and clients whose utterances come at random: what they wait.

The engine sleeps; everything else is real: sockets, sessions, endpoints, the pool of workers. Each utterance goes over
a connection that has none under way, is ended by `finalize`, and is timed until its final is read. What the engine
itself took stands in the final.

    python benchmarks/load/rehearsal.py WORKERS MEAN_S    the server alone: says `ready URL`, serves until told to stop
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from fastring.asr.scripted import ScriptedTranscriber
from fastring.asr.transcriber import Hypothesis, Job
from fastring.config import AsrSettings, EndpointSettings, ServerSettings, Settings, VoiceSettings
from fastring.recordings import recording
from fastring.server.run import run_server

__all__ = ["Answered", "TimedEngine", "rehearse", "settings_for"]

PATH = "/api/v1/stream/voice/{}?interim=false"
SPEECH_S = 0.4
SPREAD = 4.0  # shape of the gamma distribution that service times are drawn from


@dataclass(frozen=True)
class Answered:
    """One utterance: when it was ended, how long its final took to come, and how long the engine took for it."""

    asked_s: float
    took_s: float
    engine_s: float

    @property
    def wait_s(self) -> float:
        """What it waited besides."""
        return max(0.0, self.took_s - self.engine_s)


class TimedEngine(ScriptedTranscriber):
    """Takes a time drawn from a gamma distribution for each job.

    Args:
        mean_s: of the service time.
        workers: jobs at the same time.
        seed: of the draws.
    """

    def __init__(self, mean_s: float, workers: int, seed: int = 1) -> None:
        super().__init__(["one two three"], concurrency=workers)
        self._mean_s = mean_s
        self._draw = random.Random(seed)
        self._lock = threading.Lock()

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs when their time is over."""
        with self._lock:
            takes_s = sum(self._draw.gammavariate(SPREAD, self._mean_s / SPREAD) for _ in jobs)
        time.sleep(takes_s)
        return super().transcribe(jobs)


def settings_for(workers: int) -> Settings:
    """A server whose waiting room is its pool, and nothing else."""
    return Settings(
        server=ServerSettings(port=0, max_streams=4096, heartbeat_s=600.0, idle_timeout_s=600.0),
        endpoint=EndpointSettings(vad="energy"),
        voice=replace(VoiceSettings(early_triggers=False), max_lag_s=60.0),
        asr=AsrSettings(engine="scripted", workers=workers, max_queue_total=4096),
    )


class Connections:
    """Voice connections, as many as there are utterances under way."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url
        self._free: list[Any] = []
        self._made = 0
        with wave.open(str(recording("seen_0").path)) as file:
            file.setpos(int(0.3 * file.getframerate()))
            self._speech = file.readframes(int(SPEECH_S * file.getframerate()))

    async def open(self, count: int) -> None:
        """Have so many more."""
        for _ in range(count):
            self._made += 1
            socket = await self._client.ws_connect(self._url + PATH.format(f"r{self._made}"), heartbeat=None)
            await socket.receive()
            self._free.append(socket)

    async def close(self) -> None:
        """End them all."""
        for socket in self._free:
            await socket.close()

    async def say(self, began_s: float) -> Answered:
        """One utterance, from its end to its final."""
        if not self._free:
            await self.open(1)
        socket = self._free.pop()
        await socket.send_bytes(self._speech)
        asked_s = time.monotonic()
        await socket.send_str('{"type":"finalize"}')
        final: dict[str, Any] = {}
        while final.get("type") != "final":
            final = json.loads(await socket.receive_str(timeout=60))
        took_s = time.monotonic() - asked_s
        while json.loads(await socket.receive_str(timeout=60))["type"] != "speech_ended":
            pass
        self._free.append(socket)
        return Answered(asked_s - began_s, took_s, final["latency_ms"]["inference_ms"] / 1000)


async def rehearse(url: str, *, rate: float, seconds: float, seed: int = 1, ready: int = 128) -> list[Answered]:
    """So many utterances a second, at random times (Poisson), for so long; what became of each.

    Args:
        url: of a server with a `TimedEngine`.
        rate: utterances a second, of all clients together.
        seconds: how long they come; the answers of the last are waited for.
        seed: of their times.
        ready: connections to begin with.
    """
    draw = random.Random(seed)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        connections = Connections(client, url)
        await connections.open(ready)
        began_s, due_s, under_way = time.monotonic(), 0.0, []
        while (due_s := due_s + draw.expovariate(rate)) < seconds:
            await asyncio.sleep(max(0.0, began_s + due_s - time.monotonic()))
            under_way.append(asyncio.ensure_future(connections.say(began_s)))
        answered = await asyncio.gather(*under_way)
        await connections.close()
    return answered


def main(workers: int, mean_s: float) -> None:
    """Serve."""
    settings = settings_for(workers)
    run_server(settings, TimedEngine(mean_s, workers), on_ready=lambda url: print("ready", url, flush=True))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
