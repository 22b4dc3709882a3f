"""What comes in on a connection: each message to the codec and on to the station, at once if that can be.

A message that is short and finds nothing in its way is handled in the callback that brings it: no queue, no switch of
tasks. All others go through one task, which reads: long messages, control frames, and what comes while the station has
no room, while answers pile up, too fast, or behind one that is not done.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog
from aiohttp import WSMsgType

from fastring.errors import FastringError, ProtocolError
from fastring.events import Audio, Failure
from fastring.protocols.codec import SlicingCodec
from fastring.server.flag import Flag
from fastring.server.outbox import PongFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import WSMessage

    from fastring.events import Command, Event
    from fastring.protocols.codec import Codec, Message
    from fastring.server.outbox import Outbox
    from fastring.server.station import Station
    from fastring.server.websocket import Socket

__all__ = ["Intake"]

log = structlog.get_logger("fastring.server")

_BURST_S = 0.002  # what one connection may keep the loop for while messages are waiting
_LONGEST_PAUSE_S = 5.0  # of a client that sends more than it may; its heartbeat must still be heard
_MOST_AT_ONCE = 64  # messages, after which others run in any case: on a busy machine a clock alone is fooled
_WAITED_S = 0.0002  # a read that took longer than this has let others run


def _text_of(message: bytearray) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"not UTF-8: {error.reason}", code="invalid_json", close_code=1007) from None


class Intake:
    """The receiving half of a connection.

    Args:
        socket: prepared.
        codec: translates.
        station: takes the commands.
        outbox: while it is crowded, nothing is taken.
        name: of the connection, for logs.
        answer: sends an event, or the answer to a ping.
        pace: told of bytes and the time, says how long to wait before more are read, in seconds.

    Attributes:
        heard_s: when the last message came, on the monotonic clock.
        pong: set when the peer has answered a ping of ours.
    """

    def __init__(
        self,
        socket: Socket,
        codec: Codec,
        station: Station,
        outbox: Outbox,
        *,
        name: str,
        answer: Callable[[Event | PongFrame], object],
        pace: Callable[[int, float], float],
    ) -> None:
        self.heard_s = time.monotonic()
        self.pong = Flag()
        self._socket = socket
        self._codec = codec
        self._station = station
        self._outbox = outbox
        self._name = name
        self._answer = answer
        self._pace = pace
        self._context = contextvars.copy_context()  # whose connection it is, for the log
        self._listening = False  # the task waits, and has nothing to do before
        self._stopped = False
        self._rest_until_s = 0.0  # the client sends more than it may
        self._held: asyncio.Future[None] | None = None

    @property
    def holds_back(self) -> bool:
        """Nothing is read now, because of the station or the pace: the peer could answer nothing."""
        return time.monotonic() < self._rest_until_s or (self._held is not None and not self._held.done())

    async def run(self) -> WSMessage:
        """Take what comes, until the peer closes or is gone; returns what says so."""
        self._context = contextvars.copy_context()
        self._socket.hand_to(self._take)
        try:
            return await self._read()
        finally:
            self._socket.hand_to(None)

    def stop(self) -> None:
        """Hand nothing more to the station, and read on."""
        self._stopped = True
        self.relieve()
        self._outbox.release()

    def relieve(self) -> None:
        """There may be room in the station again."""
        if self._held is not None and not self._held.done():
            self._held.set_result(None)

    # --- at once -----------------------------------------------------------------------------------------------------

    def _take(self, message: Message, now: float) -> bool:
        """Handle a message where it arrives, if it is short and nothing is in its way; see `Socket.hand_to`."""
        station = self._station
        if (
            not self._listening
            or self._stopped
            or len(message) > station.slice_bytes
            or self._outbox.crowded
            or station.congested
        ):
            return False
        self.heard_s = now
        wait_s = self._pace(len(message), now)
        if wait_s:
            self._hold_back(wait_s, now)
        self._context.run(self._obey, message, now)
        return True

    def _hold_back(self, wait_s: float, now: float) -> None:
        """More came than may come: what follows waits for the task, which lets it wait."""
        self._rest_until_s = now + min(wait_s, _LONGEST_PAUSE_S)
        self._listening = False

    # --- in turn -----------------------------------------------------------------------------------------------------

    async def _read(self) -> WSMessage:
        burst_s = before_s = time.monotonic()
        at_once = 0
        while True:
            await self._room()
            self._listening = not self._rest_until_s
            message = await self._socket.receive()
            self._listening = False
            now = time.monotonic()
            if now - before_s > _WAITED_S:
                burst_s = now
            if message.type is WSMsgType.BINARY or message.type is WSMsgType.TEXT:
                self.heard_s = now
                await self._rest(now)
                await self._room()  # again, for it may be what `_take` had no room for
                if wait_s := self._pace(len(message.data), now):
                    self._hold_back(wait_s, now)
                await self._handle(message.data, now)
                await self._rest(now)
            elif message.type is WSMsgType.PING:
                self._answer(PongFrame(message.data))
            elif message.type is WSMsgType.PONG:
                self.pong.set()
            else:
                return message
            before_s = time.monotonic()
            at_once += 1
            if before_s - burst_s > _BURST_S or at_once == _MOST_AT_ONCE:
                await asyncio.sleep(0)
                burst_s = before_s = time.monotonic()
                at_once = 0

    async def _room(self) -> None:
        """Wait until answers have gone out and the station has room; the peer's own buffers fill meanwhile."""
        while not self._stopped and (self._outbox.crowded or self._station.congested):
            await self._hold()

    async def _rest(self, now: float) -> None:
        """Let a client that sends too much wait."""
        if self._rest_until_s:
            rest_s = self._rest_until_s - now
            if rest_s > 0 and not self._stopped:
                await asyncio.sleep(rest_s)
            self._rest_until_s = 0.0

    async def _decode_long(self, message: bytearray) -> list[Command]:
        """Decode a text of megabytes, in steps if its codec can, other work in between."""
        if not isinstance(self._codec, SlicingCodec):
            return self._codec.decode(_text_of(message))
        commands: list[Command] = []
        for some in self._codec.decode_slices(message):
            commands += some
            await asyncio.sleep(0)
        return commands

    def _obey(self, message: Message, now: float) -> None:
        """Hand one short message to the station."""
        try:
            for command in self._codec.decode(message):
                if not self._stopped:
                    self._station.receive(command, now)
        except Exception as error:
            self._tell(error)

    async def _handle(self, message: Message | bytearray, now: float) -> None:
        """Hand one message of any length to the station."""
        try:
            if isinstance(message, bytearray):
                commands = await self._decode_long(message)
            elif len(message) <= self._station.slice_bytes:
                self._obey(message, now)
                return
            else:
                commands = self._codec.decode(message)
            for command in commands:
                if isinstance(command, Audio) and len(command.data) > self._station.slice_bytes:
                    await self._work_off(command)
                elif not self._stopped:
                    self._station.receive(command, now)
        except Exception as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Answer what was wrong with a message; the stream goes on, unless it is our fault."""
        if isinstance(error, ProtocolError):
            self._answer(Failure(error.code, str(error), fatal=error.close_code is not None))
        elif isinstance(error, FastringError):
            self._codec.counters.malformed += 1
            self._answer(Failure("invalid_field", str(error)))
        else:
            log.error("message failed", connection=self._name, exc_info=error)
            self._answer(Failure("internal", "the server failed on this message; its log says why", fatal=True))

    async def _work_off(self, audio: Audio) -> None:
        """Hand over long audio in pieces that keep the loop for a moment only."""
        size = self._station.slice_bytes
        for start in range(0, len(audio.data), size):
            if start:
                await asyncio.sleep(0)
                while not self._stopped and self._station.congested:
                    await self._hold()
            if not self._stopped:
                self._station.receive(replace(audio, data=audio.data[start : start + size]), time.monotonic())

    async def _hold(self) -> None:
        """Wait for a sign that there may be room again."""
        if self._outbox.crowded:
            await self._outbox.room()
        else:
            self._held = asyncio.get_running_loop().create_future()
            await self._held
