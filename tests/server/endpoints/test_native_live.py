"""Several sources on one connection, on a real socket with the digits model."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks, listen, of, settings_for_tests, speech, texts

from fastring.asr.engines import create_transcriber
from fastring.asr.scripted import ScriptedTranscriber
from fastring.audio.resample import Resampler
from fastring.config import AsrSettings, Settings
from fastring.recordings import recording
from fastring.server.endpoints.native_live import source_id

if TYPE_CHECKING:
    from serving import Running, Serve

LIVE = "/ws/live"


def audio(source: str, data: bytes, **more: Any) -> str:
    return json.dumps({"type": "audio", "source": source, "data": base64.b64encode(data).decode(), **more})


async def tell(ws: Any, **fields: Any) -> None:
    await ws.send_str(json.dumps(fields))


async def test_sources_appear_with_their_audio_and_are_heard_apart(server: Running) -> None:
    async with server.connect(LIVE + "?stream_id=desk") as ws:
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await ws.send_str(audio("mic", chunk))
        await tell(ws, type="close")
        said = await listen(ws)
    assert said[0]["type"] == "ready"
    assert {message["stream_id"] for message in said} == {"desk"}
    for source in ("system", "mic"):
        mine = [message for message in said if message.get("source") == source]
        assert texts(mine) == list(SCRIPT)
        assert [m["seq"] for m in of(mine, "speech_started", "final", "speech_ended")] == list(range(6))
        assert of(mine, "ack")[-1]["committed"] == len(TWO_UTTERANCES) // 2
    stats = said[-1]["stats"]["sources"]
    assert set(stats) == {"system", "mic"}
    assert stats["mic"]["dropped_frames"] == stats["mic"]["waiting_chunks"] == 0
    await server.empty()


async def test_what_a_queue_gave_up_is_in_the_metrics(serve: Serve) -> None:
    """As many samples as its stats say."""
    settings = settings_for_tests()
    settings = replace(settings, voice=replace(settings.voice, source_queue=2, max_lag_s=0.1))
    async with serve(settings, ScriptedTranscriber(SCRIPT, delay_s=1.0)) as server, server.connect(LIVE) as ws:
        await ws.send_str(audio("mic", TWO_UTTERANCES))
        await asyncio.sleep(0.3)
        for _ in range(20):
            await ws.send_str(audio("mic", bytes(3200)))
        await tell(ws, type="close")
        stats = (await listen(ws))[-1]["stats"]["sources"]["mic"]
        assert stats["dropped_frames"] > 0
        _, metrics = await server.get("/metrics")
    assert f'fastring_dropped_samples_total{{kind="source"}} {stats["dropped_frames"]:.1f}' in metrics


async def test_what_is_rejected_is_told_with_its_source(serve: Serve) -> None:
    settings = settings_for_tests()
    voice = replace(settings.voice, source_queue=2, max_lag_s=0.1, source_policy="reject")
    scripted = ScriptedTranscriber(SCRIPT, delay_s=1.0)
    async with serve(replace(settings, voice=voice), scripted) as server, server.connect(LIVE) as ws:
        await ws.send_str(audio("mic", TWO_UTTERANCES))
        await asyncio.sleep(0.3)  # its finals are owed for longer than they may be
        for _ in range(6):
            await ws.send_str(audio("mic", TWO_UTTERANCES[:3200]))
        await tell(ws, type="close")
        said = await listen(ws)
    errors = of(said, "error")
    assert {(error["code"], error["source"], error["fatal"]) for error in errors} == {("overloaded", "mic", False)}
    assert len(errors) == said[-1]["stats"]["sources"]["mic"]["refused_chunks"] > 0


@pytest.mark.slow
async def test_each_source_sends_as_it_declared(serve: Serve) -> None:
    """Real speech: 16 kHz mono beside 48 kHz stereo, and both are understood."""
    pytest.importorskip("faster_whisper")
    asr = AsrSettings(model="digits", workers=1, threads=1)
    mono = np.frombuffer(speech("seen_2"), "<i2")
    up = Resampler(16_000, 48_000)
    wide = np.concatenate([up.push(mono.astype(np.float32) / 32768), up.flush()])
    stereo = np.repeat((wide * 32767).clip(-32768, 32767).astype("<i2"), 2).tobytes()
    async with serve(Settings(asr=asr), create_transcriber(asr)) as server, server.connect(LIVE) as ws:
        await tell(ws, type="source", source="line", priority=2, sample_rate=48_000, channels=2)
        for chunk in chunks(stereo, 19_200):
            await ws.send_str(audio("line", chunk))
        for chunk in chunks(mono.tobytes()):
            await ws.send_bytes(chunk)
        await tell(ws, type="close")
        said = await listen(ws)
    for source in ("line", "system"):
        heard = [text for text in texts([m for m in said if m.get("source") == source]) if text]
        assert " ".join(heard) == recording("seen_2").text


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "source", "source": "mic", "sample_rate": 8_000}, "invalid_field"),
        ({"type": "finalize", "source": "nobody"}, "invalid_field"),
        ({"type": "resume", "token": "x"}, "unknown_type"),
        ({"type": "source", "source": "fourth"}, "too_many_streams"),
    ],
)
async def test_what_is_refused_is_told_and_the_rest_goes_on(serve: Serve, message: dict[str, Any], code: str) -> None:
    async with serve(max_streams=3) as server, server.connect(LIVE) as ws:
        for source in ("mic", "second", "third"):
            await ws.send_str(audio(source, bytes(3200)))
        await ws.send_str(json.dumps(message))
        error = (await listen(ws, "error"))[-1]
        assert (error["code"], error["fatal"]) == (code, False)
        await tell(ws, type="ping")
        await listen(ws, "pong")


async def test_a_full_server_refuses_before_the_upgrade(serve: Serve) -> None:
    async with serve(max_streams=1) as server, server.connect("/api/v1/stream/voice/a"):
        status, error = await server.refusal(LIVE)
        assert (status, error["code"]) == (503, "too_many_streams")


async def test_one_source_is_finalized_and_the_other_goes_on(server: Running) -> None:
    async with server.connect(LIVE) as ws:
        for source in ("a", "b"):
            await ws.send_str(audio(source, TWO_UTTERANCES[: 2 * 16_000]))
        await tell(ws, type="finalize", source="a")
        assert (await listen(ws, "final"))[-1]["source"] == "a"


async def test_missing_messages_are_told_and_never_heard_across(server: Running) -> None:
    """B7, H9: half an utterance is lost on the way; what is left of it is two."""
    word = speech("seen_0")[: 16_000 * 4]
    async with server.connect(LIVE) as ws:
        number = 0
        for half in (word, word):
            for chunk in chunks(half):
                await ws.send_str(audio("mic", chunk, seq=number))
                number += 1
            number += 10
        await tell(ws, type="close")
        said = await listen(ws)
    (gap,) = of(said, "status")
    assert (gap["state"], gap["source"], gap["dropped_frames"]) == ("gap", "mic", 10)
    assert said[-1]["stats"]["sources"]["mic"]["seq_gaps"] == 10
    finals = of(said, "final")
    assert len(finals) >= 2
    hole = len(word) / 2 / 16_000
    assert not [f for f in finals if f["start"] < hole < f["end"] - 0.1]
    assert finals[-1]["start"] >= hole


async def test_streams_of_sources_can_be_seen_and_stopped(server: Running) -> None:
    async with server.connect(LIVE + "?stream_id=desk") as ws:
        await ws.send_str(audio("mic", bytes(3200)))
        await tell(ws, type="ping")
        await listen(ws, "pong")
        status, stats = await server.get("/api/v1/stream/stats/desk.mic")
        assert (status, stats["kind"], stats["samples"]) == (200, "source", 1600)
        assert (stats["messages"], stats["bytes"], stats["malformed"], stats["seq_gaps"]) == (1, 3200, 0, 0)
        assert (stats["buffer"]["written"], stats["buffer"]["dropped"]) == (1600, 0)
        assert (await server.post("/api/v1/stream/stop/desk.mic"))[0] == 200
        await ws.send_str(audio("mic", bytes(3200)))
        await tell(ws, type="close")
        assert (await listen(ws))[-1]["stats"]["sources"]["mic"]["samples"] == 1600


async def test_a_long_message_does_not_lose_anything(server: Running) -> None:
    settings_for_tests()
    async with server.connect(LIVE) as ws:
        await ws.send_bytes(TWO_UTTERANCES)
        await tell(ws, type="close")
        said = await listen(ws)
        assert texts(said) == list(SCRIPT)
        assert said[-1]["stats"]["sources"]["system"]["samples"] == len(TWO_UTTERANCES) // 2


def test_names_in_the_management_are_ids_and_differ() -> None:
    assert source_id("desk", "mic") == "desk.mic"
    longest = ["a" * 127 + "b", "a" * 127 + "c"]
    names = {source_id(connection, source) for connection in longest for source in ("mic", "m" * 64, "n" * 64)}
    assert len(names) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", name) for name in names)


async def test_the_longest_name_has_room_for_several_sources(server: Running) -> None:
    name = "a" * 128
    async with server.connect(f"{LIVE}?stream_id={name}") as ws:
        for source in ("mic", "line"):
            await ws.send_str(audio(source, bytes(320)))
        await tell(ws, type="close")
        said = await listen(ws)
    assert not of(said, "error")
    assert set(said[-1]["stats"]["sources"]) == {"mic", "line"}


async def test_a_name_that_another_connection_has_is_refused_as_taken(server: Running) -> None:
    async with server.connect(f"{LIVE}?stream_id=desk") as first, server.connect(f"{LIVE}?stream_id=desk") as second:
        await first.send_bytes(bytes(320))
        await tell(first, type="ping")
        while (await first.receive_json())["type"] != "pong":
            pass
        await second.send_bytes(bytes(320))
        await second.send_str(audio("mic", bytes(320)))
        await tell(second, type="close")
        said = await listen(second)
    (error,) = of(said, "error")
    assert (error["code"], error["fatal"]) == ("stream_exists", False)
    assert set(said[-1]["stats"]["sources"]) == {"mic"}
