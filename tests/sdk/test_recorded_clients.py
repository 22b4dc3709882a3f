"""What other clients sent when they were tried by hand, sent again word for word, and what they have to hear.

Each file in `conversations/` is one: where a client connected, with which headers and sub-protocols, and its messages
(`audio`, `append`: so many bytes of one recording, as they are or in base64; `times` in a row). `kinds` are the types
of messages it must be told, and no other.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import pytest

from fastring.audio.files import read_audio
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Iterator

CONVERSATIONS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "conversations").glob("*.json"))
}
SPOKEN = "seen_8"


def audio_at(sample_rate: int) -> bytes:
    """The recording as linear16, and enough silence after it for what a client sends."""
    samples, _ = read_audio(recording(SPOKEN).path, sample_rate=sample_rate)
    return bytes((np.asarray(samples) * 32767).astype("<i2").tobytes()) + bytes(sample_rate * 8)


def messages_of(conversation: dict[str, Any]) -> Iterator[str | bytes]:
    audio, at = audio_at(24_000 if "realtime" in conversation["path"] else 16_000), 0
    for message in conversation["messages"]:
        for _ in range(message.get("times", 1)):
            size = message.get("audio", message.get("append", 0))
            piece, at = audio[at : at + size], at + size
            if "append" in message:
                yield json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()})
            else:
                yield piece if "audio" in message else message["text"]


def said_by(told: list[dict[str, Any]]) -> str:
    """The final text, whichever protocol told it."""
    pieces = [it["channel"]["alternatives"][0]["transcript"] for it in told if it.get("is_final")]
    pieces += [it["transcript"] for it in told if it.get("event") == "EndOfTurn"]
    completed = {it["item_id"]: it["transcript"] for it in told if it["type"].endswith("transcription.completed")}
    pieces += [completed.get(it["item_id"], "") for it in told if it["type"] == "input_audio_buffer.committed"]
    return " ".join(filter(None, pieces))


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_a_client_is_told_what_it_was_told_when_it_was_tried(name: str, server_url: str, api_key: str) -> None:
    conversation, words = CONVERSATIONS[name], recording(SPOKEN).text
    protocols = [api_key if offered == "k" else offered for offered in conversation["protocols"]]
    headers = {header: value.replace(" k", f" {api_key}") for header, value in conversation["headers"].items()}
    told: list[dict[str, Any]] = []
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(server_url + conversation["path"], headers=headers, protocols=protocols) as ws,
    ):
        for message in messages_of(conversation):
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        while said_by(told) != words or "realtime" not in conversation["path"]:
            message = await ws.receive(timeout=30)
            if message.type is not aiohttp.WSMsgType.TEXT:
                assert ws.close_code == 1000
                break
            told.append(message.json())
    assert said_by(told) == words
    assert sorted({it["type"] for it in told}) == conversation["kinds"]
