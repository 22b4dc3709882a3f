"""The WebSocket as this server wants it: as strict as RFC 6455, and with its last words heard.

A `FrameGuard` before aiohttp's parser sees every frame first. A timer of aiohttp's that is set anew with each read is
left alone until it rings.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from fastring.server.frame_guard import FrameGuard

if TYPE_CHECKING:
    from fastring.protocols.codec import Message
    from fastring.server.frame_guard import Taker

__all__ = ["CLOSE_TIMEOUT_S", "Socket", "answer_to"]

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close, or to read the last words."""

_ANSWERED = (*range(1000, 1004), *range(1007, 1015))  # the codes that may stand in a close frame


def answer_to(code: int | None) -> int:
    """The close code that answers a peer's: the same, 1000 if it gave none, 1002 if no frame may carry it."""
    if not code:
        return 1000
    return code if code in _ANSWERED or 3000 <= code < 5000 else 1002


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

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """The next message; a text of more than a mebibyte is a `bytearray`, see `FrameGuard.read`."""
        message = await super().receive(timeout)
        return message if self._guard is None else self._guard.read(message)

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
            wire=wire,
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
