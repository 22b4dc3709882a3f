"""Streaming audio with a native hot path: ring buffer, analysis and live speech to text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring._version import __version__
from fastring.analysis.analyzer import Analyzer, Features, analyze_many
from fastring.analysis.batch import Tracks, analyze
from fastring.analysis.gate import EnergyGate
from fastring.analysis.realtime import RealtimeAnalysisResult, RealtimeAudioAnalyzer
from fastring.audio.headers import get_include, get_library_dir
from fastring.audio.pcm import float32_to_pcm16, pcm16_to_float32
from fastring.audio.ring import LostRange, RingBuffer, RingReader, RingStats

if TYPE_CHECKING:
    from fastring.streams.audio_buffer import AudioBuffer
    from fastring.streams.buffer_manager import AudioBufferManager
    from fastring.streams.processor import StreamingAudioProcessor

__all__ = [
    "Analyzer",
    "AudioBuffer",
    "AudioBufferManager",
    "EnergyGate",
    "Features",
    "LostRange",
    "RealtimeAnalysisResult",
    "RealtimeAudioAnalyzer",
    "RingBuffer",
    "RingReader",
    "RingStats",
    "StreamingAudioProcessor",
    "Tracks",
    "__version__",
    "analyze",
    "analyze_many",
    "float32_to_pcm16",
    "get_include",
    "get_library_dir",
    "pcm16_to_float32",
]

# What brings asyncio and threads along is imported when it is first asked for.
_LATER = {
    "AudioBuffer": "fastring.streams.audio_buffer",
    "AudioBufferManager": "fastring.streams.buffer_manager",
    "StreamingAudioProcessor": "fastring.streams.processor",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'fastring' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
