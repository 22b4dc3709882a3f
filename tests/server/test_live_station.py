"""Overload at three times what the engine can do: told, bounded, the important heard in time, and soon over."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from serving import silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import AsrSettings, EndpointSettings, ServerSettings, Settings, VoiceSettings

if TYPE_CHECKING:
    from serving import Running, Serve

UTTERANCE = speech("seen_0")[:25_600] + silence(0.8)  # 0.8 s of speech, 0.8 s of silence
CHUNK = 3200
FAST = 4  # times real time: what takes a minute takes a quarter of it


class Costly(ScriptedTranscriber):
    """One call at a time, and every final costs the same; partials are declined."""

    def __init__(self, cost_s: float) -> None:
        super().__init__(["one two three"], delay_s=cost_s, concurrency=1)


def settings(policy: str) -> Settings:
    return Settings(
        server=ServerSettings(port=0),
        endpoint=EndpointSettings(vad="energy"),
        voice=VoiceSettings(progressive=False, max_lag_s=0.3, source_queue=8, source_policy=policy),  # type: ignore[arg-type]
        asr=AsrSettings(max_queue=3, max_queue_total=64),
    )


class Client:
    """Seven sources that speak at once, and everything that is said of them."""

    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.said: list[tuple[float, dict[str, Any]]] = []
        self.most_waiting = 0

    async def read(self) -> None:
        async for message in self.ws:
            self.said.append((time.monotonic(), json.loads(message.data)))

    async def declare(self, names: list[str]) -> None:
        for priority, name in enumerate(names):
            await self.ws.send_str(json.dumps({"type": "source", "source": name, "priority": priority}))

    async def speak(self, names: list[str], seconds: float, server: Running) -> None:
        """Every source says its utterance over and over, `FAST` times as fast as real time."""
        started, at = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            data = UTTERANCE[at % len(UTTERANCE) :][:CHUNK]
            at += len(data)
            for name in names:
                message = {"type": "audio", "source": name, "data": base64.b64encode(data).decode()}
                await self.ws.send_str(json.dumps(message))
            stats = [stream.stats() for stream in server.services.registry]
            self.most_waiting = max([self.most_waiting, *(it["waiting_bytes"] for it in stats)])
            await asyncio.sleep(max(0.0, started + at / 32_000 / FAST - time.monotonic()))

    def statuses(self, *states: str) -> list[tuple[float, dict[str, Any]]]:
        return [(at, m) for at, m in self.said if m["type"] == "status" and m["state"] in states]

    def latencies_ms(self, source: str, since: float) -> list[float]:
        return [
            m["latency_ms"]["total_ms"]
            for at, m in self.said
            if m["type"] == "final" and m["source"] == source and at >= since and m["text"]
        ]


NAMES = [f"p{priority}" for priority in range(7)]


@pytest.mark.full
@pytest.mark.parametrize("policy", ["drop_oldest", "reject"])
async def test_three_times_what_the_engine_can_do(serve: Serve, policy: str) -> None:
    """An utterance of each source comes every 0.4 s and costs 0.17 s: two sources fill the engine, seven come."""
    async with serve(settings(policy), Costly(0.17)) as server, server.connect("/ws/live") as ws:
        client = Client(ws)
        reading = asyncio.ensure_future(client.read())
        await client.declare(NAMES)
        await client.speak(["p6"], 1.5, server)
        normal_ms = max(client.latencies_ms("p6", 0.0))
        await client.speak(NAMES, 11.0, server)
        eased_at = time.monotonic()
        await client.speak(["p6"], 5.0, server)
        await ws.close()
        await reading

    # Told, throttled, and with figures.
    told = client.statuses("backpressure")
    assert told
    for name in NAMES:
        times = [at for at, m in told if m["source"] == name]
        assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(times))
    assert all(m["queue_depth"] <= 8 and m["lag_ms"] >= 0 and m["retry_after_ms"] >= 100 for _, m in told)
    assert any(m["dropped_frames"] for _, m in told)

    # Memory: no more than its queue for each source, and the chunk that comes.
    assert client.most_waiting <= 9 * CHUNK

    # The least important go first, and no more of them than must.
    dropped = [(at, m["source"]) for at, m in client.statuses("source_dropped") if at < eased_at]
    assert [name for _, name in dropped][:4] == NAMES[:4]
    assert "p6" not in {name for _, name in dropped}

    # The admitted are heard in time once the others are gone; some come back on trial meanwhile.
    heard = client.latencies_ms("p6", max(at for at, _ in dropped) + 2.5)
    assert len(heard) >= 5
    assert sorted(heard)[int(0.9 * len(heard))] <= 2 * normal_ms + 100, (heard, normal_ms)

    # Over soon: everybody may come back, and is told.
    recovered = [at for at, m in client.statuses("recovered", "source_restored") if at > eased_at]
    assert recovered
    assert min(recovered) - eased_at < 5.0
    assert max(client.latencies_ms("p6", eased_at + 4.0)) <= 2 * normal_ms + 100
