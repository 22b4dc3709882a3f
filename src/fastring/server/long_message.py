"""A message that is put together while it arrives: unmasked piece by piece, into one buffer that grows in place.

aiohttp's parser joins, unmasks, copies and decodes a message when its last byte is there. Of many megabytes that is one
long turn of the event loop; here every read does its own share.
"""

from __future__ import annotations

from aiohttp import WebSocketError, WSCloseCode
from aiohttp._websocket.helpers import websocket_mask

__all__ = ["LongMessage"]


class LongMessage:
    """One message, of one frame or of many.

    Args:
        kind: its first frame's opcode.
        longest: bytes it may have.

    Attributes:
        data: what has come of it, unmasked.
        frame_left: bytes to come of the frame that is being read.
    """

    __slots__ = ("_at", "_last", "_longest", "_mask", "data", "frame_left", "kind")

    def __init__(self, kind: int, longest: int) -> None:
        self.kind = kind
        self.data = bytearray()
        self.frame_left = 0
        self._longest = longest
        self._last = False
        self._mask = b""
        self._at = 0  # in the frame

    @property
    def whole(self) -> bool:
        """Whether nothing is to come."""
        return self._last and not self.frame_left

    def begin_frame(self, length: int, mask: bytes, *, last: bool) -> None:
        """A frame of that length follows.

        Raises:
            WebSocketError: 1009, the message is too long with it; the frame was not begun.
        """
        size = len(self.data) + length
        if size > self._longest:
            raise WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, f"Message size {size} exceeds limit {self._longest + 1}")
        self.frame_left, self._mask, self._last, self._at = length, mask, last, 0

    def take(self, data: bytes, at: int) -> int:
        """Take what belongs to the frame, from that position on; returns where it ends."""
        piece = bytearray(data[at : at + self.frame_left])
        turned = self._at % 4
        websocket_mask(self._mask[turned:] + self._mask[:turned], piece)
        self.data += piece
        self._at += len(piece)
        self.frame_left -= len(piece)
        return at + len(piece)
