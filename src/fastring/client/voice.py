"""A live voice stream: sends audio, gives events, and when the connection is lost makes another and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastring.client.backoff import Backoff
from fastring.client.conversation import Conversation, Limits
from fastring.client.events import Partial, Reconnecting, ServerError
from fastring.client.plain import address_of, headers_of, refusal
from fastring.client.sources import as_bytes, chunks_of
from fastring.errors import ConfigError, FastringError, ProtocolError

if TYPE_CHECKING:
    from types import TracebackType

    from fastring.client.events import ClientEvent
    from fastring.client.sources import Chunk, Source

__all__ = ["Patience", "VoiceStream", "transcribe"]

_SAMPLE_BYTES = {"linear16": 2, "float32": 4, "mulaw": 1, "alaw": 1}
_FOR_GOOD = frozenset({1002, 1003, 1007, 1008, 1009, 4409})
"""Close codes after which another attempt would end the same way."""
_DONE, _GIVEN_UP = 1000, 4000
_CLOSE_S = 0.5
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard a client tries.

    Attributes:
        dead_after_s: a server that owes an answer and is silent for this long is taken for dead.
        first_wait_s: the first wait before another attempt is drawn from 0 to this; then the bound doubles.
        longest_wait_s: and grows no further.
        give_up_s: without a session for this long, the stream fails.
    """

    dead_after_s: float = 10.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0
    give_up_s: float = 120.0


class VoiceStream:
    """Speech to a fastring server and its transcript back, over as many connections as it takes.

        async with VoiceStream("http://127.0.0.1:8000") as stream:
            await stream.send(pcm16)
            await stream.close()
            async for event in stream:
                ...

    `async for` gives every event once and in order and ends after `Closed`; send from another task meanwhile. Leaving
    the block without `close` gives the stream up. One task sends, one iterates.

    Args:
        url: of the server, http or https.
        stream_id: a name for the stream, `[A-Za-z0-9._-]{1,128}`; None makes one.
        api_key: sent as a bearer token, if not empty.
        sample_rate: of the audio, in Hz.
        encoding: linear16, float32, mulaw or alaw.
        channels: interleaved channels.
        limits: buffer and pace; see `Limits`.
        patience: see there.
        parameters: further ones of the endpoint: `language`, `interim`, `model`.
    """

    def __init__(
        self,
        url: str,
        stream_id: str | None = None,
        *,
        api_key: str = "",
        sample_rate: int = 16_000,
        encoding: Literal["linear16", "float32", "mulaw", "alaw"] = "linear16",
        channels: int = 1,
        limits: Limits | None = None,
        patience: Patience | None = None,
        **parameters: str | float,
    ) -> None:
        if encoding not in _SAMPLE_BYTES:
            raise ConfigError(f"encoding = {encoding!r}: must be of {', '.join(_SAMPLE_BYTES)}")
        self.stream_id = stream_id or f"py-{secrets.token_hex(6)}"
        self.sample_rate = sample_rate
        self._url = url
        self._encoding = encoding
        self._channels = channels
        self._api_key = api_key
        self._patience = patience or Patience()
        self._address = address_of(
            url,
            self.stream_id,
            "voice",
            {
                "encoding": encoding,
                "sample_rate": sample_rate,
                "channels": channels,
                "resumes": "true",
                **{
                    name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()
                },
            },
        )
        self._conversation = Conversation(sample_rate, _SAMPLE_BYTES[encoding] * channels, limits)
        self._backoff = Backoff(self._patience.first_wait_s, self._patience.longest_wait_s)
        self._told: deque[ClientEvent] = deque()
        self._news = asyncio.Event()  # for who iterates
        self._work = asyncio.Event()  # for who writes
        self._room = asyncio.Event()  # for who sends
        self._alive_s = 0.0
        self._socket: Any = None
        self._hung_up = False
        self._closing: set[asyncio.Task[Any]] = set()
        self._failure: FastringError | None = None
        self._task: asyncio.Task[None] | None = None

    # --- the user's side ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> VoiceStream:
        """Connect.

        Raises:
            ProtocolError: the server refused the stream; the message says why.
            FastringError: there is no server there.
            ModuleNotFoundError: aiohttp is not installed: `pip install "fastring[client]"`.
        """
        import aiohttp

        self._session = aiohttp.ClientSession(headers=headers_of(self._api_key))
        try:
            socket = await self._connect()
        except _TryAgainError as error:
            await self._session.close()
            raise FastringError(str(error)) from error.__cause__
        except BaseException:
            await self._session.close()
            raise
        self._task = asyncio.get_running_loop().create_task(self._run(socket), name=f"voice {self.stream_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the stream up, if it is not over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if not self._hung_up:  # it was given up before it began
                self._hang_up(self._socket)
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_S)
        for closing in list(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._session.close()

    async def send(self, audio: Chunk) -> None:
        """Send audio: bytes in the declared encoding, or an int16 or float32 array. Waits while the buffer is full.

        Raises:
            AudioFormatError: it is no whole number of samples, or of another dtype.
            FastringError: the stream has failed.
        """
        data = as_bytes(audio, self._encoding, self._channels)
        while self._conversation.room <= 0 and not self._conversation.drops and not self._over:
            self._room.clear()
            await self._room.wait()
        self._raise_failure()
        self._conversation.push(data)
        self._work.set()
        await asyncio.sleep(0)

    async def feed(self, source: Source) -> None:
        """Send all of a source, then `close`. See `chunks_of` for what it may be.

        Raises:
            FastringError: the source cannot be read, or the stream has failed.
        """
        async with contextlib.aclosing(chunks_of(source, self.sample_rate)) as chunks:
            async for chunk in chunks:
                if self._over:
                    break
                await self.send(chunk)
        await self.close()

    async def finalize(self) -> None:
        """End the utterance now; its final follows."""
        self._conversation.finalize()
        self._work.set()

    async def close(self) -> None:
        """Say that no audio follows. The rest of the events still comes, `Closed` the last."""
        self._conversation.close()
        self._work.set()

    def __aiter__(self) -> AsyncIterator[ClientEvent]:
        """Every event, in order; ends after `Closed`.

        Raises:
            FastringError: the stream has failed.
        """
        return self._events()

    async def _events(self) -> AsyncIterator[ClientEvent]:
        while True:
            while self._told:
                yield self._told.popleft()
            if self._over:
                self._raise_failure()
                return
            self._news.clear()
            await self._news.wait()

    @property
    def _over(self) -> bool:
        return self._task is None or self._task.done()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _tell(self, event: ClientEvent) -> None:
        """Queue an event. Who does not listen for a while needs no old partials."""
        if isinstance(event, Partial) and self._told and isinstance(self._told[-1], Partial):
            self._told.pop()
        self._told.append(event)
        self._news.set()

    # --- connections -------------------------------------------------------------------------------------------------

    async def _run(self, socket: Any) -> None:
        """Keep the conversation going until it is over, or nobody answers any more."""
        try:
            while True:
                reason = await self._converse(socket)
                if self._conversation.finished:
                    return
                socket = await self._reconnect(reason)
        except FastringError as error:
            self._failure = error
        except asyncio.CancelledError:
            self._failure = FastringError("the stream was given up")
            raise
        except Exception as error:
            self._failure = FastringError(f"the client failed: {error!r}")
            raise
        finally:
            for waiter in (self._news, self._room):
                asyncio.get_running_loop().call_soon(waiter.set)

    async def _reconnect(self, reason: str) -> Any:
        wanted_s = 0.0
        while True:
            if time.monotonic() - self._alive_s > self._patience.give_up_s:
                raise FastringError(f"no connection to {self._url} for {self._patience.give_up_s:g} s: {reason}")
            wait_s = self._backoff.next_s(wanted_s)
            self._tell(Reconnecting(self._backoff.attempt, wait_s, reason))
            await asyncio.sleep(wait_s)
            try:
                return await self._connect()
            except _TryAgainError as error:
                reason, wanted_s = str(error), error.after_s

    async def _connect(self) -> Any:
        """A new WebSocket.

        Raises:
            _TryAgainError: there is nobody now; later there may be.
            ProtocolError: the server will not have this stream.
        """
        import aiohttp

        try:
            socket = await self._session.ws_connect(self._address, max_msg_size=0, heartbeat=None)
        except aiohttp.WSServerHandshakeError as error:
            text = await refusal(self._session, self._address, error.status)
            if error.status in _AGAIN:
                raise _TryAgainError(text, _seconds(error.headers)) from error
            raise ProtocolError(text) from error
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            raise _TryAgainError(f"no server at {self._url}: {error}") from error
        self._alive_s = time.monotonic()
        self._socket, self._hung_up = socket, False
        return socket

    async def _converse(self, socket: Any) -> str:
        """Talk over one connection until it ends; why it did.

        Raises:
            ProtocolError: the server ended it for good.
        """
        self._conversation.connected()
        writer = asyncio.get_running_loop().create_task(self._write(socket), name=f"write {self.stream_id}")
        try:
            reason = await self._read(socket)
        finally:
            self._conversation.lost()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._hang_up(socket)
        if socket.close_code in _FOR_GOOD and not self._conversation.finished:
            raise ProtocolError(f"the server closed the stream with code {socket.close_code}{self._last_error()}")
        return reason

    def _hang_up(self, socket: Any) -> None:
        """Close without waiting: whoever is at the other end of a dead line would not answer."""
        self._hung_up = True
        code = _DONE if self._conversation.finished else _GIVEN_UP
        closing = asyncio.get_running_loop().create_task(_close(socket, code), name=f"close {self.stream_id}")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _read(self, socket: Any) -> str:
        pinged = False
        while True:
            try:
                frame = await socket.receive(timeout=self._patience.dead_after_s / 2)
            except asyncio.TimeoutError:
                if pinged and self._conversation.waits:
                    return f"no answer for {self._patience.dead_after_s:g} s"
                pinged = True
                with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                    await asyncio.wait_for(socket.send_str('{"type":"ping"}'), self._patience.dead_after_s / 2)
                continue
            pinged = False
            self._alive_s = time.monotonic()
            if frame.type.name != "TEXT":
                return f"close code {socket.close_code}"
            self._hear(json.loads(frame.data))
            if self._conversation.finished:
                return "closed"

    def _hear(self, message: dict[str, Any]) -> None:
        for event in self._conversation.receive(message, time.monotonic()):
            self._tell(event)
        if message.get("type") == "ack":
            self._backoff.succeeded()
        if self._conversation.room > 0:
            self._room.set()
        self._work.set()

    async def _write(self, socket: Any) -> None:
        """Send whatever there is to send; a connection that is lost meanwhile ends the reader, too."""
        conversation = self._conversation
        while True:
            try:
                while (message := conversation.to_send(time.monotonic())) is not None:
                    await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
            except (ConnectionError, RuntimeError):
                return
            if conversation.is_broken:
                await socket.close(code=_GIVEN_UP)
                return
            self._work.clear()
            due_s = conversation.next_send_s()
            timeout_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._work.wait(), timeout_s)

    def _last_error(self) -> str:
        error = next((event for event in reversed(self._told) if isinstance(event, ServerError)), None)
        return "" if error is None else f": {error.text}"


class _TryAgainError(FastringError):
    """Nobody answered; `after_s` is what the server asked for, if one did."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


async def transcribe(
    url: str, source: Source, stream_id: str | None = None, **options: Any
) -> AsyncIterator[ClientEvent]:
    """The events of a whole source, as they come.

        async for event in transcribe("http://127.0.0.1:8000", "talk.mp3"):
            if isinstance(event, Final):
                print(event.text)

    Args:
        url: of the server.
        source: a path, an array, bytes, or an iterator or async iterator of arrays or bytes; `microphone()` is one.
        stream_id: a name; None makes one.
        options: of `VoiceStream`.

    Raises:
        FastringError: as `VoiceStream` and `VoiceStream.feed`.
    """
    async with VoiceStream(url, stream_id, **options) as stream:
        loop = asyncio.get_running_loop()
        feeder = loop.create_task(stream.feed(source), name=f"feed {stream.stream_id}")
        failed = loop.create_task(_failure_of(feeder, stream))
        try:
            async for event in stream:
                yield event
            await feeder
        finally:
            for task in (feeder, failed):
                task.cancel()
            await asyncio.gather(feeder, failed, return_exceptions=True)


async def _close(socket: Any, code: int) -> None:
    """Close a WebSocket, and its transport in any case: after a reset aiohttp leaves that open."""
    try:
        await socket.close(code=code)
    finally:
        socket._response.close()


async def _failure_of(feeder: asyncio.Task[None], stream: VoiceStream) -> None:
    """A source that fails ends the stream: what came before is still answered."""
    await asyncio.wait([feeder])
    if not feeder.cancelled() and feeder.exception() is not None:
        await stream.close()


def _seconds(headers: Any) -> float:
    try:
        return min(60.0, max(0.0, float((headers or {}).get("Retry-After", 0))))
    except ValueError:
        return 0.0
