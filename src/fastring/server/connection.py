"""The pump: socket to codec to station and back.

`Intake` receives. An event is written where it is posted, as long as the peer keeps up; once it does not, and at the
end, one task writes from a bounded outbox. Timers and engine threads only post events. Whoever ends the conversation
does so by posting its last event (`Closed`, or a fatal `Failure`); the writer then sends the close code that belongs
to it, and the intake reads on until the peer answers it: closing with unread bytes would reset the connection, and the
peer might never see the last words. A peer that vanishes ends the intake, and the writer follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import WebSocketError, WSMsgType

from fastring.events import Closed, Failure
from fastring.server.flag import Flag
from fastring.server.intake import Intake
from fastring.server.outbox import Outbox, PongFrame
from fastring.server.websocket import CLOSE_TIMEOUT_S, answer_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.config import ServerSettings
    from fastring.events import Event
    from fastring.protocols.codec import Codec, Message
    from fastring.server.station import Station
    from fastring.server.websocket import Socket

__all__ = ["Connection"]

log = structlog.get_logger("fastring.server")

_GOING_AWAY = 1012
_SLOW_READER = 1013


class Connection:
    """One client. `run` returns when nothing of it is left: no task, no timer, no socket.

    Args:
        socket: prepared, with `autoclose=False` and `autoping=False`.
        transport: the socket's.
        codec: translates; its counters tell what came in.
        station: takes the commands.
        settings: limits.
        name: for logs.
        idle_timeout_s: how long the client may say nothing; None is the setting's.
        owner: whose key it came with.
        pace: told of an owner's bytes and the time, says how long to wait before more are read, in seconds.

    Attributes:
        gone: set when nothing is left.
        owner: see above.
        close_code: what the connection ended with, whoever said it first; 1006 if nobody did.
        heard_close: see `Line.heard_close`.
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
        owner: str = "",
        pace: Callable[[str, int, float], float] = lambda _owner, _bytes, _now: 0.0,
    ) -> None:
        self.codec = codec
        self.station = station
        self.name = name
        self.gone = Flag()
        self.close_code = 1006
        self.heard_close = False
        self.owner = owner
        self._socket = socket
        self._transport = transport
        self._settings = settings
        self._idle_timeout_s = settings.idle_timeout_s if idle_timeout_s is None else idle_timeout_s
        self._outbox = Outbox(settings.send_queue)
        self._intake = Intake(
            socket, codec, station, self._outbox, name=name, answer=self._answer, pace=partial(pace, owner)
        )
        self._ending = False
        self._going_away = False
        self._idle: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._sending_s: float | None = None  # since when the message that is being sent is
        self._stuck: asyncio.TimerHandle | None = None

    def post(self, event: Event) -> None:
        """Queue an event for the writer; see `Line.post`."""
        if self._ending:
            return
        last = _is_last(event)
        if not last and self._outbox.idle and self._send_now(event):
            return
        self._queue(event)
        if last:
            self._ending = True
            self._intake.stop()
        elif self._outbox.overflowed:
            self._drop_slow_reader()

    def relieve(self) -> None:
        """Read on; see `Line.relieve`."""
        self._intake.relieve()

    async def answers(self, within_s: float) -> bool:
        """Ask the peer for a sign of life; see `Line.answers`."""
        asked_s = time.monotonic()
        self._intake.pong.clear()

        async def ask() -> None:
            await self._socket.ping()
            await self._intake.pong.wait()

        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(ask(), within_s)
            return True
        return self._intake.holds_back or self._intake.heard_s > asked_s

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

    def snapshot(self) -> dict[str, Any]:
        """How it fares, for a debug view: figures and states, nothing that was said."""
        now = time.monotonic()
        return {
            "name": self.name,
            "owner": self.owner,
            "waiting_events": len(self._outbox),
            "unsent_bytes": self._transport.get_write_buffer_size(),
            "sending_s": None if self._sending_s is None else round(now - self._sending_s, 3),
            "silent_s": round(now - self._intake.heard_s, 3),
            "held_back": self._outbox.crowded or self.station.congested,
            "ending": self._ending,
            **asdict(self.codec.counters),
        }

    def revoke(self) -> None:
        """Close because its key is no longer one."""
        self.post(Failure("unauthorized", "this API key is no longer valid", fatal=True))

    async def run(self) -> None:
        """Serve until either side is done."""
        loop = asyncio.get_running_loop()
        self._socket.last_words = self._too_large()
        self._idle = loop.call_later(self._idle_timeout_s, self._check_idle)
        try:
            self.station.attach(self)
            last = await self._intake.run()
            if last.type is WSMsgType.CLOSE:
                await self._answer_close(last.data)
            else:
                self._note_end(last.data)
        finally:
            await self._tear_down()
            self.gone.set()

    # --- in ----------------------------------------------------------------------------------------------------------

    def _note_end(self, error: object) -> None:
        """The socket ended by itself: the peer vanished, or what it sent is against the rules of WebSockets."""
        if isinstance(error, WebSocketError) and self._farewell is None:
            self.close_code = error.code
            self.codec.counters.malformed += 1

    def _check_idle(self) -> None:
        idle_s = time.monotonic() - self._intake.heard_s
        limit_s = self._idle_timeout_s
        if idle_s >= limit_s:
            self.post(Failure("idle_timeout", f"nothing came for {limit_s:g} s (server.idle_timeout_s)", fatal=True))
        else:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(limit_s - idle_s, self._check_idle)

    # --- out ---------------------------------------------------------------------------------------------------------

    def _answer(self, event: Event | PongFrame) -> None:
        if isinstance(event, PongFrame):
            self._queue(event)
        else:
            self.post(event)

    def _send_now(self, event: Event) -> bool:
        """Write an event where it is posted; False, and it has to wait, if the peer does not keep up."""
        if not self._socket.writable:
            return False
        try:
            for message in self.codec.encode(event):
                self._socket.send_now(message)
        except Exception:  # the writer will stumble over it, too, and knows what to do
            return False
        return True

    def _queue(self, event: Event | PongFrame) -> None:
        """Leave an event to the writer, of which there is none before it is needed."""
        self._outbox.put(event)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(), name=f"write {self.name}")

    async def _write(self) -> None:
        try:
            while self._farewell is None:
                for event in await self._outbox.take():
                    for message in (event,) if isinstance(event, PongFrame) else self.codec.encode(event):
                        await self._send(message)
                        if self._farewell is not None:  # cut meanwhile: nothing may follow a close
                            return
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
            self._intake.stop()

    async def _send(self, message: Message | PongFrame) -> None:
        self._sending_s = time.monotonic()
        if self._stuck is None:
            self._watch_sending(self._settings.send_timeout_s)
        if isinstance(message, str):
            await self._socket.send_str(message)
        elif isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.pong(message.data)
        self._sending_s = None

    def _watch_sending(self, delay_s: float) -> None:
        self._stuck = asyncio.get_running_loop().call_later(delay_s, self._check_sending)

    def _check_sending(self) -> None:
        """Drop a reader that has taken nothing for too long. One timer a while is cheaper than one a message."""
        self._stuck = None
        if self._sending_s is None or self._ending:
            return
        left_s = self._sending_s + self._settings.send_timeout_s - time.monotonic()
        if left_s <= 0:
            self._drop_slow_reader()
        else:
            self._watch_sending(left_s)

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
        self._intake.stop()
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
        self.heard_close = self._farewell is not None and code == self.close_code
        if self._farewell is None:
            self.close_code = code or 1005
            await self._socket.close(code=answer_to(code), drain=False)
        self._transport.close()

    async def _tear_down(self) -> None:
        """Give everything back, whatever state the conversation was in."""
        self._ending = True
        self._intake.pong.set()  # who asks finds the stream gone
        for timer in (self._idle, self._farewell, self._stuck):
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
