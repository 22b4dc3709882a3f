"""A real server on a real port for tests, and how to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import EndpointSettings, SecuritySettings, ServerSettings, Settings, VoiceSettings
from fastring.recordings import recording
from fastring.server.app import build_app
from fastring.server.run import make_runner
from fastring.server.services import SERVICES, Services

if TYPE_CHECKING:
    from fastring.asr.transcriber import Transcriber
    from fastring.server.witnesses.callback import TriggerCallback

SCRIPT = ("zero one two three", "four five six")
BASE = "/api/v1/stream/"
VOICE = BASE + "voice/"
RATE = 16_000


@dataclass
class Running:
    """A server that runs in this loop, and a client of it."""

    url: str
    services: Services
    client: aiohttp.ClientSession
    app: web.Application

    @property
    def netloc(self) -> str:
        return self.url.removeprefix("http://")

    def ws_url(self, path: str) -> str:
        return f"ws://{self.netloc}{path}"

    def connect(self, path: str, **options: Any) -> Any:
        return self.client.ws_connect(self.url + path, **options)

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self._ask("GET", path, **options)

    async def post(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self._ask("POST", path, **options)

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.url + path, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type.endswith("json") else text

    async def refusal(self, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """How a WebSocket is refused: the status, and the error in its body."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
            **options.pop("headers", {}),
        }
        status, body = await self.get(path, headers=headers, **options)
        return status, body.get("error", body)  # other protocols word it in their own way

    @property
    def held(self) -> tuple[int, int]:
        """Connections and streams that are there."""
        return len(self.services.registry.connections), len(self.services.registry)

    async def empty(self) -> None:
        """Wait until no connection and no stream is left; raises AssertionError where it takes five seconds."""
        end_s = time.monotonic() + 5
        while self.held != (0, 0):
            names = [connection.name for connection in self.services.registry.connections]
            assert time.monotonic() < end_s, f"left: connections {names}, {self.held[1]} streams"
            await asyncio.sleep(0.01)


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Running]]


def settings_for_tests(**server: Any) -> Settings:
    """The energy gate alone, as no neural detector is needed, and no early triggers, which go by the clock."""
    return Settings(
        server=ServerSettings(**{"port": 0, **server}),
        endpoint=EndpointSettings(vad="energy"),
        voice=VoiceSettings(early_triggers=False),
    )


@contextlib.asynccontextmanager
async def serving(
    settings: Settings | None = None,
    transcriber: Transcriber | None = None,
    *,
    security: SecuritySettings | None = None,
    on_trigger: TriggerCallback | None = None,
    **server: Any,
) -> AsyncIterator[Running]:
    settings = settings or settings_for_tests(**server)
    if security is not None:
        settings = replace(settings, security=security)
    app = build_app(settings, transcriber or ScriptedTranscriber(SCRIPT), on_trigger=on_trigger)
    runner = make_runner(app, settings.server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as client:
            yield Running(url, app[SERVICES], client, app)
    finally:
        await runner.cleanup()


def speech(name: str = "seen_0") -> bytes:
    """Real speech, 16 kHz mono PCM16."""
    with wave.open(str(recording(name).path)) as file:
        return file.readframes(file.getnframes())


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * RATE) * 2)


def chunks(data: bytes, size: int = 3200) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def listen(ws: Any, until: str = "closed") -> list[dict[str, Any]]:
    """Every message up to one of that type."""
    messages = []
    while not messages or messages[-1]["type"] != until:
        messages.append(json.loads(await ws.receive_str(timeout=30)))
    return messages


def of(messages: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] in kinds]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in of(messages, "final")]


TWO_UTTERANCES = silence(0.5) + speech("seen_0") + silence(1.0) + speech("seen_1") + silence(1.0)


class Kept:
    """Lets several servers use one engine: a server closes what it is given."""

    def __init__(self, engine: Transcriber) -> None:
        self.capabilities = engine.capabilities
        self.transcribe = engine.transcribe
        self.forget = engine.forget

    def close(self) -> None:
        pass


async def converse(
    server: Running, audio: bytes, path: str = VOICE + "a", size: int = 3200, *, pause_s: float = 0.0
) -> list[dict[str, Any]]:
    """Send audio, close, and hear everything. Without a pause after each message there is no time for partials."""
    async with server.connect(path) as ws:
        for chunk in chunks(audio, size):
            await ws.send_bytes(chunk)
            if pause_s:
                await asyncio.sleep(pause_s)
        await ws.send_str('{"type":"close"}')
        messages = await listen(ws)
        await ws.receive()
        assert ws.close_code == 1000
    return messages
