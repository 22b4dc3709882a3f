"""Analysis streams on a real server: pace, several watchers, every encoding."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from serving import Running

PATH = "/api/v1/stream/audio/"
JITTER_S = 0.05  # a loaded machine's, not the protocol's


def tone(samples: int = 1024, hz: float = 440.0, rate: int = 44_100, level: float = 0.5) -> np.ndarray[Any, Any]:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / rate)).astype(np.float32)


async def hear(ws: Any, kind: str | None = None, timeout: float = 5) -> dict[str, Any]:
    while True:
        message = json.loads(await ws.receive_str(timeout=timeout))
        if kind is None or message["type"] == kind:
            return message  # type: ignore[no-any-return]


async def test_ready_says_what_the_server_took_it_for(server: Running) -> None:
    async with server.connect(PATH + "a?update_hz=20") as ws:
        assert await hear(ws) == {
            "type": "ready",
            "stream_id": "a",
            "sample_rate": 44_100,
            "encoding": "float32",
            "channels": 1,
            "chunk_size": 1024,
            "update_hz": 20.0,
        }


async def test_one_chunk_gets_one_answer_again_and_again(server: Running) -> None:
    async with server.connect(PATH + "a?update_hz=20") as ws:
        await hear(ws)
        slowest = 0.0
        for number in range(1, 21):
            sent = time.monotonic()
            await ws.send_bytes(tone().tobytes())
            answer = await hear(ws)
            slowest = max(slowest, time.monotonic() - sent)
            assert answer["type"] == "analysis"
            assert answer["timestamp"] == pytest.approx(number * 1024 / 44_100, abs=1e-6)
            assert answer["rms"] == pytest.approx(0.5 / 2**0.5, rel=0.05)
        assert slowest < 1 / 20 + JITTER_S


async def test_the_first_chunk_after_a_pause_is_answered_at_once(server: Running) -> None:
    async with server.connect(PATH + "a?update_hz=1") as ws:
        await hear(ws)
        for _ in range(2):
            sent = time.monotonic()
            await ws.send_bytes(tone().tobytes())
            await hear(ws, "analysis")
            assert time.monotonic() - sent < 0.5
            await asyncio.sleep(1.05)


@pytest.mark.parametrize("update_hz", [10, 50])
async def test_no_more_messages_than_asked_for(server: Running, update_hz: int) -> None:
    async with server.connect(PATH + f"a?update_hz={update_hz}") as ws:
        await hear(ws)
        started = time.monotonic()
        messages = 0
        while time.monotonic() - started < 1.0:
            await ws.send_bytes(tone(220).tobytes())
            await asyncio.sleep(0.002)
            while ws._reader._buffer:
                messages += (await hear(ws))["type"] == "analysis"
        assert 0.6 * update_hz <= messages <= update_hz + 1


async def test_nothing_is_sent_without_new_audio(server: Running) -> None:
    async with server.connect(PATH + "a?update_hz=100") as ws:
        await hear(ws)
        await ws.send_bytes(tone().tobytes())
        await hear(ws, "analysis")
        with pytest.raises(asyncio.TimeoutError):
            await hear(ws, timeout=0.1)


async def test_several_connections_feed_and_watch_one_stream(server: Running) -> None:
    async with server.connect(PATH + "a") as feeder, server.connect(PATH + "a?update_hz=100") as watcher:
        await hear(feeder)
        await hear(watcher)
        for _ in range(20):
            await feeder.send_bytes(tone(441).tobytes())
            await asyncio.sleep(0.02)
        await feeder.send_str('{"type":"close"}')
        closed = await hear(feeder, "closed")
        assert closed["stats"]["buffer"]["written"] == 20 * 441
        assert closed["stats"]["messages"] == 21
        assert closed["reason"] == "requested"
        assert closed["stats"]["connections"] == 2
        seen = 0
        while seen < 20 * 441:
            seen = round((await hear(watcher, "analysis"))["timestamp"] * 44_100)
        assert server.services.registry.find("a") is not None
    await server.empty()


async def test_the_last_connections_end_stops_what_it_started(server: Running) -> None:
    async with server.connect(PATH + "a") as one, server.connect(PATH + "a") as other:
        await hear(one)
        await hear(other)
        await one.close()
        assert server.services.registry.find("a") is not None
    await server.empty()


async def test_no_onset_is_lost_between_messages(server: Running) -> None:
    rate = 44_100
    clicks = np.zeros(3 * rate, np.float32)
    for second in (0.5, 1.0, 1.5, 2.0, 2.5):
        start = int(second * rate)
        clicks[start : start + 2000] = tone(2000, 1000, level=0.9) * np.exp(-np.arange(2000) / 400, dtype=np.float32)
    async with server.connect(PATH + "a?update_hz=2") as ws:
        await hear(ws)
        for start in range(0, len(clicks), 4410):
            await ws.send_bytes(clicks[start : start + 4410].tobytes())
        await ws.send_str('{"type":"close"}')
        onsets: list[float] = []
        while (message := await hear(ws))["type"] == "analysis":
            assert message["onset_detected"] is bool(message["onsets"])
            onsets += message["onsets"]
        assert len(onsets) == 5
        assert onsets == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5], abs=0.05)


def encoded(encoding: str, samples: np.ndarray[Any, Any]) -> bytes:
    if encoding == "float32":
        return samples.astype("<f4").tobytes()
    pcm = np.rint(samples * 32767).astype("<i2")
    if encoding == "linear16":
        return pcm.tobytes()
    from fastring.audio.pcm import alaw_to_pcm16, mulaw_to_pcm16

    table = (mulaw_to_pcm16 if encoding == "mulaw" else alaw_to_pcm16)(bytes(range(256))).astype(np.int32)
    return bytes(np.abs(table[None, :] - pcm[:, None].astype(np.int32)).argmin(axis=1).astype(np.uint8))


@pytest.mark.parametrize("encoding", ["float32", "linear16", "mulaw", "alaw"])
@pytest.mark.parametrize("channels", [1, 2])
async def test_every_encoding_is_measured_alike(server: Running, encoding: str, channels: int) -> None:
    samples = np.repeat(tone(1600, 400, 8_000), channels)
    query = f"?encoding={encoding}&sample_rate=8000&channels={channels}"
    async with server.connect(PATH + "a" + query) as ws:
        await hear(ws)
        await ws.send_bytes(encoded(encoding, samples))
        answer = await hear(ws, "analysis")
        assert answer["timestamp"] == pytest.approx(0.2)
        assert answer["rms"] == pytest.approx(0.5 / 2**0.5, rel=0.05)
        assert answer["peak"] == pytest.approx(0.5, rel=0.05)


async def test_two_connections_may_differ_in_encoding(server: Running) -> None:
    async with server.connect(PATH + "a") as one, server.connect(PATH + "a?encoding=linear16") as other:
        await hear(one)
        assert (await hear(other))["encoding"] == "linear16"
        await one.send_bytes(tone().tobytes())
        await other.send_bytes(encoded("linear16", tone()))
        stats = (await wait_for_messages(server, "a", 2))["buffer"]
        assert stats["written"] == 2048


async def wait_for_messages(server: Running, stream_id: str, count: int) -> dict[str, Any]:
    for _ in range(200):
        stats: dict[str, Any] = (await server.get(f"/api/v1/stream/stats/{stream_id}"))[1]
        if stats["messages"] >= count:
            return stats
        await asyncio.sleep(0.01)
    raise AssertionError(stats)


async def test_seq32_gaps_are_counted(server: Running) -> None:
    async with server.connect(PATH + "a?framing=seq32") as ws:
        await hear(ws)
        for number in (0, 1, 5, 4):
            await ws.send_bytes(struct.pack("<I", number) + tone().tobytes())
        stats = await wait_for_messages(server, "a", 4)
        assert (stats["seq_gaps"], stats["late"]) == (3, 1)


async def test_what_the_ring_lost_is_in_the_metrics(server: Running) -> None:
    async with server.connect(PATH + "a?sample_rate=8000") as ws:
        await hear(ws)
        ring = server.services.registry.get("a").session.ring  # type: ignore[attr-defined]
        ring.write(np.zeros(ring.capacity + 100, np.float32))  # faster than it can be measured
        await ws.send_bytes(tone().tobytes())
        lost = (await hear(ws, "analysis"))["dropped"]
        assert lost > 0
        _, metrics = await server.get("/metrics")
    assert f'fastring_dropped_samples_total{{kind="audio"}} {lost:.1f}' in metrics


async def test_orders_may_come_on_the_same_connection(server: Running) -> None:
    async with server.connect(PATH + "a?update_hz=100") as ws:
        await hear(ws)
        await ws.send_str('{"command":"pause"}')
        assert (await hear(ws))["type"] == "paused"
        await ws.send_bytes(tone().tobytes())
        await ws.send_str('{"command":"get_stats"}')
        assert (await hear(ws))["type"] == "stats"
        await ws.send_str('{"command":"resume"}')
        assert (await hear(ws))["type"] == "resumed"
        await ws.send_bytes(tone().tobytes())
        assert (await hear(ws))["type"] == "analysis"
        await ws.send_str('{"command":"list_streams"}')
        assert (await hear(ws, "error"))["code"] == "unknown_type"


async def test_a_ping_is_answered(server: Running) -> None:
    async with server.connect(PATH + "a") as ws:
        await hear(ws)
        await ws.send_str('{"type":"ping"}')
        assert (await hear(ws))["type"] == "pong"
