"""vosk-server's protocol on a real server with a scripted engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks

if TYPE_CHECKING:
    from serving import Running


@pytest.mark.parametrize("size", [3999, 1 << 18])
async def test_a_client_in_lock_step_hears_everything(server: Running, size: int) -> None:
    replies: list[Any] = []
    async with server.connect("/vosk") as ws:
        await ws.send_str('{"config": {"sample_rate": 16000}}')
        for chunk in chunks(TWO_UTTERANCES, size):
            await ws.send_bytes(chunk)
            replies.append(await ws.receive_json(timeout=10))
        await ws.send_str('{"eof" : 1}')
        replies.append(await ws.receive_json(timeout=10))
        await ws.receive(timeout=5)
        assert ws.close_code == 1000
    assert " ".join(reply["text"] for reply in replies if reply.get("text")) == " ".join(SCRIPT)
    words = [word for reply in replies for word in reply.get("result", [])]
    assert [word["word"] for word in words] == " ".join(SCRIPT).split()
    assert words[0]["start"] == pytest.approx(0.5, abs=0.4)
    await server.empty()


async def test_the_rate_is_heeded(server: Running) -> None:
    async with server.connect("/vosk") as ws:
        await ws.send_str(json.dumps({"config": {"sample_rate": 32_000}}))
        await ws.send_bytes(bytes(64_000))
        await ws.receive_json(timeout=10)
        _, body = await server.get("/api/v1/stream/list")
        (stream,) = body["streams"]
        _, stats = await server.get(f"/api/v1/stream/stats/{stream['stream_id']}")
        assert stats["samples"] == pytest.approx(16_000, abs=400)


async def test_nothing_is_said_of_text_that_means_nothing(server: Running) -> None:
    async with server.connect("/vosk") as ws:
        await ws.send_str("hello")
        await ws.send_bytes(bytes(100))
        assert await ws.receive_json(timeout=5) == {"partial": ""}
