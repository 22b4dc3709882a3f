"""WhisperLive's protocol on a real server with a scripted engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import numpy as np
from serving import SCRIPT, TWO_UTTERANCES, chunks

if TYPE_CHECKING:
    from serving import Running

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
    assert [it["text"] for it in last] == list(SCRIPT)
    assert all(it["completed"] for it in last)
    assert float(last[0]["start"]) < float(last[0]["end"]) <= float(last[1]["start"])
    await server.empty()


async def test_translation_is_refused(server: Running) -> None:
    async with server.connect("/whisper_live") as ws:
        await ws.send_json({"uid": "me", "task": "translate"})
        error = await ws.receive_json(timeout=5)
        assert (error["uid"], error["status"]) == ("me", "ERROR")
        await ws.receive(timeout=5)
        assert ws.close_code == 1008
