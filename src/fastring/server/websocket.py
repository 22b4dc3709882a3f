"""The WebSocket as this server wants it: as strict as RFC 6455, and with its last words heard.

aiohttp's parser takes frames without a mask, and a message begun anew before the last one ended; and whatever it
refuses, it closes at once, so that bytes still on their way reset the connection before the peer has read why. A guard
before the parser mends both.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING, Any

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLOSE_TIMEOUT_S", "FrameGuard", "Socket", "answer_to"]

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close, or to read the last words."""

_CLOSE = 0x8
_WHOLE_MESSAGE = (0x81, 0x82)  # text and binary, no fragments, no reserved bits
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
    """

    def __init__(self, parser: Any, refuse: Callable[[WebSocketError], None]) -> None:
        self.broken = False
        self.left = asyncio.Event()  # the peer has said its close, or is gone
        self._parser = parser
        self._refuse = refuse
        self._header = b""  # of a frame of which no more has come
        self._to_skip = 0  # bytes of a payload to come
        self._in_message = False
        self._close_comes = False  # the payload to come is a close frame's

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes from the transport; never asks it to close."""
        if not (self._header or self._to_skip or self._in_message or self.broken) and _is_one_message(data):
            self.broken, _ = self._parser.feed_data(data)
            return False, b""
        held = len(self._header)
        error = self._walk(data)
        if self.broken:
            return False, b""
        if error is None:
            self.broken, _ = self._parser.feed_data(data)
            return False, b""
        self.broken = True
        at, text = error
        if at > held:
            self._parser.feed_data(data[: at - held])
        self._refuse(WebSocketError(WSCloseCode.PROTOCOL_ERROR, text))
        return False, b""

    def feed_eof(self) -> None:
        """The transport is closed."""
        self.left.set()
        self._parser.feed_eof()

    def _walk(self, data: bytes) -> tuple[int, str] | None:
        """Go from header to header; where the first frame that is wrong starts, and what is wrong.

        Positions count from the first byte of the header that was kept from before.
        """
        data, self._header = self._header + data, b""
        at, size = self._to_skip, len(data)
        error = None
        if self._close_comes and at <= size:
            self.left.set()
        while at + 2 <= size:
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
        return error

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


def _is_one_message(data: bytes) -> bool:
    """Whether that is one whole frame with a mask that is a whole message: what live audio mostly comes in."""
    size = len(data)
    if size < 6 or data[0] not in _WHOLE_MESSAGE or data[1] < 0x80:
        return False
    length = data[1] & 0x7F
    return size == (8 + (data[2] << 8 | data[3]) if length == 126 else 6 + length if length < 126 else -1)


class Socket(web.WebSocketResponse):
    """A WebSocket that says why before it closes on its own account, and waits until that can have been read.

    Attributes:
        last_words: sent before a close because a message was too large.
    """

    last_words: str = ""
    _guard: FrameGuard | None = None

    def _post_start(self, request: Any, protocol: str | None, writer: Any) -> None:
        """Put the guard in front of the parser that aiohttp puts in place."""
        wire = request.protocol
        early, wire._message_tail = wire._message_tail, b""  # sent before the answer to the handshake was read
        super()._post_start(request, protocol, writer)
        assert self._reader is not None
        self._guard = wire._payload_parser = FrameGuard(self._parser, self._reader.set_exception)
        if early:
            self._guard.feed_data(early)

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
