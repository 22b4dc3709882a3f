"""The audio a client may have to send again: what nobody has answered yet, by sample index, bounded."""

from __future__ import annotations

from fastring.errors import AudioFormatError

__all__ = ["HeldAudio"]


class HeldAudio:
    """Samples `oldest`..`end` of a stream, as bytes.

    Args:
        frame_bytes: bytes of one sample of all channels.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._bytes = bytearray()
        self._oldest = 0

    def __len__(self) -> int:
        return len(self._bytes) // self._frame_bytes

    @property
    def oldest(self) -> int:
        """The first sample that is held."""
        return self._oldest

    @property
    def end(self) -> int:
        """One past the last."""
        return self._oldest + len(self)

    def append(self, data: bytes) -> None:
        """Add samples at the end.

        Raises:
            AudioFormatError: if they are no whole number of frames.
        """
        if len(data) % self._frame_bytes:
            raise AudioFormatError(f"audio of {len(data)} bytes: no whole number of {self._frame_bytes}-byte frames")
        self._bytes += data

    def read(self, start: int, count: int) -> bytes:
        """Up to `count` samples from `start` on, as far as they are held."""
        first = max(0, start - self._oldest) * self._frame_bytes
        return bytes(self._bytes[first : first + count * self._frame_bytes])

    def forget(self, before: int) -> None:
        """Let go all samples before that one."""
        count = min(before, self.end) - self._oldest
        if count > 0:
            del self._bytes[: count * self._frame_bytes]
            self._oldest += count
