"""Voice streams on a real server: the protocol with a scripted engine, and real digits with the real one."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import struct
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serving import (
    RATE,
    SCRIPT,
    TWO_UTTERANCES,
    VOICE,
    chunks,
    converse,
    listen,
    of,
    settings_for_tests,
    silence,
    speech,
    texts,
)

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import AsrSettings, EndpointSettings, ServerSettings, Settings, VoiceSettings
from fastring.recordings import recording

if TYPE_CHECKING:
    from serving import Running, Serve

    from fastring.asr.transcriber import Transcriber


async def test_ready_has_every_field(server: Running) -> None:
    async with server.connect(VOICE + "a?encoding=mulaw&sample_rate=8000&channels=2&interim=false") as ws:
        ready = json.loads(await ws.receive_str())
    assert ready.pop("resume_token")
    assert ready == {
        "type": "ready",
        "stream_id": "a",
        "pcm_sample_rate": 16_000,
        "encoding": "mulaw",
        "channels": 2,
        "ring_buffer_seconds": 40.0,
        "max_message_bytes": 1 << 20,
        "window_seconds": 2.5,
        "engine": "scripted",
        "model": "script",
        "progressive": False,
    }


async def test_a_conversation_is_told_in_order(server: Running) -> None:
    messages = await converse(server, TWO_UTTERANCES)
    assert texts(messages) == list(SCRIPT)
    numbered = [message["seq"] for message in messages if "seq" in message]
    assert numbered == list(range(len(numbered)))
    for utterance in (0, 1):
        kinds = [m["type"] for m in messages if m.get("utterance") == utterance]
        assert kinds[0] == "speech_started"
        assert kinds[-2:] == ["final", "speech_ended"]
        assert set(kinds[1:-2]) <= {"partial"}
    starts = [message["start"] for message in of(messages, "speech_started")]
    assert starts == pytest.approx([0.5, 2.95], abs=0.4)
    assert messages[-1]["reason"] == "requested"
    assert messages[-1]["stats"]["utterances"] == 2


async def test_stable_text_is_a_prefix_of_what_follows(server: Running) -> None:
    stable = ""
    spoken = silence(0.3) + speech("seen_8") + silence(1)
    told = of(await converse(server, spoken, pause_s=0.01), "partial", "final")
    assert len(of(told, "partial")) > 3
    assert any(message["stable_text"] for message in of(told, "partial"))
    for message in told:
        assert message["text"].startswith(stable)
        stable = message.get("stable_text", "")
        assert message["text"].startswith(stable)


@pytest.mark.parametrize("size", [2, 640, 20_000, 1 << 20], ids=lambda size: f"{size} bytes")
async def test_any_chunking_gives_the_same_finals(server: Running, size: int) -> None:
    audio = TWO_UTTERANCES[:40_000] if size == 2 else TWO_UTTERANCES

    def finals(messages: list[dict[str, Any]]) -> list[Any]:
        return [(m["text"], m["start"], m["end"]) for m in of(messages, "final")]

    expected = finals(await converse(server, audio))
    assert expected
    assert finals(await converse(server, audio, size=size)) == expected


async def test_base64_in_json_says_the_same(server: Running) -> None:
    async with server.connect(VOICE + "a") as ws:
        for number, chunk in enumerate(chunks(TWO_UTTERANCES)):
            data = base64.b64encode(chunk).decode()
            await ws.send_str(json.dumps({"type": "audio", "source": "mic", "data": data, "seq": number}))
        await ws.send_str('{"type":"audio","source":"other","data":"AAA="}')
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
    assert texts(messages) == list(SCRIPT)
    assert [m["code"] for m in of(messages, "error")] == ["invalid_field"]


async def test_without_interim_there_are_no_partials(server: Running) -> None:
    partials = {}
    for interim in ("true", "false"):
        messages = await converse(server, TWO_UTTERANCES, VOICE + f"a?interim={interim}", pause_s=0.01)
        assert texts(messages) == list(SCRIPT)
        partials[interim] = of(messages, "partial")
    assert len(partials["true"]) > 2
    assert partials["false"] == []


async def test_finalize_ends_the_utterance_now(server: Running) -> None:
    async with server.connect(VOICE + "a") as ws:
        for chunk in chunks(silence(0.5) + speech("seen_8")[: RATE * 2]):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"finalize"}')
        assert texts(await listen(ws, "speech_ended"))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")


@pytest.mark.parametrize(("encoding", "rate", "channels"), [("linear16", 48_000, 2), ("float32", 16_000, 1)])
async def test_other_formats_are_heard_alike(server: Running, encoding: str, rate: int, channels: int) -> None:
    pcm = np.frombuffer(TWO_UTTERANCES, "<i2")
    scaled = np.repeat(pcm, rate // RATE * channels)
    data = scaled.tobytes() if encoding == "linear16" else (scaled / np.float32(32768)).astype("<f4").tobytes()
    messages = await converse(
        server, data, VOICE + f"a?encoding={encoding}&sample_rate={rate}&channels={channels}", 48_000
    )
    assert texts(messages) == list(SCRIPT)
    acks = of(messages, "ack")
    assert acks[-1]["received"] == acks[-1]["committed"] == len(pcm) * rate // RATE


async def test_a_container_is_heard_as_it_comes(server: Running) -> None:
    data = recording("seen_8").path.read_bytes()
    contained = await converse(server, data, VOICE + "a?encoding=container", 1000)
    raw = await converse(server, speech("seen_8"), VOICE + "a")
    assert [(m["text"], m["start"], m["end"]) for m in of(contained, "final")] == [
        (m["text"], m["start"], m["end"]) for m in of(raw, "final")
    ]
    assert texts(contained)


async def test_what_is_no_container_is_said_and_survived(server: Running) -> None:
    async with server.connect(VOICE + "a?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all " * 4000)
        await ws.send_str('{"type":"ping"}')
        messages = await listen(ws, "pong")
        await ws.send_str('{"type":"close"}')
        messages += await listen(ws)
    assert {m["code"] for m in of(messages, "error")} == {"invalid_field"}
    assert messages[-1]["type"] == "closed"


async def test_stats_tell_what_came_in_and_what_did_not(server: Running) -> None:
    async with server.connect(VOICE + "a?framing=seq32") as ws:
        for number in (0, 1, 5):
            await ws.send_bytes(struct.pack("<I", number) + silence(0.1))
        await ws.send_bytes(b"odd")
        await ws.send_str('{"type":"close"}')
        stats = (await listen(ws))[-1]["stats"]
    assert (stats["messages"], stats["malformed"], stats["seq_gaps"]) == (5, 1, 3)
    assert stats["bytes"] == 3 * 3204 + 3 + 16
    assert stats["buffer"]["written"] == stats["samples"] == 3 * 1600 + 1  # one stands for what never came
    assert (stats["buffer"]["dropped"], stats["dropped_samples"]) == (0, 1)


async def test_stats_have_every_field_before_the_first_audio(server: Running) -> None:
    async with server.connect(VOICE + "a") as ws:
        await listen(ws, "ready")
        _, before = await server.get("/api/v1/stream/stats/a")
        await ws.send_bytes(silence(0.5))
        await ws.send_str('{"type":"close"}')
        after = (await listen(ws))[-1]["stats"]
    assert before.keys() == after.keys()
    assert before["buffer"].keys() == after["buffer"].keys()
    assert before["buffer"]["capacity_samples"] == after["buffer"]["capacity_samples"] == 40 * 16_000
    assert (before["buffer"]["written"], after["buffer"]["written"]) == (0, 8_000)


async def test_what_is_no_container_ends_as_anything_else(server: Running) -> None:
    async with server.connect(VOICE + "a?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all")
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
        assert [m["code"] for m in of(messages, "error")] == ["invalid_field"]
        await ws.receive()
        assert ws.close_code == 1000
    async with server.connect(VOICE + "b?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all")
        assert (await server.post("/api/v1/stream/stop/b"))[0] == 200
        assert (await listen(ws))[-1]["reason"] == "stopped"


async def test_acknowledgements_come_while_audio_does(server: Running) -> None:
    async with server.connect(VOICE + "a") as ws:
        started = time.monotonic()
        for _ in range(16):
            await ws.send_bytes(silence(0.1))
            await asyncio.sleep(0.1)
        acks: list[dict[str, Any]] = []
        while not acks or acks[-1]["received"] < 16 * 1600:
            message = json.loads(await ws.receive_str(timeout=2))
            acks += of([message], "ack")
        assert len(acks) >= (time.monotonic() - started) * 0.9
        received = [ack["received"] for ack in acks]
        committed = [ack["committed"] for ack in acks]
        assert received == sorted(received)
        assert committed == sorted(committed)
        assert all(c <= r for c, r in zip(committed, received, strict=True))
        assert committed[-1] > 0
        with pytest.raises(asyncio.TimeoutError):
            await ws.receive_str(timeout=0.8)  # nothing moves, nothing is said


@pytest.mark.parametrize("above", [0, 2])
async def test_a_message_may_be_as_large_as_ready_says(serve: Serve, above: int) -> None:
    async with serve(max_message_bytes=4096) as server, server.connect(VOICE + "a") as ws:
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(bytes(ready["max_message_bytes"] + above))
        await ws.send_str('{"type":"ping"}')
        messages = await listen(ws, "error" if above else "pong")
        assert [m["code"] for m in of(messages, "error")] == (["message_too_large"] if above else [])


async def test_seq32_audio_is_the_same_audio(server: Running) -> None:
    async with server.connect(VOICE + "a?framing=seq32") as ws:
        for number, chunk in enumerate(chunks(TWO_UTTERANCES)):
            await ws.send_bytes(struct.pack("<I", number) + chunk)
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


async def test_an_engine_that_fails_is_told_and_the_stream_goes_on(serve: Serve) -> None:
    failing = ScriptedTranscriber(SCRIPT, fails=lambda job: job.utterance == 0)
    async with serve(transcriber=failing) as server:
        messages = await converse(server, TWO_UTTERANCES)
        assert "engine_failed" in {m["code"] for m in of(messages, "error")}
        assert texts(messages)[-1] == SCRIPT[1]
        assert (await server.get("/metrics/streaming"))[1]["asr_failure_count"] >= 1


async def test_a_full_pool_is_told_and_no_final_is_lost(serve: Serve) -> None:
    settings = settings_for_tests()
    settings = Settings(
        server=settings.server, endpoint=settings.endpoint, asr=AsrSettings(max_queue=1, max_queue_total=1)
    )
    slow = ScriptedTranscriber(SCRIPT, delay_s=0.3, concurrency=1)
    async with serve(settings, slow) as server:
        all_messages = await asyncio.gather(*(converse(server, TWO_UTTERANCES, VOICE + f"s{n}") for n in range(4)))
    for messages in all_messages:
        assert texts(messages) == list(SCRIPT)
    states = {m["state"] for messages in all_messages for m in of(messages, "status")}
    assert {"server_busy", "recovered"} <= states


async def test_a_client_that_vanishes_gives_its_jobs_back(serve: Serve) -> None:
    holding = threading.Event()

    class Slow(ScriptedTranscriber):
        def transcribe(self, jobs: Any) -> Any:
            holding.wait(5)
            return super().transcribe(jobs)

    async with serve(transcriber=Slow(SCRIPT, concurrency=1)) as server:
        async with server.connect(VOICE + "a") as ws:
            for chunk in chunks(TWO_UTTERANCES):
                await ws.send_bytes(chunk)
            await listen(ws, "speech_started")
            await ws.close()
        await server.empty()
        holding.set()
        assert texts(await converse(server, TWO_UTTERANCES)) == list(SCRIPT)


async def test_an_early_trigger_stands_or_is_taken_back_before_the_final(serve: Serve) -> None:
    settings = replace(settings_for_tests(), voice=VoiceSettings())
    async with serve(settings) as server, server.connect(VOICE + "a") as ws:
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
            await asyncio.sleep(0.02)  # five times real time
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
    told = of(messages, "early_trigger", "early_trigger_retracted", "final")
    assert of(told, "early_trigger")
    for message, following in itertools.pairwise(told):
        if message["type"] == "early_trigger" and following["type"] == "final":
            assert message["text"] == following["text"]
        elif message["type"] == "early_trigger":
            assert following["trigger_id"] == message["trigger_id"]
    numbers = [message["seq"] for message in messages if "seq" in message]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("vad", ["energy", "auto"])
async def test_two_streams_at_once_get_their_own_real_digits(serve: Serve, digits: Transcriber, vad: Any) -> None:
    names = ("seen_1", "seen_2")
    settings = Settings(server=ServerSettings(port=0), endpoint=EndpointSettings(vad=vad))
    async with serve(settings, digits) as server:

        async def stream(name: str) -> list[dict[str, Any]]:
            async with server.connect(VOICE + name) as ws:
                for chunk in chunks(silence(0.3) + speech(name) + silence(0.6)):
                    await ws.send_bytes(chunk)
                    await asyncio.sleep(0.02)  # five times real time
                await ws.send_str('{"type":"close"}')
                return await listen(ws)

        heard = await asyncio.gather(*map(stream, names))
    for name, messages in zip(names, heard, strict=True):
        assert " ".join(filter(None, texts(messages))) == recording(name).text
        for final in of(messages, "final"):
            assert all(0 <= word["confidence"] <= 1 for word in final["words"])
            assert all(word["start"] <= word["end"] for word in final["words"])
