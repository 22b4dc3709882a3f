"""What goes into a session (commands) and what it says (events): frozen dataclasses, times in samples.

Codecs turn messages into commands and events into messages; seconds exist only there.

A session numbers its transcript events (`seq`, from 0 without gaps), so that a client can tell what it missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Analysis",
    "Audio",
    "Close",
    "Closed",
    "Command",
    "Event",
    "Failure",
    "Final",
    "Finalize",
    "Latency",
    "Partial",
    "Ping",
    "Pong",
    "SpeechEnded",
    "SpeechStarted",
    "Status",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes of audio in the stream's declared encoding. `number` is the client's own message count, if it sends one."""

    data: bytes
    source: str = "system"
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Finalize:
    """End the utterance now; its final follows."""


@dataclass(frozen=True, slots=True)
class Close:
    """Flush everything, then `Closed`."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by `Pong`."""


Command = Audio | Finalize | Close | Ping


@dataclass(frozen=True, slots=True)
class Word:
    """One word: text as the engine wrote it, span in samples of the session's rate, confidence 0..1."""

    text: str
    start: int
    end: int
    confidence: float
    stable: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time went, in milliseconds: audio waiting in the buffer, job in the queue, engine, and all of it."""

    buffer_ms: float
    queue_ms: float
    inference_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at sample `start` (pre-roll not counted)."""

    seq: int
    utterance: int
    start: int


@dataclass(frozen=True, slots=True)
class Partial:
    """What is heard so far. `stable_text` is a prefix of `text` that will not change any more."""

    utterance: int
    text: str
    stable_text: str
    words: tuple[Word, ...]
    confidence: float
    start: int
    end: int
    level_db: float
    buffer_usage: float
    dropped: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class Final:
    """The transcript of an utterance; nothing about it changes afterwards."""

    seq: int
    utterance: int
    text: str
    words: tuple[Word, ...]
    confidence: float
    start: int
    end: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance ended at sample `end`; its final has been sent."""

    seq: int
    utterance: int
    end: int


@dataclass(frozen=True, slots=True)
class Status:
    """How the stream fares: backpressure, recovered, fallback, server_busy."""

    state: Literal["backpressure", "recovered", "fallback", "server_busy"]
    source: str = "system"
    dropped_frames: int = 0
    queue_depth: int = 0
    lag_ms: float = 0.0
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Something went wrong; unless `fatal`, the stream goes on."""

    code: str
    message: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `Ping`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; everything that was accepted has been answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """Measurements of an analysis stream since the message before; None is unknown. Times in samples, frequencies in Hz."""

    end: int
    tempo: float | None
    tempo_confidence: float
    pitch: float | None
    pitch_confidence: float
    energy: float
    rms: float
    peak: float
    spectral_centroid: float | None
    spectral_rolloff: float | None
    zero_crossing_rate: float
    onsets: tuple[int, ...]
    buffer_usage: float
    dropped: int


Event = SpeechStarted | Partial | Final | SpeechEnded | Status | Failure | Pong | Closed | Analysis
