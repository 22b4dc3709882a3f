"""The head of a WAV file, read from the front of a stream: enough to decode plain WAV without FFmpeg.

FFmpeg reads 64 KiB of a WAV before it says anything, to see whether it hides S/PDIF: two seconds of a voice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fastring.audio.format import AudioFormat
from fastring.errors import AudioFormatError

__all__ = ["WavHead", "is_wav", "read_wav_head"]

# Format tag and bits per sample of what PcmDecoder reads.
_ENCODINGS = {(1, 16): "linear16", (3, 32): "float32", (6, 8): "alaw", (7, 8): "mulaw"}
_EXTENSIBLE = 0xFFFE
_LONGEST_HEAD = 1 << 16
# Lengths that writers give when they do not know: 0, and whatever reaches the end of 31 or 32 bits.
_UNKNOWN_LENGTH = 0x7FFF_0000


@dataclass(frozen=True, slots=True)
class WavHead:
    """What comes before the samples.

    Attributes:
        format: of the samples; None if they are of a kind that only FFmpeg reads.
        size: bytes before the first sample.
        data_bytes: bytes of samples; None if the writer did not know.
    """

    format: AudioFormat | None
    size: int
    data_bytes: int | None


def is_wav(begun: bytes) -> bool | None:
    """Whether a stream that begins with these bytes is a WAV; None if they are too few to say."""
    if not b"RIFF".startswith(begun[:4]) or not b"WAVE".startswith(begun[8:12]):
        return False
    return True if len(begun) >= 12 else None


def read_wav_head(begun: bytes) -> WavHead | None:
    """The head of a WAV, or None while it is not all there."""
    audio: AudioFormat | None = None
    at = 12
    while len(begun) >= at + 8:
        name, length = struct.unpack_from("<4sI", begun, at)
        at += 8
        if name == b"data":
            return WavHead(audio, at, None if not length or length >= _UNKNOWN_LENGTH else length)
        if name == b"fmt " and len(begun) >= at + length:
            audio = _format(begun[at : at + length])
        at += length + length % 2
        if at > _LONGEST_HEAD:
            return WavHead(None, 0, None)
    return None


def _format(chunk: bytes) -> AudioFormat | None:
    if len(chunk) < 16:
        return None
    tag, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    encoding = _ENCODINGS.get((tag, bits))
    try:
        return None if encoding is None else AudioFormat(encoding, sample_rate, channels)  # type: ignore[arg-type]
    except AudioFormatError:
        return None
