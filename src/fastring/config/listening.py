"""How a stream is heard and measured: endpoints, voice sessions, analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastring.config.fields import require, setting

__all__ = [
    "AnalysisSettings",
    "EndpointSettings",
    "Vad",
    "VoiceSettings",
]


Vad = Literal["auto", "silero", "energy"]


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """When speech starts and when an utterance ends. Frames are 32 ms (512 samples at 16 kHz)."""

    vad: Vad = setting("auto", "silero, energy, or auto: Silero if it is installed, else energy alone")
    speech_threshold: float = setting(0.8, "probability at which speech starts, 0..1")
    silence_threshold: float = setting(0.6, "probability below which a frame counts as silence, 0..1")
    min_speech_ms: int = setting(64, "speech must last this long before it counts")
    trailing_silence_ms: int = setting(256, "this much silence ends an utterance")
    pre_roll_ms: int = setting(320, "audio kept from before the first speech frame")
    max_utterance_s: float = setting(30.0, "an utterance is ended after this long")
    stall_ms: int = setting(2_000, "an utterance is ended when no audio has come for this long; 0: never")

    def __post_init__(self) -> None:
        require(0 < self.speech_threshold < 1, "endpoint.speech_threshold", self.speech_threshold, "between 0 and 1")
        require(
            0 < self.silence_threshold <= self.speech_threshold,
            "endpoint.silence_threshold",
            self.silence_threshold,
            f"above 0 and at most speech_threshold ({self.speech_threshold})",
        )
        require(
            32 <= self.trailing_silence_ms <= 10_000,
            "endpoint.trailing_silence_ms",
            self.trailing_silence_ms,
            "32..10000",
        )
        require(0 <= self.pre_roll_ms <= 2_000, "endpoint.pre_roll_ms", self.pre_roll_ms, "0..2000")
        require(0 <= self.min_speech_ms <= 1_000, "endpoint.min_speech_ms", self.min_speech_ms, "0..1000")
        require(1 <= self.max_utterance_s <= 120, "endpoint.max_utterance_s", self.max_utterance_s, "1..120")
        require(0 <= self.stall_ms <= 60_000, "endpoint.stall_ms", self.stall_ms, "0..60000")


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """A voice session: its ring, its decoding windows and what it sends."""

    ring_seconds: float = setting(40.0, "audio held per stream, in seconds at 16 kHz")
    progressive: bool = setting(True, "send partials while speech goes on; off: one transcript per utterance")
    window_seconds: float = setting(
        2.5, "decoding window at the start; see window_min and window_max", env="WS_WINDOW_SECONDS"
    )
    overlap_seconds: float = setting(0.5, "audio that successive windows share", env="WS_OVERLAP_SECONDS")
    window_min: float = setting(1.0, "the adaptive window never gets shorter, in seconds", env="WS_WINDOW_MIN")
    window_max: float = setting(5.0, "the adaptive window never gets longer, in seconds", env="WS_WINDOW_MAX")
    adaptive_latency_high_ms: int = setting(
        800, "mean latency above this lengthens the window by 0.5 s", env="ADAPTIVE_LATENCY_HIGH_MS"
    )
    adaptive_latency_low_ms: int = setting(
        300, "mean latency under this shortens the window by 0.5 s", env="ADAPTIVE_LATENCY_LOW_MS"
    )
    early_triggers: bool = setting(True, "say early_trigger when what is heard is likely all of the utterance")
    early_processing_threshold: float = setting(
        0.8, "chance, 0..1, that a partial is right and complete, from which it triggers early"
    )
    early_trigger_interval_ms: int = setting(500, "audio between two early triggers of one utterance at least")
    max_segment_s: float = setting(12.0, "an open segment longer than this is cut at its committed words")
    segment_pause_ms: int = setting(500, "an open segment is cut where the speaker pauses for this long; 0: never")
    source_queue: int = setting(48, "chunks of one source of /ws/live that may wait for the engine", env="QUEUE_MAX")
    source_policy: Literal["drop_oldest", "reject"] = setting(
        "drop_oldest", "which chunk goes when that queue is full: drop_oldest or reject"
    )
    max_lag_s: float = setting(
        5.0, "a final owed for longer is told as server_busy; a source of /ws/live is held back, then thinned out"
    )

    def __post_init__(self) -> None:
        threshold, interval_ms = self.early_processing_threshold, self.early_trigger_interval_ms
        require(0 <= self.segment_pause_ms <= 10_000, "voice.segment_pause_ms", self.segment_pause_ms, "0..10000")
        require(0 <= threshold <= 1, "voice.early_processing_threshold", threshold, "0..1")
        require(0 <= interval_ms <= 60_000, "voice.early_trigger_interval_ms", interval_ms, "0..60000")
        low, high = self.adaptive_latency_low_ms, self.adaptive_latency_high_ms
        require(0 <= low < high, "voice.adaptive_latency_low_ms", low, f"0 or more and under the high limit ({high})")
        require(1 <= self.ring_seconds <= 3600, "voice.ring_seconds", self.ring_seconds, "1..3600")
        require(
            0.2 <= self.window_min <= self.window_max <= 30,
            "voice.window_min",
            self.window_min,
            "0.2..window_max <= 30",
        )
        require(
            self.window_min <= self.window_seconds <= self.window_max,
            "voice.window_seconds",
            self.window_seconds,
            f"window_min..window_max ({self.window_min}..{self.window_max})",
        )
        require(
            0 <= self.overlap_seconds < self.window_min,
            "voice.overlap_seconds",
            self.overlap_seconds,
            f"0 or more and under window_min ({self.window_min})",
        )
        require(2 <= self.max_segment_s <= 28, "voice.max_segment_s", self.max_segment_s, "2..28 (Whisper hears 30 s)")
        require(1 <= self.source_queue <= 10_000, "voice.source_queue", self.source_queue, "1..10000")
        require(0.1 <= self.max_lag_s <= 600, "voice.max_lag_s", self.max_lag_s, "0.1..600")
        require(
            self.max_segment_s + 5 <= self.ring_seconds,
            "voice.ring_seconds",
            self.ring_seconds,
            f"at least max_segment_s + 5 ({self.max_segment_s + 5})",
        )


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """An analysis stream: its ring and how often it reports."""

    ring_bytes: int = setting(1 << 20, "audio held per stream, in bytes")
    update_hz: float = setting(10.0, "analysis messages per second, 1..100")

    def __post_init__(self) -> None:
        require(4096 <= self.ring_bytes <= 1 << 30, "analysis.ring_bytes", self.ring_bytes, "4096..2^30")
        require(1 <= self.update_hz <= 100, "analysis.update_hz", self.update_hz, "1..100")
