"""The pump: socket to codec to station and back; the only await loop there is.

One task reads. One task writes, from a bounded outbox. Timers and engine threads only post events. Whoever ends the
conversation does so by posting its last event (`Closed`, or a fatal `Failure`); the writer then sends the close code
that belongs to it, and the reader reads on until the peer answers it: closing with unread bytes would reset the
connection, and the peer might never see the last words. A peer that vanishes ends the reader, and the writer follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from aiohttp import WSMsgType, web

from fastring.errors import FastringError, ProtocolError
from fastring.events import Audio, Closed, Failure
from fastring.server.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastring.config import ServerSettings
    from fastring.events import Command, Event
    from fastring.protocols.codec import Codec, Message
    from fastring.server.station import Station

__all__ = ["CLOSE_TIMEOUT_S", "Connection", "Socket"]

log = structlog.get_logger("fastring.server")

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close, or to read the last words."""

_BURST_S = 0.002  # what one connection may keep the loop for while messages are waiting
_WAITED_S = 0.0002  # a read that took longer than this has let others run

_TOO_LARGE = 1009
_ECHOED = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
_GOING_AWAY = 1012
_SLOW_READER = 1013


class Socket(web.WebSocketResponse):
    """A WebSocket that says why before it closes on its own account (an oversized message)."""

    last_words: str = ""

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Close, with the last words if a message was too large."""
        if code == _TOO_LARGE and self.last_words and not self.closed:
            words, self.last_words = self.last_words, ""
            with contextlib.suppress(ConnectionError):
                await self.send_str(words)
        return await super().close(code=code, message=message, drain=drain)


class Connection:
    """One client. `run` returns when nothing of it is left: no task, no timer, no socket.

    Args:
        socket: prepared, with `autoclose=False`.
        transport: the socket's.
        codec: translates; its counters tell what came in.
        station: takes the commands.
        settings: limits.
        name: for logs.
        idle_timeout_s: how long the client may say nothing; None is the setting's.

    Attributes:
        gone: set when nothing is left.
        close_code: what the connection ended with, whoever said it first; 1006 if nobody did.
    """

    def __init__(
        self,
        socket: Socket,
        transport: asyncio.Transport,
        codec: Codec,
        station: Station,
        settings: ServerSettings,
        *,
        name: str,
        idle_timeout_s: float | None = None,
    ) -> None:
        self.codec = codec
        self.station = station
        self.name = name
        self.gone = asyncio.Event()
        self.close_code = 1006
        self._socket = socket
        self._transport = transport
        self._settings = settings
        self._idle_timeout_s = settings.idle_timeout_s if idle_timeout_s is None else idle_timeout_s
        self._outbox = Outbox(settings.send_queue)
        self._ending = False
        self._going_away = False
        self._held: asyncio.Future[None] | None = None
        self._heard_s = time.monotonic()
        self._idle: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._farewell: asyncio.TimerHandle | None = None

    def post(self, event: Event) -> None:
        """Queue an event for the writer; see `Line.post`."""
        if self._ending:
            return
        self._outbox.put(event)
        if _is_last(event):
            self._ending = True
            self._release_reader()
        elif self._outbox.overflowed:
            self._drop_slow_reader()

    def relieve(self) -> None:
        """Read on; see `Line.relieve`."""
        if self._held is not None and not self._held.done():
            self._held.set_result(None)

    def finish(self) -> None:
        """Ask the client to come back elsewhere, once what it sent is answered."""
        if not self._ending:
            self._going_away = True
            try:
                self.station.finish(time.monotonic())
            except Exception:  # one connection's fault must not keep the others from their end
                log.exception("finishing failed", connection=self.name)
                self.post(Failure("internal", "the server failed at the end; its log says why", fatal=True))

    def hang_up(self) -> None:
        """Close now, whatever is unanswered."""
        self._cut(_GOING_AWAY, b"going away")

    async def run(self) -> None:
        """Serve until either side is done."""
        loop = asyncio.get_running_loop()
        self._socket.last_words = self._too_large()
        self._writer = loop.create_task(self._write(), name=f"write {self.name}")
        self._idle = loop.call_later(self._idle_timeout_s, self._check_idle)
        try:
            self.station.attach(self)
            await self._read()
        finally:
            await self._tear_down()
            self.gone.set()

    # --- in ----------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        burst_s = time.monotonic()
        while True:
            while not self._ending and (self._outbox.crowded or self.station.congested):
                await self._hold()
            before_s = time.monotonic()
            message = await self._socket.receive()
            now = time.monotonic()
            if now - before_s > _WAITED_S:
                burst_s = now
            if message.type is WSMsgType.BINARY or message.type is WSMsgType.TEXT:
                self._heard_s = now
                await self._handle(message.data)
            elif message.type is WSMsgType.CLOSE:
                await self._answer_close(message.data)
                return
            elif message.type is not WSMsgType.PING and message.type is not WSMsgType.PONG:
                return
            if time.monotonic() - burst_s > _BURST_S:
                await asyncio.sleep(0)
                burst_s = time.monotonic()

    async def _handle(self, message: Message) -> None:
        """Hand one message to the station; whatever is wrong with it is answered, and the stream goes on."""
        try:
            for command in self.codec.decode(message):
                pieces = self._pieces(command)
                self._receive(next(pieces))
                for piece in pieces:
                    await asyncio.sleep(0)
                    while not self._ending and self.station.congested:
                        await self._hold()
                    self._receive(piece)
        except ProtocolError as error:
            self.post(Failure(error.code, str(error), fatal=error.close_code is not None))
        except FastringError as error:
            self.codec.counters.malformed += 1
            self.post(Failure("invalid_field", str(error)))
        except Exception:
            log.exception("message failed", connection=self.name)
            self.post(Failure("internal", "the server failed on this message; its log says why", fatal=True))

    def _receive(self, command: Command) -> None:
        if not self._ending:
            self.station.receive(command, time.monotonic())

    def _pieces(self, command: Command) -> Iterator[Command]:
        """A command as it is, or long audio cut into pieces that keep the loop for a moment only."""
        size = self.station.slice_bytes
        if not isinstance(command, Audio) or len(command.data) <= size:
            yield command
            return
        for start in range(0, len(command.data), size):
            yield replace(command, data=command.data[start : start + size])

    async def _hold(self) -> None:
        """Read nothing until answers have gone out or the station has room; the peer's own buffers fill meanwhile."""
        if self._outbox.crowded:
            await self._outbox.room()
        else:
            self._held = asyncio.get_running_loop().create_future()
            await self._held

    def _release_reader(self) -> None:
        self.relieve()
        self._outbox.release()

    def _check_idle(self) -> None:
        idle_s = time.monotonic() - self._heard_s
        limit_s = self._idle_timeout_s
        if idle_s >= limit_s:
            self.post(Failure("idle_timeout", f"nothing came for {limit_s:g} s (server.idle_timeout_s)", fatal=True))
        else:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(limit_s - idle_s, self._check_idle)

    # --- out ---------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            while True:
                for event in await self._outbox.take():
                    for message in self.codec.encode(event):
                        await self._send(message)
                    if isinstance(event, Closed | Failure) and _is_last(event):
                        await self._say_goodbye(*self._close_frame(event))
                        return
        except ConnectionError:
            pass  # the peer is gone; the reader sees it too
        except Exception:
            log.exception("sending failed", connection=self.name)
            await self._say_goodbye(1011, b"internal")
        finally:
            self._ending = True
            self._release_reader()

    async def _send(self, message: Message) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    def _close_frame(self, event: Closed | Failure) -> tuple[int, bytes]:
        """Code and reason, of which a close frame holds 123 bytes."""
        code, reason = self.codec.close_frame(event)
        if self._going_away and isinstance(event, Closed):
            code = _GOING_AWAY
        return code, reason.encode("ascii", "replace")[:123]

    def _drop_slow_reader(self) -> None:
        log.warning("slow reader dropped", connection=self.name, waiting=len(self._outbox))
        self._cut(_SLOW_READER, b"results are not read fast enough")

    def _cut(self, code: int, reason: bytes) -> None:
        """End without sending what waits. The peer gets a moment to take the close code, then it is cut off.

        The writer is not cancelled yet: it may be waiting for the peer, and aiohttp lets all who do share one future.
        """
        self._ending = True
        self._release_reader()
        self._closer = asyncio.get_running_loop().create_task(
            self._say_goodbye(code, reason), name=f"close {self.name}"
        )

    # --- the end -----------------------------------------------------------------------------------------------------

    async def _say_goodbye(self, code: int, reason: bytes) -> None:
        """Send the close code. The reader waits for the answer; a peer that gives none is cut off."""
        if self._farewell is None:
            self.close_code = code
            self._farewell = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
            with contextlib.suppress(ConnectionError):
                await self._socket.send_frame(struct.pack("!H", code) + reason, WSMsgType.CLOSE)

    async def _answer_close(self, code: int | None) -> None:
        """The peer has said its close code: say it too, unless it is the answer to ours, and close."""
        if self._farewell is None:
            self.close_code = code or 1005
            answer = code if code and (code in _ECHOED or 3000 <= code < 5000) else 1000
            await self._socket.close(code=answer, drain=False)
        self._transport.close()

    async def _tear_down(self) -> None:
        """Give everything back, whatever state the conversation was in."""
        self._ending = True
        for timer in (self._idle, self._farewell):
            if timer is not None:
                timer.cancel()
        self.station.detach()
        tasks = [task for task in (self._closer, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._transport.is_closing():
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(self._socket.close(code=1011), CLOSE_TIMEOUT_S)
        if self._transport.get_write_buffer_size():  # would stay open for as long as the peer does not read
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def _too_large(self) -> str:
        limit = self._settings.max_message_bytes
        failure = Failure("message_too_large", f"at most {limit} bytes (server.max_message_bytes)", fatal=True)
        messages = self.codec.encode(failure)
        return str(messages[0]) if messages and isinstance(messages[0], str) else ""


def _is_last(event: Event) -> bool:
    return isinstance(event, Closed) or (isinstance(event, Failure) and event.fatal)
