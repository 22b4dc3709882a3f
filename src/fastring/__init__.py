"""Streaming audio with a native hot path: ring buffer, analysis and live speech to text."""

from fastring._version import __version__
from fastring.audio.headers import get_include
from fastring.audio.pcm import float32_to_pcm16, pcm16_to_float32
from fastring.audio.ring import LostRange, RingBuffer, RingReader, RingStats

__all__ = [
    "LostRange",
    "RingBuffer",
    "RingReader",
    "RingStats",
    "__version__",
    "float32_to_pcm16",
    "get_include",
    "pcm16_to_float32",
]
