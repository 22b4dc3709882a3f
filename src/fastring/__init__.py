"""Streaming audio with a native hot path: ring buffer, analysis and live speech to text."""

from __future__ import annotations

from fastring._version import __version__

TYPE_CHECKING = False  # for type checkers; the module `typing` would take longer to load than all the rest

if TYPE_CHECKING:
    from fastring.analysis.analyzer import Analyzer, Features, analyze_many
    from fastring.analysis.batch import Tracks, analyze
    from fastring.analysis.gate import EnergyGate
    from fastring.analysis.realtime import RealtimeAnalysisResult, RealtimeAudioAnalyzer
    from fastring.audio.headers import get_include, get_library_dir
    from fastring.audio.pcm import float32_to_pcm16, pcm16_to_float32
    from fastring.audio.ring import LostRange, RingBuffer, RingReader, RingStats
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

# Each is imported when it is first asked for: the command must be able to take a Ctrl-C before NumPy is loaded, and who
# wants a ring needs no asyncio.
_HOMES = {
    "analysis.analyzer": ("Analyzer", "Features", "analyze_many"),
    "analysis.batch": ("Tracks", "analyze"),
    "analysis.gate": ("EnergyGate",),
    "analysis.realtime": ("RealtimeAnalysisResult", "RealtimeAudioAnalyzer"),
    "audio.headers": ("get_include", "get_library_dir"),
    "audio.pcm": ("float32_to_pcm16", "pcm16_to_float32"),
    "audio.ring": ("LostRange", "RingBuffer", "RingReader", "RingStats"),
    "streams.audio_buffer": ("AudioBuffer",),
    "streams.buffer_manager": ("AudioBufferManager",),
    "streams.processor": ("StreamingAudioProcessor",),
}
_LATER = {name: f"fastring.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'fastring' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
