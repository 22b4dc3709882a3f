"""Between a transport and aiohttp's WebSocket parser: stricter than the parser, and a shorter way for whole messages.

aiohttp's parser takes frames without a mask, and a message begun anew before the last one ended; and whatever it
refuses, it closes at once, so that bytes still on their way reset the connection before the peer has read why. A guard
before the parser mends both. It also saves most messages the way through the parser, its queue and a switch of tasks:
a whole message in one frame, which is what live audio comes in, is handed over where it arrives, if the connection
has nothing else to do.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WebSocketError, WSCloseCode
from aiohttp._websocket.helpers import websocket_mask

from fastring.server.flag import Flag

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from fastring.protocols.codec import Message

    Taker = Callable[[Message, float], bool]
    """Takes a message and the monotonic time; False if it would rather have it from `Socket.receive`."""

__all__ = ["DIRECT_BYTES", "FrameGuard", "first_message"]

DIRECT_BYTES = 1 << 16
"""The longest message that is handed over where it arrives."""

_MOST_DIRECT = 32  # messages of one read: whoever sends more waits for the others
_MOST_FRAMES = 200  # of one turn of the loop: of tiny ones a read holds tens of thousands
_MOST_LATE_BYTES = 1 << 22
_CLOSE = 0x8
_BINARY = 0x82  # a whole message: no fragments, no reserved bits
_WHOLE_MESSAGE = (0x81, _BINARY)


class FrameGuard:
    """Walks along the frame headers before aiohttp's parser reads them. What is wrong ends the queue with an error.

    From then on nothing is parsed any more, whoever found the error: bytes are dropped, up to the peer's close frame.

    Args:
        parser: aiohttp's.
        refuse: takes the error, after everything before it has been parsed.
        queue: what the parser has parsed and nobody has read.
        longest: a message that may be handed over; `DIRECT_BYTES` at most.
        wire: aiohttp's protocol, which holds the transport back while the queue or this guard has enough to do.

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
        wire: Any = None,
    ) -> None:
        self.broken = False
        self.left = Flag()  # the peer has said its close, or is gone
        self.taker: Taker | None = None
        self.heard_s = time.monotonic()
        self._longest = min(longest, DIRECT_BYTES)
        self._parser = parser
        self._refuse = refuse
        self._queue = queue
        self._wire = wire
        self._late = bytearray()  # of a read of many frames, for turns to come
        self._eof = False
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
            if self._wire is not None:
                self._wire._pause_reading_for_buffer()
        self._late += data
        if len(self._late) > _MOST_LATE_BYTES and self._wire is not None and self._wire.transport is not None:
            self._wire.transport.abort()

    def _go_on(self) -> None:
        data, self._late = bytes(self._late), bytearray()
        self._parse(data)
        if self._late:
            return
        if self._wire is not None:
            self._wire._resume_reading_for_buffer()  # unless the queue is full: then whoever empties it does
        if self._eof:
            self._parser.feed_eof()

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
        """The transport is closed. What has come before that is still read."""
        self.left.set()
        self._eof = True
        if not self._late:
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
