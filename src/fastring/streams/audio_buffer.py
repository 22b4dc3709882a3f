"""AudioBuffer: write what comes, read what is there; when it is full, the oldest goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastring.audio.ring import RingBuffer
from fastring.errors import RangeLostError
from fastring.session.stats import buffer_stats
from fastring.streams.intake import Encoding, check_encoding, check_size, for_float32_ring

if TYPE_CHECKING:
    from fastring.streams.intake import AudioInput, Float32

__all__ = ["AudioBuffer"]


class AudioBuffer:
    """Holds up to `max_size` samples per channel; reading takes them out, oldest first.

    A friendly face of `RingBuffer` with one reader: arrays of float32 or int16, or bytes, go in; float32 comes out. One
    thread may write while another reads. For several readers, or to keep int16, use `RingBuffer` itself.

    Args:
        max_size: capacity in samples per channel, at least 1.
        channels: interleaved channels, 1..32.
        encoding: how bytes are read: float32 or linear16.

    Raises:
        ConfigError: an argument out of range.
    """

    def __init__(self, max_size: int, channels: int = 1, encoding: Encoding = "float32") -> None:
        self._encoding = check_encoding(encoding)
        self._ring = RingBuffer(check_size("max_size", max_size), channels, "float32")

    @property
    def max_size(self) -> int:
        """Capacity in samples per channel."""
        return int(self._ring.capacity)

    @property
    def channels(self) -> int:
        """Interleaved channels."""
        return int(self._ring.channels)

    @property
    def ring(self) -> RingBuffer:
        """The native ring below, for further readers."""
        return self._ring

    @property
    def available(self) -> int:
        """Samples per channel that `read` would give now."""
        return int(self._ring.available)

    @property
    def usage(self) -> float:
        """Share of the capacity that waits to be read, 0..1."""
        return self.available / self.max_size

    @property
    def dropped(self) -> int:
        """Samples per channel that were overwritten before they were read."""
        return int(self._ring.dropped)

    def write(self, audio: AudioInput) -> int:
        """Append audio; when it is full, the oldest is overwritten and counted in `dropped`.

        Args:
            audio: float32 or int16, shape (n * channels,) interleaved or (n, channels); or bytes in the encoding.

        Returns:
            n, the samples per channel that were written.

        Raises:
            AudioFormatError: wrong dtype, shape or byte count; nothing was written.
            BufferClosedError: after `close`.
        """
        return int(self._ring.write(for_float32_ring(audio, self._encoding)))

    def read(self, size: int | None = None) -> Float32:
        """Take out up to `size` samples per channel (all, if None), oldest first.

        Returns:
            float32, shape (n,) or, with several channels, (n, channels); n = 0 if there is nothing.
        """
        return self._ring.read(size)

    def peek(self, size: int | None = None) -> Float32:
        """What `read` would give, left in place.

        Returns:
            A copy, as from `read`.
        """
        while True:
            start = self._ring.position
            wanted = self.available if size is None else min(size, self.available)
            try:
                return self._ring.read_at(start, wanted)
            except RangeLostError:  # overwritten since the line above, by a writer on another thread
                continue

    def clear(self) -> None:
        """Forget what waits to be read; it does not count as dropped."""
        self._ring.read(0)  # comes upon what was overwritten, which `commit` would count against what waits
        self._ring.commit(self.available)

    def close(self) -> None:
        """Refuse further writes; what waits can still be read."""
        self._ring.close()

    def stats(self) -> dict[str, Any]:
        """Capacity, use and counts, in samples per channel; see `buffer_stats`."""
        return buffer_stats(self._ring)

    def __len__(self) -> int:
        return self.available

    def __bool__(self) -> bool:
        return True  # an empty buffer is a buffer

    def __repr__(self) -> str:
        channels = f"{self.channels} channel{'s' * (self.channels > 1)}"
        return f"<AudioBuffer {self.available} of {self.max_size} samples, {channels}>"
