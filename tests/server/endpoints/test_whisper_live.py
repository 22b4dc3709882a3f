"""WhisperLive's protocol on a real server with a scripted engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import numpy as np
from serving import SCRIPT, TWO_UTTERANCES, chunks

from fastring.asr.scripted import ScriptedTranscriber

if TYPE_CHECKING:
    from serving import Running, Serve

    from fastring.asr.transcriber import Job

SAMPLES = (np.frombuffer(TWO_UTTERANCES, "<i2") / 32768).astype("<f4").tobytes()


async def test_segments_come_while_audio_goes(server: Running) -> None:
    async with server.connect("/whisper_live") as ws:
        await ws.send_json({"uid": "me", "language": "en", "task": "transcribe", "model": "small", "use_vad": True})
        assert await ws.receive_json(timeout=5) == {
            "uid": "me",
            "message": "SERVER_READY",
            "backend": "faster_whisper",
        }
        for chunk in chunks(SAMPLES, 16_384):
            await ws.send_bytes(chunk)
        await ws.send_bytes(b"END_OF_AUDIO")
        messages = []
        while (message := await ws.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
            messages.append(message.json())
        assert ws.close_code == 1000
    assert {it["uid"] for it in messages} == {"me"}
    last = [it for it in messages if "segments" in it][-1]["segments"]
    assert [it["text"] for it in last] == [f" {line}" for line in SCRIPT]  # clients join them as they are
    assert all(it["completed"] for it in last)
    assert float(last[0]["start"]) < float(last[0]["end"]) <= float(last[1]["start"])
    await server.empty()


async def test_the_language_of_the_client_is_the_one_of_its_jobs(serve: Serve) -> None:
    heard: list[str] = []

    def fails(job: Job) -> bool:
        heard.append(job.language)
        return False

    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=fails)) as server:
        for language in ("de-DE", "German", None):
            async with server.connect("/whisper_live") as ws:
                await ws.send_json({"uid": "me", "language": language})
                await ws.receive_json(timeout=5)
                await ws.send_bytes(SAMPLES)
                await ws.send_bytes(b"END_OF_AUDIO")
                while (await ws.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
                    pass
    assert set(heard) == {"de", ""}


async def test_a_client_that_finds_no_place_is_told_to_wait(serve: Serve) -> None:
    async with serve(max_streams=1) as server, server.connect("/whisper_live") as first:
        async with server.connect("/whisper_live") as second:
            await second.send_json({"uid": "me"})
            assert await second.receive_json(timeout=5) == {"uid": "me", "status": "WAIT", "message": 1.0}
            await second.receive(timeout=5)
            assert second.close_code == 1013
        await first.send_json({"uid": "me"})
        assert (await first.receive_json(timeout=5))["message"] == "SERVER_READY"


async def test_translation_is_refused(server: Running) -> None:
    async with server.connect("/whisper_live") as ws:
        await ws.send_json({"uid": "me", "task": "translate"})
        error = await ws.receive_json(timeout=5)
        assert (error["uid"], error["status"]) == ("me", "ERROR")
        await ws.receive(timeout=5)
        assert ws.close_code == 1008
