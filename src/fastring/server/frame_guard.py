"""Between a transport and aiohttp's WebSocket parser: stricter than the parser, and a shorter way for whole messages.

aiohttp's parser takes frames without a mask, and a message begun anew before the last one ended; and whatever it
refuses, it closes at once, so that bytes still on their way reset the connection before the peer has read why. A guard
before the parser mends both. It also saves most messages the way through the parser, its queue and a switch of tasks:
a whole message in one frame, which is what live audio comes in, is handed over where it arrives, if the connection
has nothing else to do. Messages in fragments and those of megabytes it puts together itself, a share with each read.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType
from aiohttp._websocket.helpers import websocket_mask

from fastring.server.flag import Flag
from fastring.server.long_message import LongMessage

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
_LONG_BYTES = 1 << 20  # what is longer never passes the parser
_LAST = 0x80
_RESERVED = 0x70
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0x0, 0x1, 0x2, 0x8
_WHOLE_MESSAGE = (_LAST | _TEXT, _LAST | _BINARY)  # no fragments, no reserved bits


class FrameGuard:
    """Walks along the frame headers before aiohttp's parser reads them. What is wrong ends the queue with an error.

    From then on nothing is parsed any more, whoever found the error: bytes are dropped, up to the peer's close frame.

    Args:
        parser: aiohttp's.
        refuse: takes the error, after everything before it has been parsed.
        queue: what the parser has parsed and nobody has read.
        longest: bytes a message may have.
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
        longest: int = 1 << 20,
        wire: Any = None,
    ) -> None:
        self.broken = False
        self.left = Flag()  # the peer has said its close, or is gone
        self.taker: Taker | None = None
        self.heard_s = time.monotonic()
        self._longest = longest
        self._most_direct = min(longest, DIRECT_BYTES)
        self._parser = parser
        self._refuse = refuse
        self._queue = queue
        self._wire = wire
        self._late = bytearray()  # for turns to come
        self._waits = False  # for its next turn
        self._eof = False
        self._direct = True  # the next byte is the first of a frame that begins a message
        self._begun = bytearray()  # of a message that may be handed over once it is whole
        self._wanted = 0  # its length, header included
        self._header = b""  # of a frame of which no more has come
        self._to_skip = 0  # bytes to come of a payload that is the parser's
        self._in_message = False
        self._close_comes = False  # the payload to come is a close frame's
        self._long: LongMessage | None = None  # that is being put together
        self._kept: LongMessage | None = None  # whole, until it is read
        self._token = b""  # what stands for it in the queue

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes from the transport; never asks it to close."""
        self.heard_s = now = time.monotonic()
        if self._late or self._kept is not None:
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
            message, end = first_message(data, at, self._most_direct)
            if end > size:
                self._begun, self._wanted = bytearray(data[at:]), end - at
                return b""
            if message is None or not taker(message, now):
                break
            at = end
            if at == size:
                return b""
        return data[at:] if at else data

    def feed_eof(self) -> None:
        """The transport is closed. What has come before that is still read."""
        self.left.set()
        self._eof = True
        if not self._late:
            self._parser.feed_eof()

    # --- frame by frame ----------------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        """Go from header to header. What is right goes to the parser, or into the message that is put together here."""
        data, self._header = self._header + data, b""
        fed = self._gather(data, 0)
        at = self._skip(data, fed)
        for _ in range(_MOST_FRAMES):
            if at == len(data) or self._kept is not None:
                break
            end, length = _head(data, at)
            if end > len(data):
                self._feed(data[fed:at])
                self._header, fed = data[at:], len(data)
                at = fed
                break
            if not self.broken and (text := self._wrong_with(data[at], data[at + 1])):
                self._feed(data[fed:at])
                self._fail(WebSocketError(WSCloseCode.PROTOCOL_ERROR, text))
            if not self.broken and self._is_ours(data[at], length):
                self._feed(data[fed:at])
                fed = at = self._begin_frame(data, at, end, length)
            else:
                self._close_comes = data[at] & 0x0F == _CLOSE
                self._to_skip = length
                at = self._skip(data, end)
        self._feed(data[fed:at])
        if at < len(data):
            self._wait_with(data[at:])
        self._direct = not (
            self._header or self._to_skip or self._in_message or self.broken or self._late or self._long or self._kept
        )

    def _feed(self, data: bytes) -> None:
        if data and not self.broken:
            self.broken, _ = self._parser.feed_data(data)

    def _fail(self, error: WebSocketError) -> None:
        if not self.broken:
            self.broken = True
            self._refuse(error)

    def _skip(self, data: bytes, at: int) -> int:
        """Leave to the parser what is left of its frame; returns where that ends."""
        size = min(self._to_skip, len(data) - at)
        self._to_skip -= size
        if self._close_comes and not self._to_skip:
            self._close_comes = False
            self.left.set()
        return at + size

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

    # --- messages that are put together here -------------------------------------------------------------------------

    def _is_ours(self, first: int, length: int) -> bool:
        """Whether a frame belongs to a message in fragments, or to a long one."""
        if first & 0x0F not in (_CONTINUATION, _TEXT, _BINARY) or first & _RESERVED:
            return False
        return self._long is not None or not first & _LAST or length > _LONG_BYTES

    def _begin_frame(self, data: bytes, at: int, end: int, length: int) -> int:
        if self._long is None:
            self._long = LongMessage(data[at] & 0x0F, self._longest)
        try:
            self._long.begin_frame(length, data[end - 4 : end], last=bool(data[at] & _LAST))
        except WebSocketError as error:
            self._long = None
            self._fail(error)
            self._to_skip = length
            return self._skip(data, end)
        return self._gather(data, end)

    def _gather(self, data: bytes, at: int) -> int:
        """Take what is left of a frame of the message that is put together; returns where that ends."""
        if self._long is None:
            return at
        at = self._long.take(data, at)
        if self._long.whole:
            self._hand_in(self._long)
            self._long = None
        return at

    def _hand_in(self, message: LongMessage) -> None:
        """The parser gets a message in one frame; or, for a long one, a token of the same place in the queue."""
        if len(message.data) <= _LONG_BYTES:
            self._feed(_frame(message.kind, message.data))
            return
        self._kept, self._token = message, secrets.token_bytes(16)
        self._feed(_frame(_BINARY, self._token))
        self._halt()

    def read(self, message: WSMessage) -> WSMessage:
        """What the reader gets for what came out of the queue: for a token the message that it stands for.

        A long text is a `bytearray` of what should be UTF-8, for to decode it takes a while.
        """
        kept = self._kept
        if kept is None or message.data != self._token:
            return message
        self._kept = None
        self._go_on_soon()
        if kept.kind == _TEXT:
            return WSMessage(WSMsgType.TEXT, kept.data, "")
        return WSMessage(WSMsgType.BINARY, bytes(kept.data), "")

    # --- later -------------------------------------------------------------------------------------------------------

    def _wait_with(self, data: bytes) -> None:
        """Others come first, or what was kept is read first; then this. Nothing more comes in meanwhile."""
        self._late += data
        self._halt()
        if self._kept is None:
            self._go_on_soon()
        if len(self._late) > _MOST_LATE_BYTES and self._wire is not None and self._wire.transport is not None:
            self._wire.transport.abort()

    def _halt(self) -> None:
        if self._wire is not None:
            self._wire._pause_reading_for_buffer()

    def _go_on_soon(self) -> None:
        if not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        data, self._late = bytes(self._late), bytearray()
        self._parse(data)
        if self._late:
            return
        if self._eof:
            self._parser.feed_eof()
        if self._wire is not None and self._kept is None:
            self._wire._resume_reading_for_buffer()  # unless the queue is full: then whoever empties it does


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Where the frame header that starts there ends, and the length of the payload; beyond the data if not whole."""
    if len(data) < at + 2:
        return at + 2, 0
    second = data[at + 1]
    length = second & 0x7F
    end = at + (2 if length < 126 else 4 if length == 126 else 10)
    if length > 125:
        length = int.from_bytes(data[at + 2 : end], "big")
    return end + (4 if second & 0x80 else 0), length


def _frame(opcode: int, payload: bytes | bytearray) -> bytes:
    """One frame without a mask, which the parser takes."""
    return struct.pack("!BBQ", _LAST | opcode, 127, len(payload)) + bytes(payload)


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
    if data[at] == _LAST | _BINARY:
        return bytes(payload), end
    try:
        return payload.decode(), end
    except UnicodeDecodeError:
        return None, 0
