"""A local service that speaks Deepgram's protocol, hears what it is sent, and misbehaves on demand.

It runs on a thread of its own, for the engine that calls it blocks. Every message of a conversation, in or out, is a
boundary; a `Fault` happens at one of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web

from fastring.config import DeepgramSettings

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from fastring.events import Word

RATE = 16_000
KEY = "the-key-of-the-tests"
_LONGEST_OPEN = 3 * RATE  # samples that stay without a final at most
_MODEL = {"name": "tones", "version": "1", "arch": "tones"}

Answer = Literal["serve", "stall"] | int
"""How a new connection or request is met: served, left without an answer, or refused with that HTTP status."""


@dataclass
class Fault:
    """What happens when the conversation reaches message `at`, once.

    kind: `cut` the connection; `stall`: it takes and says nothing more; `close` with `code` and `reason`.
    then: how connections that are opened afterwards are met.
    """

    kind: Literal["cut", "stall", "close"]
    at: int
    then: Answer = "serve"
    code: int = 1011
    reason: str = ""


@dataclass
class DeepgramPeer:
    """The service. Use it as a context manager.

    Attributes:
        hear: words in audio (float32 at 16 kHz), with times from its start.
        live, batch: how new connections, and requests for whole recordings, are met.
        late_s: every message waits this long before it goes out.
        repeat: every message is sent twice.
        noise: unknown and malformed messages between all others.
        idle_s: without a message for this long, it hangs up (NET-0001).
        retry_after: the header of a refusal.
        answer_empty_finalize: whether a Finalize that finds nothing buffered is answered.
    """

    hear: Callable[[NDArray[np.float32]], Sequence[Word]]
    live: Answer = "serve"
    batch: Answer = "serve"
    fault: Fault | None = None
    late_s: float = 0.0
    repeat: bool = False
    noise: bool = False
    idle_s: float = 10.0
    retry_after: str = ""
    answer_empty_finalize: bool = True
    boundaries: int = 0
    boundaries_of_speech: int = 0  # for a test to note where its speech ended
    handshakes: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    posts: list[int] = field(default_factory=list)
    samples: int = 0
    first_audio: threading.Event = field(default_factory=threading.Event)
    closes: list[int | None] = field(default_factory=list)

    def __enter__(self) -> DeepgramPeer:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._sockets)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        self._sockets: set[web.WebSocketResponse] = set()
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/v1/listen", self._listen)
        app.router.add_post("/v1/listen", self._transcribe)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        started.set()
        await self._stopping.wait()
        await runner.cleanup()

    # --- before the upgrade, and whole recordings --------------------------------------------------------------------

    async def _meet(self, request: web.Request, how: Answer) -> web.Response | None:
        """A refusal, or nothing if the request is to be served."""
        request_id = str(uuid.uuid4())
        if how == "stall":
            await self._stopping.wait()
            return web.Response(status=503)
        status, code, text = 0, "", ""
        if request.headers.get("Authorization") != f"Token {KEY}":
            status, code, text = 401, "INVALID_AUTH", f"Invalid credentials: {request.headers.get('Authorization')}"
        elif isinstance(how, int):
            status, code, text = how, "REFUSED", "as the test wants it"
        elif request.query.get("encoding") != "linear16" or request.query.get("sample_rate") != str(RATE):
            status, code, text = 400, "BAD_PARAMETER", "this peer takes linear16 at 16000 Hz"
        elif "nosuchmodel" in request.query.get("model", ""):
            status, code, text = 400, "BAD_MODEL", "no such model"
        if not status:
            return None
        headers = {"dg-request-id": request_id, "dg-error": code}
        if self.retry_after:
            headers["Retry-After"] = self.retry_after
        return web.json_response(
            {"err_code": code, "err_msg": text, "request_id": request_id}, status=status, headers=headers
        )

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.posts.append(len(body) // 2)
        refusal = await self._meet(request, self.batch)
        if refusal is not None:
            return refusal
        pcm = np.frombuffer(body, "<i2").astype(np.float32) / 32768
        words = [_word(word, 0) for word in self.hear(pcm)]
        text = " ".join(word["punctuated_word"] for word in words)
        channel = {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words}]}
        metadata = {
            "transaction_key": "deprecated",
            "request_id": str(uuid.uuid4()),
            "sha256": hashlib.sha256(body).hexdigest(),
            "created": "2025-01-01T00:00:00.000Z",
            "duration": len(pcm) / RATE,
            "channels": 1,
            "models": ["m"],
            "model_info": {"m": _MODEL},
        }
        return web.json_response({"metadata": metadata, "results": {"channels": [channel]}})

    # --- live --------------------------------------------------------------------------------------------------------

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        self.handshakes.append(dict(request.query))
        refusal = await self._meet(request, self.live)
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(max_msg_size=1 << 22)
        socket.headers["dg-request-id"] = str(uuid.uuid4())
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            await _Conversation(self, request, socket).run()
        except (_CutError, ConnectionError):  # ours, or the client's
            pass
        finally:
            self._sockets.discard(socket)
            self.closes.append(socket.close_code)
        return socket

    async def reach_boundary(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        """A message comes or goes: the moment for a fault."""
        self.boundaries += 1
        fault = self.fault
        if fault is None or self.boundaries <= fault.at:
            return
        self.fault = None
        self.live = fault.then
        if fault.kind == "close":
            await socket.close(code=fault.code, message=fault.reason.encode())
        elif fault.kind == "stall":
            await self._stopping.wait()
        assert request.transport is not None
        request.transport.abort()
        raise _CutError


class _CutError(Exception):
    pass


class _Conversation:
    """One connection, from its first message to its last."""

    def __init__(self, peer: DeepgramPeer, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._peer = peer
        self._request = request
        self._socket = socket
        self._interim = request.query.get("interim_results") == "true"
        endpointing = request.query.get("endpointing", "10")
        self._endpointing = 1 << 60 if endpointing == "false" else int(endpointing) * RATE // 1000
        self._pcm = np.zeros(0, np.float32)
        self._odd = b""
        self._final_until = 0
        self._digest = hashlib.sha256()

    async def run(self) -> None:
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._peer.idle_s)
            except (asyncio.TimeoutError, TimeoutError):
                await self._socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"NET-0001")
                return
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            await self._peer.reach_boundary(self._request, self._socket)
            if message.type is WSMsgType.BINARY:
                await self._audio(message.data)
            elif not await self._command(message.data):
                return

    async def _audio(self, data: bytes) -> None:
        self._peer.first_audio.set()
        self._digest.update(data)
        data = self._odd + data
        self._odd = data[len(data) & ~1 :]
        pcm = np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.float32) / 32768
        self._peer.samples += len(pcm)
        self._pcm = np.concatenate([self._pcm, pcm])
        end = self._complete()
        if end is not None:
            await self._result(end, is_final=True, speech_final=True)
        if self._interim and len(self._pcm) > self._final_until:
            await self._result(len(self._pcm), is_final=False)

    def _complete(self) -> int | None:
        """How far a final may reach: over words that are whole, once there is a pause, or too much is open."""
        words = self._peer.hear(self._pcm[self._final_until :])
        whole = [w for w in words if self._final_until + w.end < len(self._pcm)]
        if not whole:
            return None
        end = self._final_until + whole[-1].end
        waited = len(self._pcm) - end >= self._endpointing and len(whole) == len(words)
        return end if waited or len(self._pcm) - self._final_until > _LONGEST_OPEN else None

    async def _command(self, text: str) -> bool:
        """Obey; False if that was the end."""
        try:
            parsed = json.loads(text)
            kind = parsed["type"]
        except (ValueError, TypeError, KeyError):
            kind = ""
        self._peer.commands.append(kind)
        if kind == "KeepAlive":
            return True
        if kind == "Finalize":
            if self._peer.answer_empty_finalize or len(self._pcm) > self._final_until:
                await self._result(len(self._pcm), is_final=True, from_finalize=True)
            return True
        if kind == "CloseStream":
            await self._result(len(self._pcm), is_final=True)
            await self._say(
                {
                    "type": "Metadata",
                    "transaction_key": "deprecated",
                    "request_id": "r",
                    "sha256": self._digest.hexdigest(),
                    "created": "2025-01-01T00:00:00.000Z",
                    "duration": len(self._pcm) / RATE,
                    "channels": 1,
                }
            )
            await self._socket.close(code=1000)
            return False
        description = "unknown type"
        await self._say({"type": "Error", "variant": "SchemaError", "description": description, "message": text})
        return True

    async def _result(
        self, end: int, *, is_final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> None:
        start = self._final_until
        words = [_word(word, start) for word in self._peer.hear(self._pcm[start:end])]
        if is_final:
            self._final_until = end
        await self._say(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": start / RATE,
                "duration": (end - start) / RATE,
                "is_final": is_final,
                "speech_final": speech_final,
                "from_finalize": from_finalize,
                "channel": {
                    "alternatives": [
                        {
                            "transcript": " ".join(word["punctuated_word"] for word in words),
                            "confidence": 0.9 if words else 0.0,
                            "words": words,
                        }
                    ]
                },
                "metadata": {"request_id": "r", "model_info": _MODEL, "model_uuid": "m"},
            }
        )

    async def _say(self, message: dict[str, Any]) -> None:
        await self._peer.reach_boundary(self._request, self._socket)
        await asyncio.sleep(self._peer.late_s)
        if self._peer.noise:
            for odd in ('{"type":"SpeechStarted","timestamp":0}', '{"type":"NeverHeardOf"}', "[1,2]", "no json", "{}"):
                await self._socket.send_str(odd)
            await self._socket.send_bytes(b"\x00\xff")
        for _ in range(1 + self._peer.repeat):
            await self._socket.send_str(json.dumps(message))


def _word(word: Word, offset: int) -> dict[str, Any]:
    return {
        "word": word.text,
        "punctuated_word": word.text,
        "start": (offset + word.start) / RATE,
        "end": (offset + word.end) / RATE,
        "confidence": word.confidence,
    }


def settings_for(peer: DeepgramPeer, **changes: Any) -> DeepgramSettings:
    """Settings that lead to the peer, with the short times of a test."""
    return DeepgramSettings(
        **{"api_key": KEY, "base_url": peer.url, "timeout_s": 2.0, "backoff_s": 0.01, "spare": 0, **changes}
    )
