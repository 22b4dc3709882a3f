"""The WebSocket as this server wants it: as strict as RFC 6455, and with its last words heard.

aiohttp's parser takes frames without a mask, and a message begun anew before the last one ended; and whatever it
refuses, it closes at once, so that bytes still on their way reset the connection before the peer has read why. A guard
before the parser mends both. It also saves most messages the way through the parser, its queue and a switch of tasks:
a whole message in one frame, which is what live audio comes in, is handed over where it arrives, if the connection
has nothing else to do. A timer of aiohttp's that is set anew with each read is left alone until it rings.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from aiohttp._websocket.helpers import websocket_mask

from fastring.server.flag import Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from fastring.protocols.codec import Message

    Taker = Callable[[Message, float], bool]
    """Takes a message and the monotonic time; False if it would rather have it from `Socket.receive`."""

__all__ = ["CLOSE_TIMEOUT_S", "DIRECT_BYTES", "FrameGuard", "Socket", "answer_to", "first_message"]

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close, or to read the last words."""

DIRECT_BYTES = 1 << 16
"""The longest message that is handed over where it arrives."""

_MOST_DIRECT = 32  # messages of one read: whoever sends more waits for the others
_MOST_FRAMES = 200  # of one turn of the loop: of tiny ones a read holds tens of thousands
_MOST_LATE_BYTES = 1 << 22
_CLOSE = 0x8
_BINARY = 0x82  # a whole message: no fragments, no reserved bits
_WHOLE_MESSAGE = (0x81, _BINARY)
_ANSWERED = (*range(1000, 1004), *range(1007, 1015))  # the codes that may stand in a close frame


def answer_to(code: int | None) -> int:
    """The close code that answers a peer's: the same, 1000 if it gave none, 1002 if no frame may carry it."""
    if not code:
        return 1000
    return code if code in _ANSWERED or 3000 <= code < 5000 else 1002


class FrameGuard:
    """Walks along the frame headers before aiohttp's parser reads them. What is wrong ends the queue with an error.

    From then on nothing is parsed any more, whoever found the error: bytes are dropped, up to the peer's close frame.

    Args:
        parser: aiohttp's.
        refuse: takes the error, after everything before it has been parsed.
        queue: what the parser has parsed and nobody has read.
        longest: a message that may be handed over; `DIRECT_BYTES` at most.
        transport: is told to wait while there is more than one turn's work.

    Attributes:
        taker: is offered each such message while nothing waits in the queue, and the time; what it does not take goes
            to the parser.
        heard_s: when the last bytes came, on the monotonic clock.
    """

    def __init__(
        self,
        parser: Any,
        refuse: Callable[[WebSocketError], None],
        queue: Sized = (),
        *,
        longest: int = DIRECT_BYTES,
        transport: asyncio.Transport | None = None,
    ) -> None:
        self.broken = False
        self.left = Flag()  # the peer has said its close, or is gone
        self.taker: Taker | None = None
        self.heard_s = time.monotonic()
        self._longest = min(longest, DIRECT_BYTES)
        self._parser = parser
        self._refuse = refuse
        self._queue = queue
        self._transport = transport
        self._late = bytearray()  # of a read of many frames, for turns to come
        self._direct = True  # the next byte is the first of a frame that begins a message
        self._begun = bytearray()  # of a message that may be handed over once it is whole
        self._wanted = 0  # its length, header included
        self._header = b""  # of a frame of which no more has come
        self._to_skip = 0  # bytes of a payload to come
        self._in_message = False
        self._close_comes = False  # the payload to come is a close frame's

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes from the transport; never asks it to close."""
        self.heard_s = now = time.monotonic()
        if self._late:
            self._wait_with(data)
            return False, b""
        if self._direct and self.taker is not None and not self._queue:
            data = self._hand_over(data, self.taker, now)
        elif self._begun:
            data, self._begun = bytes(self._begun) + data, bytearray()
        if data:
            self._parse(data)
        return False, b""

    def _hand_over(self, data: bytes, taker: Taker, now: float) -> bytes:
        """Offer whole messages to the taker; returns what is left for the parser. The start of a message is kept."""
        if self._begun:
            self._begun += data
            if len(self._begun) < self._wanted:
                return b""
            data, self._begun = bytes(self._begun), bytearray()
        at, size = 0, len(data)
        for _ in range(_MOST_DIRECT):
            message, end = first_message(data, at, self._longest)
            if end > size:
                self._begun, self._wanted = bytearray(data[at:]), end - at
                return b""
            if message is None or not taker(message, now):
                break
            at = end
            if at == size:
                return b""
        return data[at:] if at else data

    def _parse(self, data: bytes) -> None:
        held = len(self._header)
        error, end = self._walk(data)
        if end - held < len(data):
            self._wait_with(data[end - held :])
            data = data[: end - held]
        self._feed(data, error, held)
        self._direct = not (self._header or self._to_skip or self._in_message or self.broken or self._late)

    def _wait_with(self, data: bytes) -> None:
        """Others come first, and then this; nothing more is read meanwhile."""
        if not self._late:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._late += data
        if self._transport is not None:
            self._transport.pause_reading()
            if len(self._late) > _MOST_LATE_BYTES:
                self._transport.abort()

    def _go_on(self) -> None:
        data, self._late = bytes(self._late), bytearray()
        self._parse(data)
        if not self._late and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _feed(self, data: bytes, error: tuple[int, str] | None, held: int) -> None:
        if self.broken:
            return
        if error is None:
            self.broken, _ = self._parser.feed_data(data)
            return
        self.broken = True
        at, text = error
        if at > held:
            self._parser.feed_data(data[: at - held])
        self._refuse(WebSocketError(WSCloseCode.PROTOCOL_ERROR, text))

    def feed_eof(self) -> None:
        """The transport is closed."""
        self.left.set()
        self._parser.feed_eof()

    def _walk(self, data: bytes) -> tuple[tuple[int, str] | None, int]:
        """Go from header to header, past `_MOST_FRAMES` at most.

        Returns:
            where the first frame that is wrong starts, and what is wrong; and up to where it went. Positions count
            from the first byte of the header that was kept from before.
        """
        data, self._header = self._header + data, b""
        at, size = self._to_skip, len(data)
        error = None
        if self._close_comes and at <= size:
            self.left.set()
        frames = 0
        while at + 2 <= size:
            if frames == _MOST_FRAMES:
                self._to_skip = 0
                return error, at
            frames += 1
            second = data[at + 1]
            length = second & 0x7F
            header = 2 if length < 126 else 4 if length == 126 else 10
            if at + header > size:
                break
            if error is None and not self.broken and (text := self._wrong_with(data[at], second)):
                error = at, text
            is_close = data[at] & 0x0F == _CLOSE
            if length > 125:
                length = int.from_bytes(data[at + 2 : at + header], "big")
            at += header + (4 if second & 0x80 else 0) + length
            if is_close:
                self._close_comes = at > size
                if at <= size:
                    self.left.set()
        self._to_skip = max(0, at - size)
        self._header = data[at:]
        return error, size

    def _wrong_with(self, first: int, second: int) -> str:
        """What the parser would let pass."""
        if not second & 0x80:
            return "a client must mask its frames"
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            return ""
        if bool(opcode) == self._in_message:
            return "a message begun before the last one ended" if opcode else "a continuation of no message"
        self._in_message = not first & 0x80
        return ""


def first_message(data: bytes, at: int, longest: int) -> tuple[Message | None, int]:
    """The message that starts there, if it is in one frame, masked, and not longer than that.

    Returns:
        the message and where it ends; None if it is of another kind, or not whole: then its end is beyond the data.
    """
    size = len(data)
    if size - at < 8 or data[at] not in _WHOLE_MESSAGE or data[at + 1] < 0x80:
        return None, 0
    length = data[at + 1] & 0x7F
    begin = at + 6
    if length >= 126:
        length, begin = (data[at + 2] << 8 | data[at + 3], at + 8) if length == 126 else (longest + 1, begin)
    end = begin + length
    if length > longest:
        return None, 0
    if end > size:
        return None, end
    payload = bytearray(data[begin:end])
    websocket_mask(data[begin - 4 : begin], payload)
    if data[at] == _BINARY:
        return bytes(payload), end
    try:
        return payload.decode(), end
    except UnicodeDecodeError:
        return None, 0


class Socket(web.WebSocketResponse):
    """A WebSocket that says why before it closes on its own account, and waits until that can have been read.

    Attributes:
        last_words: sent before a close because a message was too large.
    """

    __slots__ = ("_guard", "_pinged_s", "last_words")  # one attribute more doubles the dictionary of aiohttp's

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.last_words = ""
        self._guard: FrameGuard | None = None
        self._pinged_s = 0.0

    def hand_to(self, taker: Taker | None) -> None:
        """Offer whole messages to this one as they come, before `receive` sees them; None ends that."""
        if self._guard is not None:
            self._guard.taker = taker

    @property
    def writable(self) -> bool:
        """Whether the peer is there and keeps up with what it is sent."""
        writer = self._writer
        return not (writer is None or self._closed or writer.protocol.writing_paused or writer.transport.is_closing())

    def send_now(self, message: Message) -> None:
        """Send without waiting, where `writable`."""
        assert self._writer is not None
        if isinstance(message, str):
            self._writer._write_websocket_frame(message.encode(), WSMsgType.TEXT, 0)
        else:
            self._writer._write_websocket_frame(message, WSMsgType.BINARY, 0)

    def _post_start(self, request: Any, protocol: str | None, writer: Any) -> None:
        """Put the guard in front of the parser that aiohttp puts in place."""
        wire = request.protocol
        early, wire._message_tail = wire._message_tail, b""  # sent before the answer to the handshake was read
        super()._post_start(request, protocol, writer)
        assert self._reader is not None
        self._guard = wire._payload_parser = FrameGuard(
            self._parser,
            self._reader.set_exception,
            self._reader._buffer,
            longest=self._max_msg_size - 1,
            transport=wire.transport,
        )
        wire._data_received_cb = None  # would set a timer anew with each read; the two below look back instead
        if early:
            self._guard.feed_data(early)

    def _send_heartbeat(self) -> None:
        """The timer rings: ping, unless something has come meanwhile."""
        if not self._rest_until_silent():
            self._pinged_s = time.monotonic()
            super()._send_heartbeat()

    def _pong_not_received(self) -> None:
        """Nothing says that a pong came; any sign of life will do."""
        if not self._rest_until_silent(self._pinged_s):
            super()._pong_not_received()

    def _rest_until_silent(self, since_s: float | None = None) -> bool:
        """Set the timer to when the peer will have been silent for long enough; False if it is silent now.

        Args:
            since_s: it is silent if nothing has come since then; None: if nothing has come for a heartbeat.
        """
        assert self._guard is not None
        assert self._heartbeat is not None
        assert self._loop is not None
        silent_s = time.monotonic() - self._guard.heard_s
        if silent_s >= self._heartbeat if since_s is None else self._guard.heard_s <= since_s:
            return False
        delay_s = max(0.0, self._heartbeat - silent_s)
        self._heartbeat_when = self._loop.time() + delay_s
        self._heartbeat_cb = self._loop.call_later(delay_s, self._send_heartbeat)
        return True

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Close. If it is because of what the peer sent, say so, and let it finish first."""
        if self._guard is not None and self._guard.broken and not self.closed:
            await self._say_what_was_wrong(self._guard, code, message)
        return await super().close(code=code, message=message, drain=drain)

    async def _say_what_was_wrong(self, guard: FrameGuard, code: int, message: bytes) -> None:
        async def say() -> None:
            if code == WSCloseCode.MESSAGE_TOO_BIG and self.last_words:
                await self.send_str(self.last_words)
            await self.send_frame(struct.pack("!H", code) + message, WSMsgType.CLOSE)
            await guard.left.wait()

        with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
            await asyncio.wait_for(say(), CLOSE_TIMEOUT_S)
        self._close_transport()
