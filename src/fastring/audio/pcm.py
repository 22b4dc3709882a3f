"""Conversions between sample formats, in native vector code.

Full scale is 32768: int16 to float32 is exact (-32768 gives -1.0), and back again gives every value as it was. All take
a C-contiguous array or raw little-endian bytes, and raise `AudioFormatError` for anything else; nothing is ever cast.
"""

from __future__ import annotations

from fastring._native import (
    alaw_to_float32,
    alaw_to_pcm16,
    deinterleave,
    float32_to_pcm16,
    mixdown,
    mulaw_to_float32,
    mulaw_to_pcm16,
    pcm16_to_float32,
)

__all__ = [
    "alaw_to_float32",
    "alaw_to_pcm16",
    "deinterleave",
    "float32_to_pcm16",
    "mixdown",
    "mulaw_to_float32",
    "mulaw_to_pcm16",
    "pcm16_to_float32",
]
