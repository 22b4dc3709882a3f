from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from serving import Running

AUDIO, CONTROL, VOICE = "/api/v1/stream/audio/", "/api/v1/stream/control/", "/api/v1/stream/voice/"
STATS = {
    *("stream_id", "sample_rate", "channels", "buffer", "messages", "bytes", "malformed", "seq_gaps"),
    *("analysis", "uptime_s"),
}


async def ask(ws: Any, command: str) -> dict[str, Any]:
    await ws.send_str(json.dumps({"command": command}))
    return json.loads(await ws.receive_str(timeout=5))  # type: ignore[no-any-return]


async def test_questions_and_orders(server: Running) -> None:
    await server.post("/api/v1/stream/start/a", json={"sample_rate": 16_000, "encoding": "linear16"})
    async with server.connect(CONTROL + "a") as ws:
        stats = await ask(ws, "get_stats")
        assert stats["type"] == "stats"
        assert set(stats) >= STATS
        assert set(stats["buffer"]) == {
            *("capacity_samples", "used_samples", "usage", "written", "read", "dropped", "overflows"),
        }
        assert set(stats["analysis"]) == {"count", "latency_us"}
        listed = await ask(ws, "list_streams")
        assert listed["type"] == "streams"
        assert [stream["stream_id"] for stream in listed["streams"]] == ["a"]
        assert (await ask(ws, "reset_analysis"))["type"] == "analysis_reset"
        assert (await ask(ws, "pause"))["type"] == "paused"
        assert (await ask(ws, "resume"))["type"] == "resumed"


async def test_pause_holds_the_measuring_of_another_connections_audio(server: Running) -> None:
    async with server.connect(AUDIO + "a?update_hz=100") as audio, server.connect(CONTROL + "a") as ws:
        await audio.receive_str()
        await ask(ws, "pause")
        await audio.send_bytes(np.ones(64, np.float32).tobytes())
        await audio.send_str('{"type":"ping"}')
        assert json.loads(await audio.receive_str(timeout=5))["type"] == "pong"
        await ask(ws, "resume")
        await audio.send_bytes(np.ones(64, np.float32).tobytes())
        assert json.loads(await audio.receive_str(timeout=5))["type"] == "analysis"


async def test_a_voice_stream_has_stats_and_takes_no_orders(server: Running) -> None:
    async with server.connect(VOICE + "a") as voice, server.connect(CONTROL + "a") as ws:
        await voice.receive_str()
        assert (await ask(ws, "get_stats"))["kind"] == "voice"
        assert (await ask(ws, "pause"))["code"] == "invalid_field"


async def test_a_stream_that_ended_is_unknown(server: Running) -> None:
    await server.post("/api/v1/stream/start/a")
    async with server.connect(CONTROL + "a") as ws:
        await server.post("/api/v1/stream/stop/a")
        error = await ask(ws, "get_stats")
        assert (error["code"], error["fatal"]) == ("unknown_stream", True)


@pytest.mark.parametrize(("message", "code"), [("{}", "invalid_field"), ('{"command":"fly"}', "unknown_type")])
async def test_what_is_wrong_is_answered(server: Running, message: str, code: str) -> None:
    await server.post("/api/v1/stream/start/a")
    async with server.connect(CONTROL + "a") as ws:
        await ws.send_str(message)
        assert json.loads(await ws.receive_str(timeout=5))["code"] == code
        await ws.send_bytes(b"\x00\x00\x00\x00")
        assert json.loads(await ws.receive_str(timeout=5))["code"] == "unknown_type"
        await ws.send_str('{"type":"ping"}')
        assert json.loads(await ws.receive_str(timeout=5))["type"] == "pong"
        await ws.send_str('{"type":"close"}')
        closed = json.loads(await ws.receive_str(timeout=5))
        assert (closed["type"], closed["reason"]) == ("closed", "requested")
