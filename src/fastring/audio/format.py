"""How the bytes of a stream are to be read: encoding, sample rate, channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from fastring.errors import AudioFormatError

__all__ = ["MAX_CHANNELS", "MAX_SAMPLE_RATE", "MIN_SAMPLE_RATE", "AudioFormat", "Encoding"]

Encoding = Literal["linear16", "float32", "mulaw", "alaw", "container"]

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000
MAX_CHANNELS = 32

_SAMPLE_BYTES: dict[str, int] = {"linear16": 2, "float32": 4, "mulaw": 1, "alaw": 1, "container": 0}


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format a client declares. A container says the rest itself, so only its encoding counts.

    Attributes:
        encoding: little-endian `linear16` or `float32`, `mulaw` or `alaw` (ITU-T G.711), or `container`.
        sample_rate: in Hz, 8000..192000.
        channels: interleaved, 1..32.

    Raises:
        AudioFormatError: if one is out of range; the message begins with its name.
    """

    encoding: Encoding = "linear16"
    sample_rate: int = 16_000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _SAMPLE_BYTES:
            raise AudioFormatError(f"encoding = {self.encoding!r}: must be one of {', '.join(get_args(Encoding))}")
        _require_within("sample_rate", self.sample_rate, MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
        _require_within("channels", self.channels, 1, MAX_CHANNELS)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel; 0 for a container, which has no fixed size."""
        return _SAMPLE_BYTES[self.encoding] * self.channels


def _require_within(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise AudioFormatError(f"{name} = {value!r}: must be a whole number in {least}..{most}")
