"""WebSocket frames made and read by hand, for what no client library would send."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x11\x22\x33\x44",
    claims: int | None = None,
    width: int = 0,
) -> bytes:
    """One frame.

    Args:
        opcode: 0..15.
        payload: what it holds.
        fin: whether it ends its message.
        rsv: the three reserved bits.
        mask: of a client's frame; None sends it as a server would.
        claims: a length in the header that is not the payload's.
        width: bytes of the length, 2 or 8, where fewer would do.
    """
    data = payload.encode() if isinstance(payload, str) else payload
    length = len(data) if claims is None else claims
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = 0x80 if mask is not None else 0
    if width == 8 or length > 0xFFFF:
        head += bytes([bit | 127]) + struct.pack("!Q", length)
    elif width == 2 or length > 125:
        head += bytes([bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([bit | length])
    if mask is None:
        return head + data
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass
class Heard:
    """Frames up to the end of the connection, and how it ended."""

    frames: list[tuple[int, bytes]]
    reset: bool

    @property
    def code(self) -> int:
        """Of the close frame; 1005 if it had none, 1006 if there was no close frame."""
        for opcode, payload in self.frames:
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        return 1006

    def of(self, opcode: int) -> list[bytes]:
        """The payloads of that opcode."""
        return [payload for kind, payload in self.frames if kind == opcode]


class RawSocket:
    """A connection that has been upgraded, and speaks in frames."""

    def __init__(self, netloc: str, path: str, *, more: str = "", early: bytes = b"") -> None:
        self._netloc = netloc
        self._request = HANDSHAKE.format(path=path, more=more).encode() + early
        self.status = 0

    async def __aenter__(self) -> RawSocket:
        host, _, port = self._netloc.rpartition(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))
        self.writer.write(self._request)
        answer = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        self.status = int(answer.split()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()

    async def send(self, data: bytes, piece: int = 0) -> None:
        """Send bytes, so many at a time."""
        for start in range(0, len(data), piece or len(data) or 1):
            self.writer.write(data[start : start + (piece or len(data))])
            await self.writer.drain()
            if piece:
                await asyncio.sleep(0)

    async def frame(self, timeout_s: float = 5) -> tuple[int, bytes]:
        """The next frame of the server's, which must be whole and without a mask."""
        return await asyncio.wait_for(self._frame(), timeout_s)

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80, "a server of ours sends whole messages"
        assert not second & 0x80, "a server must not mask"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def hear(self, timeout_s: float = 10, *, answers: bool = True) -> Heard:
        """Everything up to the end of the connection. A close is answered, unless we closed ourselves."""
        frames: list[tuple[int, bytes]] = []
        while True:
            try:
                frames.append(await self.frame(timeout_s))
            except asyncio.IncompleteReadError:
                return Heard(frames, reset=False)
            except ConnectionError:
                return Heard(frames, reset=True)
            if frames[-1][0] == CLOSE and answers:
                self.writer.write(close(1000))
