"""A chat completion service of OpenAI's protocol on a real port, which misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class ChatService:
    """What it was asked, when, and how each request ended."""

    url: str = ""
    reply: tuple[str, ...] = ("You ", "said: ")
    between_s: float = 0.01
    status: int = 200
    cut_after: int | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    finished: int = 0
    cancelled: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body | {"key": request.headers.get("Authorization", "")})
        self.asked_at.append(time.monotonic())
        if self.status != 200:
            return web.json_response({"error": {"message": "no", "type": "server_error"}}, status=self.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        pieces = [*self.reply, body["messages"][-1]["content"]]
        try:
            for index, piece in enumerate(pieces):
                if self.cut_after == index and request.transport is not None:
                    request.transport.abort()
                await asyncio.sleep(self.between_s)
                await response.write(_event({"content": piece}))
            await response.write(_event({}, "stop") + b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.CancelledError):
            self.cancelled += 1
            self.gone.set()
            raise
        self.finished += 1
        return response


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@contextlib.asynccontextmanager
async def chat_service(**options: Any) -> AsyncIterator[ChatService]:
    """One that runs."""
    service = ChatService(**options)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", service.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield service
    finally:
        await runner.cleanup()
