"""The native protocol where several sources share a connection: each with a rate and channels of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastring.audio.format import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from fastring.errors import ProtocolError
from fastring.events import DeclareSource, Finalize
from fastring.protocols.messages import field, shown
from fastring.protocols.native import SAMPLE_BYTES, NativeCodec, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command

__all__ = ["SourcesCodec"]

_MAX_PRIORITY = 1000


class SourcesCodec(NativeCodec):
    """The native protocol with `source` messages. Takes what `NativeCodec` does, and `max_sources` declarations."""

    def __init__(self, stream_id: str, *, encoding: str = "linear16", max_sources: int = 16, **options: Any) -> None:
        super().__init__(stream_id, encoding=encoding, **options)
        self._encoding = encoding
        self._max_sources = max_sources
        self._frames: dict[str, int] = {}  # bytes of one sample of all channels, of each source that has begun

    def _frame_bytes_of(self, source: str) -> int:
        return self._frames.get(source, self._frame_bytes)

    def _audio(self, data: bytes, source: str, number: int | None) -> list[Command]:
        commands = super()._audio(data, source, number)
        if commands and len(self._frames) < self._max_sources:
            self._frames.setdefault(source, self._frame_bytes)
        return commands

    def _declare(self, message: dict[str, Any]) -> list[Command]:
        source = source_of(message)
        if source not in self._frames and len(self._frames) >= self._max_sources:
            raise ProtocolError(f"{self._max_sources} sources at most (server.max_sources)", code="too_many_streams")
        sample_rate = _whole(message, "sample_rate", MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
        channels = _whole(message, "channels", 1, MAX_CHANNELS)
        priority = _whole(message, "priority", -_MAX_PRIORITY, _MAX_PRIORITY) or 0
        frame_bytes = self._frame_bytes if channels is None else SAMPLE_BYTES[self._encoding] * channels
        self._frames.setdefault(source, frame_bytes)  # of one that has begun it stays, whatever is declared now
        return [DeclareSource(source, priority, sample_rate, channels)]

    def _finalize(self, message: dict[str, Any]) -> list[Command]:
        return [Finalize(source=source_of(message) if "source" in message else None)]

    _READERS: ClassVar[dict[str, Callable[[Any, dict[str, Any]], list[Command]]]] = {
        **NativeCodec._READERS,
        "source": _declare,
        "finalize": _finalize,
    }


def _whole(message: dict[str, Any], name: str, low: int, high: int) -> int | None:
    """A whole number in a range, or None where the message does not say."""
    if message.get(name) is None:
        return None
    value = field(message, name, int)
    if not low <= value <= high:
        raise ProtocolError(f"{name!r} must be {low}..{high}, not {shown(value)}", code="invalid_field")
    return value
