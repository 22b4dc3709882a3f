"""Deepgram's live protocol from the other side, for tests: no SDK, so every message is seen as it is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from serving import chunks

if TYPE_CHECKING:
    from serving import Running

RAW = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000}


def listen_path(**parameters: Any) -> str:
    """`/v1/listen` with that query; True and False as the SDKs write them, lists repeated."""
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
    return f"/v1/listen?{urlencode(given, doseq=True)}"


async def hear(ws: Any) -> list[dict[str, Any]]:
    """Every message up to the close."""
    messages = []
    while True:
        message = await ws.receive(timeout=30)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return messages
        messages.append(json.loads(message.data))


async def converse(server: Running, audio: bytes, *orders: Any, size: int = 3200, **parameters: Any) -> list[Any]:
    """Send audio, then orders, then CloseStream; hear everything, which must end well."""
    async with server.connect(listen_path(**{**RAW, **parameters})) as ws:
        for chunk in chunks(audio, size):
            await ws.send_bytes(chunk)
        for order in (*orders, {"type": "CloseStream"}):
            await ws.send_json(order)
        messages = await hear(ws)
        assert ws.close_code == 1000
    return messages


def finals(messages: list[Any]) -> list[Any]:
    """Results that are final and have text."""
    return [message for message in messages if message.get("is_final") and transcript(message)]


def transcript(message: Any) -> str:
    """Of a result."""
    return str(message["channel"]["alternatives"][0]["transcript"])


def kinds(messages: list[Any]) -> list[str]:
    """Types of messages; results that are final are marked with a dot, those that end speech with a bang."""
    return [
        message["type"] + ("!" if message.get("speech_final") else "." if message.get("is_final") else "")
        for message in messages
    ]
