from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks, listen, of, settings_for_tests, speech, texts

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings, VoiceSettings

if TYPE_CHECKING:
    from serving import Running, Serve

BASE = "/api/v1/stream/"


@pytest.mark.parametrize(
    ("path", "status", "code", "param"),
    [
        ("voice/a?encoding=mp3", 400, "invalid_parameter", "encoding"),
        ("voice/a?sample_rate=4000", 400, "invalid_parameter", "sample_rate"),
        ("voice/a?channels=0", 400, "invalid_parameter", "channels"),
        ("voice/a?framing=seq8", 400, "invalid_parameter", "framing"),
        ("voice/a?interim=maybe", 400, "invalid_parameter", "interim"),
        ("voice/a?language=english!", 400, "invalid_parameter", "language"),
        ("voice/a?model=large-v3", 400, "unknown_model", "model"),
        ("voice/a?encoding=linear16&encoding=alaw", 400, "invalid_parameter", "encoding"),
        ("audio/a?update_hz=0.5", 400, "invalid_parameter", "update_hz"),
        ("audio/a?update_hz=101", 400, "invalid_parameter", "update_hz"),
        ("audio/a%20b", 400, "invalid_stream_id", "stream_id"),
        ("voice/" + "x" * 129, 400, "invalid_stream_id", "stream_id"),
        ("control/nobody", 404, "unknown_stream", "stream_id"),
        ("nowhere/a", 404, "not_found", None),
    ],
)
async def test_refusals_come_before_the_upgrade(
    server: Running, path: str, status: int, code: str, param: str | None
) -> None:
    got, error = await server.refusal(BASE + path)
    assert (got, error["code"], error["param"]) == (status, code, param)
    assert error["message"]
    assert len(server.services.registry) == 0


@pytest.mark.parametrize("model", ["script", "default", "base", "nova-3"])
async def test_the_loaded_model_goes_by_its_names(server: Running, model: str) -> None:
    async with server.connect(BASE + f"voice/a?model={model}&language=en-GB") as ws:
        assert (await ws.receive_json())["model"] == "script"


async def test_a_running_stream_fixes_rate_and_channels(server: Running) -> None:
    await server.post(BASE + "start/a", json={"sample_rate": 16_000, "channels": 2})
    status, error = await server.refusal(BASE + "audio/a?sample_rate=44100")
    assert (status, error["param"]) == (400, "sample_rate")
    status, error = await server.refusal(BASE + "audio/a?channels=1")
    assert (status, error["param"]) == (400, "channels")


async def test_a_voice_stream_has_one_connection(server: Running) -> None:
    async with server.connect(BASE + "voice/a") as ws:
        await ws.receive_json()
        alive = asyncio.ensure_future(ws.receive())  # which is what answers a ping
        async with server.connect(BASE + "voice/a") as other:  # it might be the same client, come to resume
            await other.receive_json()
            await other.send_bytes(bytes(320))
            error = await other.receive_json()
            assert (error["code"], error["fatal"]) == ("stream_exists", True)
            assert "resume it with its token" in error["message"]
            await other.receive()
            assert other.close_code == 1008
        alive.cancel()
        async with server.connect(BASE + "audio/a") as other:
            await other.receive_json()
    await server.empty()
    async with server.connect(BASE + "voice/a") as ws:
        await ws.receive_json()


async def test_a_full_server_says_when_to_come_back(serve: Serve) -> None:
    async with serve(max_streams=1) as server:
        async with server.connect(BASE + "voice/a") as ws:
            await ws.receive_json()
            for path in ("voice/b", "audio/b"):
                status, error = await server.refusal(BASE + path)
                assert (status, error["code"]) == (503, "too_many_streams")
            headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
            async with server.client.post(server.url + BASE + "start/b", headers=headers) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
        await server.empty()
        async with server.connect(BASE + "voice/b") as ws:
            await ws.receive_json()


async def test_a_name_is_its_keys_own(serve: Serve) -> None:
    keys = [{"Authorization": f"Bearer {key}"} for key in ("one", "two")]
    async with (
        serve(security=SecuritySettings(api_keys=("one", "two"))) as server,
        server.connect(BASE + "voice/a", headers=keys[0]) as ws,
    ):
        await ws.receive_json()
        status, error = await server.refusal(BASE + "voice/a", headers=keys[1])
        assert (status, error["code"]) == (409, "stream_exists")


async def test_a_client_far_ahead_of_the_engine_is_told_and_loses_nothing(serve: Serve) -> None:
    """B3 on the voice endpoint: five times what the ring holds, at once, and an engine that takes its time."""
    settings = replace(
        settings_for_tests(), voice=VoiceSettings(ring_seconds=8.0, max_segment_s=2.0, progressive=False)
    )
    engine = ScriptedTranscriber(SCRIPT, delay_s=0.15, concurrency=1)
    async with serve(settings, engine) as server, server.connect(BASE + "voice/a") as ws:
        for _ in range(5):
            await ws.send_bytes(TWO_UTTERANCES)
        await ws.send_str('{"type":"close"}')
        said = await listen(ws)
    statuses = of(said, "status")
    assert next(status["state"] for status in statuses) == "backpressure"
    assert statuses[-1]["state"] == "recovered"
    first = statuses[0]
    assert first["queue_depth"] > 0
    assert first["lag_ms"] > 0
    assert first["retry_after_ms"] >= 100
    assert first["dropped_frames"] == 0
    assert len([text for text in texts(said) if text]) >= 10
    assert said[-1]["stats"]["dropped_samples"] == 0


async def test_missing_messages_are_told_and_end_what_was_said(server: Running) -> None:
    """H9, B7 on the voice endpoint."""
    word = speech("seen_0")[: 4 * 16_000]
    async with server.connect(BASE + "voice/a?framing=seq32") as ws:
        parts = list(chunks(word))
        numbers = [*range(len(parts)), *range(len(parts) + 5, 2 * len(parts) + 5)]
        for number, chunk in zip(numbers, parts * 2, strict=True):
            await ws.send_bytes(number.to_bytes(4, "little") + chunk)
        await ws.send_str('{"type":"close"}')
        said = await listen(ws)
    (gap,) = of(said, "status")
    assert (gap["state"], gap["dropped_frames"]) == ("gap", 5)
    assert said[-1]["stats"]["seq_gaps"] == 5
    hole = len(word) / 2 / 16_000
    assert not [final for final in of(said, "final") if final["start"] < hole < final["end"] - 0.1]
