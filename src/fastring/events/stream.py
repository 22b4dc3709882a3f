"""How a stream itself fares: it is ready, goes on, is measured, is in trouble, ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = [
    "Ack",
    "Analysis",
    "AnalysisReady",
    "Closed",
    "Failure",
    "Pong",
    "Reply",
    "Resumed",
    "Status",
    "VoiceReady",
]


@dataclass(frozen=True, slots=True)
class VoiceReady:
    """The first event of a voice stream: what the server took it for, and its limits."""

    pcm_sample_rate: int
    encoding: str
    channels: int
    ring_buffer_seconds: float
    max_message_bytes: int
    window_seconds: float
    engine: str
    model: str
    progressive: bool
    resume_token: str


@dataclass(frozen=True, slots=True)
class AnalysisReady:
    """The first event of an analysis stream. `chunk_size` is the length in samples the server likes best."""

    sample_rate: int
    encoding: str
    channels: int
    chunk_size: int
    update_hz: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """The answer to `Resume`. The events that the client missed follow, then the session goes on.

    Attributes:
        next_sample: the client sends audio from here.
        next_seq: the number of the first event that is not told again.
        resume_token: for the next time.
        finalizes: how many `Finalize` the session has taken; those after were lost.
        next_byte: of a container, the byte that the client sends it from; None for samples.
    """

    next_sample: int
    next_seq: int
    resume_token: str
    finalizes: int = 0
    next_byte: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The server holds every sample before `received`; all events of the audio before `committed` precede this one.

    Both count samples per channel at the rate the client sends.

    Attributes:
        received: see above, as is `committed`.
        received_bytes: the same of a container's bytes; None for samples.
        resume_token: takes the place of the client's, which is past half its life; "" while that is young.
    """

    received: int
    committed: int
    received_bytes: int | None = None
    resume_token: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Measurements of an analysis stream since the message before; None is unknown. Samples and Hz."""

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


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to `Control`: a name, and fields that JSON can hold."""

    name: Literal["stats", "analysis_reset", "streams", "paused", "resumed"]
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """How the stream fares: backpressure, recovered, fallback, server_busy, gap, source_dropped, source_restored.

    Of a fallback, `engine` says which engine hears the stream from now on, and `reason`, one word, why.
    """

    state: Literal["backpressure", "recovered", "fallback", "server_busy", "gap", "source_dropped", "source_restored"]
    source: str = "system"
    dropped_frames: int = 0
    queue_depth: int = 0
    lag_ms: float = 0.0
    retry_after_ms: int = 0
    engine: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something went wrong; unless `fatal`, the stream goes on."""

    code: str
    message: str
    fatal: bool = False
    reason: str = ""  # of `resume_failed`: expired, unknown or gap
    text_lost: bool = False  # of an engine: a final is without what it should have heard


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `Ping`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; everything that was accepted has been answered."""

    reason: str
    stats: Mapping[str, Any] = field(default_factory=dict)
