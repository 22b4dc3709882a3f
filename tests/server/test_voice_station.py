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
from serving import RATE, SCRIPT, TWO_UTTERANCES, chunks, listen, of, settings_for_tests, silence, speech, texts

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import AsrSettings, EndpointSettings, ResumeSettings, ServerSettings, Settings, VoiceSettings
from fastring.recordings import recording
from fastring.server.app import drain

if TYPE_CHECKING:
    from serving import Running, Serve

    from fastring.asr.transcriber import Transcriber

PATH = "/api/v1/stream/voice/"


async def converse(server: Running, audio: bytes, path: str = PATH + "a", size: int = 3200) -> list[dict[str, Any]]:
    """Send audio, close, and hear everything."""
    async with server.connect(path) as ws:
        for chunk in chunks(audio, size):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
        await ws.receive()
        assert ws.close_code == 1000
    return messages


async def test_ready_has_every_field(server: Running) -> None:
    async with server.connect(PATH + "a?encoding=mulaw&sample_rate=8000&channels=2&interim=false") as ws:
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
    for message in of(await converse(server, silence(0.3) + speech("seen_8") + silence(1)), "partial", "final"):
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
    async with server.connect(PATH + "a") as ws:
        for number, chunk in enumerate(chunks(TWO_UTTERANCES)):
            data = base64.b64encode(chunk).decode()
            await ws.send_str(json.dumps({"type": "audio", "source": "mic", "data": data, "seq": number}))
        await ws.send_str('{"type":"audio","source":"other","data":"AAA="}')
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
    assert texts(messages) == list(SCRIPT)
    assert [m["code"] for m in of(messages, "error")] == ["invalid_field"]


async def test_without_interim_there_are_no_partials(server: Running) -> None:
    messages = await converse(server, TWO_UTTERANCES, PATH + "a?interim=false")
    assert of(messages, "partial") == []
    assert texts(messages) == list(SCRIPT)


async def test_finalize_ends_the_utterance_now(server: Running) -> None:
    async with server.connect(PATH + "a") as ws:
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
        server, data, PATH + f"a?encoding={encoding}&sample_rate={rate}&channels={channels}", 48_000
    )
    assert texts(messages) == list(SCRIPT)
    acks = of(messages, "ack")
    assert acks[-1]["received"] == acks[-1]["committed"] == len(pcm) * rate // RATE


async def test_a_container_is_heard_as_it_comes(server: Running) -> None:
    data = recording("seen_8").path.read_bytes()
    contained = await converse(server, data, PATH + "a?encoding=container", 1000)
    raw = await converse(server, speech("seen_8"), PATH + "a")
    assert [(m["text"], m["start"], m["end"]) for m in of(contained, "final")] == [
        (m["text"], m["start"], m["end"]) for m in of(raw, "final")
    ]
    assert texts(contained)


async def test_what_is_no_container_is_said_and_survived(server: Running) -> None:
    async with server.connect(PATH + "a?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all " * 4000)
        await ws.send_str('{"type":"ping"}')
        messages = await listen(ws, "pong")
        await ws.send_str('{"type":"close"}')
        messages += await listen(ws)
    assert {m["code"] for m in of(messages, "error")} == {"invalid_field"}
    assert messages[-1]["type"] == "closed"


async def test_stats_tell_what_came_in_and_what_did_not(server: Running) -> None:
    async with server.connect(PATH + "a?framing=seq32") as ws:
        for number in (0, 1, 5):
            await ws.send_bytes(struct.pack("<I", number) + silence(0.1))
        await ws.send_bytes(b"odd")
        await ws.send_str('{"type":"close"}')
        stats = (await listen(ws))[-1]["stats"]
    assert (stats["messages"], stats["malformed"], stats["seq_gaps"]) == (5, 1, 3)
    assert stats["bytes"] == 3 * 3204 + 3 + 16


async def test_what_is_no_container_ends_as_anything_else(server: Running) -> None:
    async with server.connect(PATH + "a?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all")
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
        assert [m["code"] for m in of(messages, "error")] == ["invalid_field"]
        await ws.receive()
        assert ws.close_code == 1000
    async with server.connect(PATH + "b?encoding=container") as ws:
        await ws.send_bytes(b"this is no audio at all")
        assert (await server.post("/api/v1/stream/stop/b"))[0] == 200
        assert (await listen(ws))[-1]["reason"] == "stopped"


async def test_acknowledgements_come_while_audio_does(server: Running) -> None:
    async with server.connect(PATH + "a") as ws:
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
    async with serve(max_message_bytes=4096) as server, server.connect(PATH + "a") as ws:
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(bytes(ready["max_message_bytes"] + above))
        await ws.send_str('{"type":"ping"}')
        messages = await listen(ws, "error" if above else "pong")
        assert [m["code"] for m in of(messages, "error")] == (["message_too_large"] if above else [])


async def test_seq32_audio_is_the_same_audio(server: Running) -> None:
    async with server.connect(PATH + "a?framing=seq32") as ws:
        for number, chunk in enumerate(chunks(TWO_UTTERANCES)):
            await ws.send_bytes(struct.pack("<I", number) + chunk)
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


def drop(ws: Any) -> None:
    """Lose the connection: no close frame, no goodbye."""
    ws._response.connection.transport.abort()


async def resume(server: Running, token: str, last_seq: int, oldest: int = 0, path: str = PATH + "a") -> Any:
    ws = await server.connect(path)
    await ws.send_json({"type": "resume", "token": token, "last_seq": last_seq, "oldest_sample": oldest})
    return ws


def without_partials(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Numbered events, but for what depends on how fast the engine was."""
    kept = of(messages, "speech_started", "final", "speech_ended")
    return [{key: value for key, value in m.items() if key not in ("latency_ms", "words")} for m in kept]


@pytest.mark.parametrize("cut_s", [0.3, 1.4, 3.0, 4.2])
async def test_a_lost_connection_loses_nothing_and_repeats_nothing(server: Running, cut_s: float) -> None:
    expected = without_partials(await converse(server, TWO_UTTERANCES))
    await server.empty()
    ws = await server.connect(PATH + "a")
    ready = json.loads(await ws.receive_str())
    cut = int(cut_s * RATE) * 2
    for chunk in chunks(TWO_UTTERANCES[:cut]):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"ping"}')
    before = without_partials(await listen(ws, "pong"))
    drop(ws)
    await server.empty()
    assert server.services.keeper.waiting == 1

    ws = await resume(server, ready["resume_token"], len(before) - 1)
    assert (await ws.receive_json())["type"] == "ready"
    resumed = await ws.receive_json()
    assert (resumed["type"], resumed["next_sample"]) == ("resumed", cut // 2)
    assert resumed["resume_token"] not in ("", ready["resume_token"])
    for chunk in chunks(TWO_UTTERANCES[cut:]):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"close"}')
    after = await listen(ws)
    assert before + without_partials(after) == expected
    assert after[-1]["stats"]["received"] == len(TWO_UTTERANCES) // 2
    await ws.receive()
    assert ws.close_code == 1000
    await server.empty()
    assert len(server.services.keeper) == 0


async def test_what_was_said_meanwhile_is_told(server: Running) -> None:
    ws = await server.connect(PATH + "a")
    ready = json.loads(await ws.receive_str())
    for chunk in chunks(TWO_UTTERANCES):
        await ws.send_bytes(chunk)
    await ws.send_str('{"type":"close"}')
    await ws.receive()
    drop(ws)
    await server.empty()
    ws = await resume(server, ready["resume_token"], -1)
    messages = await listen(ws)
    assert texts(messages) == list(SCRIPT)
    assert [m["seq"] for m in messages if "seq" in m] == list(range(6))
    assert messages[-1]["reason"] == "requested"
    assert of(messages, "resumed")[0]["next_seq"] in range(7)


async def test_a_session_that_moved_closes_its_old_connection(server: Running) -> None:
    old = await server.connect(PATH + "a")
    ready = json.loads(await old.receive_str())
    await old.send_bytes(silence(0.5))
    await old.send_str('{"type":"ping"}')
    await listen(old, "pong")
    new = await resume(server, ready["resume_token"], -1)
    resumed = (await listen(new, "resumed"))[-1]
    assert resumed["next_sample"] == RATE // 2
    await old.send_bytes(silence(0.5))
    assert (await listen(old, "error"))[-1]["code"] == "session_moved"
    await old.receive()
    assert old.close_code == 4409
    await new.send_bytes(silence(0.1))
    await new.send_str('{"type":"close"}')
    assert (await listen(new))[-1]["stats"]["received"] == RATE * 6 // 10
    await new.receive()
    await server.empty()


async def test_silence_ends_no_utterance_while_the_client_is_away(serve: Serve) -> None:
    settings = replace(settings_for_tests(), endpoint=EndpointSettings(vad="energy", stall_ms=100))
    async with serve(settings) as server:
        ws = await server.connect(PATH + "a")
        ready = json.loads(await ws.receive_str())
        half = (RATE + RATE // 4) * 2  # in the middle of the first utterance
        await ws.send_bytes(TWO_UTTERANCES[:half])
        await listen(ws, "speech_started")
        drop(ws)
        await server.empty()
        await asyncio.sleep(0.3)
        ws = await resume(server, ready["resume_token"], 0)
        await listen(ws, "resumed")
        await ws.send_bytes(TWO_UTTERANCES[half:])
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


@pytest.mark.parametrize(
    ("token", "reason"), [("x", "unknown"), ("", "unknown"), (None, "expired"), ("gap", "gap")], ids=str
)
async def test_resume_is_refused_and_a_fresh_session_goes_on(serve: Serve, token: str | None, reason: str) -> None:
    async with serve(replace(settings_for_tests(), resume=ResumeSettings(wait_s=0.01))) as server:
        ws = await server.connect(PATH + "a")
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        if reason != "gap":
            drop(ws)
            await server.empty()
            await asyncio.sleep(0.02)
            server.services.keeper.sweep()
        ours = ready["resume_token"] if token in (None, "gap") else token
        ws = await resume(server, str(ours), -1, 10**9 if token == "gap" else 0)
        failure = (await listen(ws, "error"))[-1]
        assert (failure["code"], failure["reason"], failure["fatal"]) == ("resume_failed", reason, False)
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        assert texts(await listen(ws)) == list(SCRIPT)


async def test_resume_comes_first_or_not_at_all(server: Running) -> None:
    async with server.connect(PATH + "a") as ws:
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        await ws.send_json({"type": "resume", "token": ready["resume_token"], "last_seq": -1, "oldest_sample": 0})
        failure = (await listen(ws, "error"))[-1]
        assert (failure["code"], failure["fatal"]) == ("invalid_field", False)


async def test_a_client_that_catches_up_is_not_read_faster_than_it_may(serve: Serve) -> None:
    settings = replace(settings_for_tests(), resume=ResumeSettings(catch_up_rate=4))
    async with serve(settings) as server:
        ws = await server.connect(PATH + "a")
        ready = json.loads(await ws.receive_str())
        await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        drop(ws)
        await asyncio.sleep(1.5)
        ws = await resume(server, ready["resume_token"], -1)
        await listen(ws, "resumed")
        began = time.monotonic()
        for _ in range(30):
            await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        assert time.monotonic() - began >= 0.45  # a second at once, two more at four times real time
        for _ in range(200):
            await ws.send_bytes(silence(0.1))
        await ws.send_str('{"type":"ping"}')
        await listen(ws, "pong")
        assert time.monotonic() - began < 4  # it has caught up: an upload goes as fast as it can
        await ws.close()


async def test_a_server_that_goes_down_leaves_open_speech_to_the_next(serve: Serve) -> None:
    async with serve() as server:
        ws = await server.connect(PATH + "a?resumes=true")
        await ws.send_bytes(TWO_UTTERANCES[: (RATE + RATE // 4) * 2])
        await listen(ws, "speech_started")
        draining = asyncio.get_running_loop().create_task(drain(server.app))
        messages = await listen(ws)
        assert of(messages, "final") == []
        assert messages[-1]["reason"] == "going away"
        await ws.receive()
        assert ws.close_code == 1012
        await draining


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
        all_messages = await asyncio.gather(*(converse(server, TWO_UTTERANCES, PATH + f"s{n}") for n in range(4)))
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
        async with server.connect(PATH + "a") as ws:
            for chunk in chunks(TWO_UTTERANCES):
                await ws.send_bytes(chunk)
            await listen(ws, "speech_started")
            await ws.close()
        await server.empty()
        holding.set()
        assert texts(await converse(server, TWO_UTTERANCES)) == list(SCRIPT)


async def test_an_early_trigger_stands_or_is_taken_back_before_the_final(serve: Serve) -> None:
    settings = replace(settings_for_tests(), voice=VoiceSettings())
    async with serve(settings) as server, server.connect(PATH + "a") as ws:
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
            async with server.connect(PATH + name) as ws:
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
