"""A live voice stream: sends audio, gives events, and when the connection is lost makes another and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

from fastring.client.backoff import Backoff
from fastring.client.conversation import Conversation, Limits
from fastring.client.dialing import DONE, GIVEN_UP, Dialer, Patience, TryAgainError
from fastring.client.events import Partial, Reconnecting
from fastring.client.plain import address_of
from fastring.client.sources import as_bytes, chunks_of
from fastring.errors import ConfigError, FastringError, ProtocolError

if TYPE_CHECKING:
    from types import TracebackType

    from fastring.client.events import ClientEvent
    from fastring.client.sources import Chunk, Source

__all__ = ["VoiceStream"]

_SAMPLE_BYTES = {"linear16": 2, "float32": 4, "mulaw": 1, "alaw": 1}
_FOR_GOOD = frozenset({1002, 1003, 1007, 1008, 1009, 4409})
"""Close codes after which another attempt would end the same way."""
_LASTED_S = 5.0


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
        self._frame_bytes = _SAMPLE_BYTES[encoding] * channels
        self._conversation = Conversation(sample_rate, self._frame_bytes, limits)
        self._backoff = Backoff(self._patience.first_wait_s, self._patience.longest_wait_s)
        self._told: deque[ClientEvent] = deque()
        self._news = asyncio.Event()  # for who iterates
        self._work = asyncio.Event()  # for who writes
        self._room = asyncio.Event()  # for who sends
        self._alive_s = 0.0  # when a connection was last a good one
        self._server_said = ""
        self._ping_due = False
        self._is_good = False  # the present one is
        self._unused: Any = None  # a connection that nobody talks over yet
        self._dialer: Dialer | None = None
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
        self._dialer = Dialer(self._url, self._address, api_key=self._api_key, within_s=self._patience.dead_after_s)
        try:
            self._unused = await self._dialer.connect()
        except TryAgainError as error:
            await self._dialer.close()
            raise FastringError(str(error)) from error.__cause__
        except BaseException:
            await self._dialer.close()
            raise
        self._alive_s = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._run(self._dialer), name=f"voice {self.stream_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the stream up, if it is not over."""
        if self._task is None or self._dialer is None:
            return
        self._task.cancel()
        try:
            await asyncio.gather(self._task, return_exceptions=True)
        finally:
            if self._unused is not None:  # it was given up before it began
                self._dialer.hang_up(self._unused, GIVEN_UP)
            await self._dialer.close()

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
        """Send all of a source, then `close`. See `chunks_of` for what it may be; bytes may be cut anywhere.

        Raises:
            FastringError: the source cannot be read, or the stream has failed.
        """
        async with contextlib.aclosing(chunks_of(source, self.sample_rate)) as chunks:
            rest = b""  # a pipe cuts within samples
            async for chunk in chunks:
                if self._over:
                    break
                data = rest + as_bytes(chunk, self._encoding, self._channels)
                whole = len(data) - len(data) % self._frame_bytes
                rest = data[whole:]
                await self.send(data[:whole])
            if rest and not self._over:
                await self.send(rest)  # which is refused by its number
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

    async def _run(self, dialer: Dialer) -> None:
        """Keep the conversation going until it is over, or nobody answers any more."""
        try:
            while True:
                reason = await self._converse(dialer)
                if self._conversation.finished:
                    return
                self._unused = await self._reconnect(dialer, reason)
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

    async def _reconnect(self, dialer: Dialer, reason: str) -> Any:
        wanted_s = 0.0
        while True:
            if time.monotonic() - self._alive_s > self._patience.give_up_s:
                raise FastringError(f"no connection to {self._url} for {self._patience.give_up_s:g} s: {reason}")
            wait_s = self._backoff.next_s(wanted_s)
            self._tell(Reconnecting(self._backoff.attempt, wait_s, reason))
            await asyncio.sleep(wait_s)
            try:
                return await dialer.connect()
            except TryAgainError as error:
                reason, wanted_s = str(error), error.after_s

    async def _converse(self, dialer: Dialer) -> str:
        """Talk over one connection until it ends; why it did.

        Raises:
            ProtocolError: the server ended it for good.
        """
        socket, self._unused = self._unused, None
        began_s, self._is_good = time.monotonic(), False
        self._conversation.connected()
        writer = asyncio.get_running_loop().create_task(self._write(socket), name=f"write {self.stream_id}")
        try:
            reason = await self._read(socket)
        finally:
            self._conversation.lost()
            if self._is_good or time.monotonic() - began_s > _LASTED_S:
                self._alive_s = time.monotonic()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            dialer.hang_up(socket, DONE if self._conversation.finished else GIVEN_UP)
        if socket.close_code in _FOR_GOOD and not self._conversation.finished:
            raise ProtocolError(f"the server closed the stream with code {socket.close_code}{self._server_said}")
        return reason

    async def _read(self, socket: Any) -> str:
        pinged = False
        while True:
            try:
                frame = await socket.receive(timeout=self._patience.dead_after_s / 2)
            except asyncio.TimeoutError:
                if pinged and self._conversation.waits:
                    return f"no answer for {self._patience.dead_after_s:g} s"
                pinged = self._ping_due = True
                self._work.set()
                continue
            pinged = False
            if frame.type.name != "TEXT":
                return f"close code {socket.close_code}"
            self._hear(json.loads(frame.data))
            if self._conversation.finished:
                return "closed"

    def _hear(self, message: dict[str, Any]) -> None:
        for event in self._conversation.receive(message, time.monotonic()):
            self._tell(event)
        kind = message.get("type")
        if kind in ("ack", "resumed"):
            self._is_good = True
        if kind == "ack":
            self._backoff.succeeded()
        elif kind == "error":
            self._server_said = f": {message.get('message')}"
        if self._conversation.room > 0:
            self._room.set()
        self._work.set()

    async def _write(self, socket: Any) -> None:
        """Send whatever there is to send; a connection that is lost meanwhile ends the reader, too."""
        conversation = self._conversation
        self._ping_due = False
        while True:
            try:
                if self._ping_due:
                    self._ping_due = False
                    await socket.send_str('{"type":"ping"}')
                while (message := conversation.to_send(time.monotonic())) is not None:
                    await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
            except (ConnectionError, RuntimeError):
                return
            if conversation.is_broken:
                await socket.close(code=GIVEN_UP)
                return
            self._work.clear()
            await self._wait_for_work(conversation.next_send_s())

    async def _wait_for_work(self, until_s: float | None) -> None:
        """A timer of its own: `asyncio.wait_for` loses a cancellation that comes with the event (Python below 3.12)."""
        timer = None
        if until_s is not None:
            timer = asyncio.get_running_loop().call_later(max(0.0, until_s - time.monotonic()), self._work.set)
        try:
            await self._work.wait()
        finally:
            if timer is not None:
                timer.cancel()
