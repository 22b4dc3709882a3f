"""What goes into a session (commands) and what it says (events): frozen dataclasses, times in samples.

Codecs turn messages into commands and events into messages; seconds exist only there.

A session numbers its transcript events (`seq`, from 0 without gaps), so that a client can tell what it missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Ack",
    "Analysis",
    "AnalysisReady",
    "Audio",
    "ChannelEvent",
    "Clear",
    "Close",
    "Closed",
    "Command",
    "Configure",
    "Control",
    "DeclareSource",
    "EarlyTrigger",
    "EarlyTriggerRetracted",
    "Echo",
    "EndReason",
    "Event",
    "Failure",
    "Final",
    "Finalize",
    "Latency",
    "Partial",
    "Ping",
    "Pong",
    "Recitation",
    "RecitationFailed",
    "RecitationResult",
    "Reply",
    "ReplyDelta",
    "ReplyDone",
    "ReplyEnd",
    "Resume",
    "Resumed",
    "SourceEvent",
    "SpeechEnded",
    "SpeechStarted",
    "Status",
    "Transcript",
    "Verification",
    "VoiceReady",
    "Word",
    "WordFeedback",
]


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes of audio in the stream's declared encoding.

    `number` is the client's own message count, if it sends one; `missing` says how many of those before it never came.
    """

    data: bytes
    source: str = "system"
    number: int | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Finalize:
    """End the utterance now; its final follows.

    `channel`, `source`: where channels or sources are heard apart, this one; None: all.
    """

    channel: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Flush everything, then `Closed`."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by `Pong`."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with an earlier session: its token, the last event the client has, the oldest sample it can send again."""

    token: str
    last_seq: int
    oldest_sample: int


@dataclass(frozen=True, slots=True)
class DeclareSource:
    """Say what a source of several sends. Under overload the one of the lowest priority goes first; None: as before."""

    source: str
    priority: int = 0
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """A question or order about a stream; answered by `Reply`."""

    command: Literal["get_stats", "reset_analysis", "list_streams", "pause", "resume"]


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget the audio that has not been finalized."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Hear the stream differently from here on; which fields there are is between a codec and its station."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Echo:
    """What a codec wants said in its turn: a command that comes back to it as an event, from the station."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


Command = Audio | Finalize | Close | Ping | Resume | Control | DeclareSource | Clear | Configure | Echo


EndReason = Literal["silence", "longest", "forced"]


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
    """Speech began at sample `start` (pre-roll not counted).

    `silent`: nobody speaks; an utterance without audio begins, to answer a `Finalize` after silence.
    """

    seq: int
    utterance: int
    start: int
    silent: bool = False


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
    """The transcript of an utterance; nothing about it changes afterwards.

    `from_finalize`: it answers a `Finalize`. Of the finals that may be owed at that time, the last one does.
    `language`: code, or "" if the engine does not say.
    `ended_by`: silence after it, the limit on an utterance's length, or somebody who did not wait (finalize, close, a
    client that sends no more audio).
    """

    seq: int
    utterance: int
    text: str
    words: tuple[Word, ...]
    confidence: float
    start: int
    end: int
    latency: Latency
    from_finalize: bool = False
    language: str = ""
    ended_by: EndReason = "silence"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a whole recording of `samples` samples: the finals that have text, in order, and their text."""

    text: str
    finals: tuple[Final, ...]
    samples: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance ended at sample `end`; its final has been sent."""

    seq: int
    utterance: int
    end: int


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
class Resumed:
    """The answer to `Resume`. The events that the client missed follow, then the session goes on.

    Attributes:
        next_sample: the client sends audio from here.
        next_seq: the number of the first event that is not told again.
        resume_token: for the next time.
        finalizes: how many `Finalize` the session has taken; those after were lost.
    """

    next_sample: int
    next_seq: int
    resume_token: str
    finalizes: int = 0


@dataclass(frozen=True, slots=True)
class AnalysisReady:
    """The first event of an analysis stream. `chunk_size` is the length in samples the server likes best."""

    sample_rate: int
    encoding: str
    channels: int
    chunk_size: int
    update_hz: float


@dataclass(frozen=True, slots=True)
class Ack:
    """The server holds every sample before `received`; all events of the audio before `committed` precede this one.

    Both count samples per channel at the rate the client sends.
    """

    received: int
    committed: int


@dataclass(frozen=True, slots=True)
class EarlyTrigger:
    """The text so far is settled enough to act on while the speaker goes on."""

    seq: int
    utterance: int
    trigger_id: str
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class EarlyTriggerRetracted:
    """The final differs from what `EarlyTrigger` of that id said; comes before the final."""

    seq: int
    utterance: int
    trigger_id: str
    reason: str


ReplyEnd = Literal["stop", "retracted", "replaced", "failed", "busy"]


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """The language model goes on with its reply to an utterance; `trigger_id` is "" if its final asked for it."""

    utterance: int
    reply_id: str
    trigger_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The reply is complete (`stop`), or will not be: its deltas count for nothing if it was `retracted`."""

    utterance: int
    reply_id: str
    trigger_id: str
    reason: ReplyEnd


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to `Control`: a name, and fields that JSON can hold."""

    name: Literal["stats", "analysis_reset", "streams", "paused", "resumed"]
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """The session has heard the audio up to sample `position`: no speech to come starts before it."""

    position: int


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """What the session of one of several channels says; channels are numbered from 0."""

    channel: int
    channels: int
    event: SpeechStarted | Partial | EarlyTrigger | EarlyTriggerRetracted | Final | SpeechEnded | Heard


@dataclass(frozen=True, slots=True)
class WordFeedback:
    """One word of the reference: its place from 0, the word as written, how it stands, and what was heard instead."""

    index: int
    word: str
    status: Literal["correct", "minor_mistake", "wrong", "missing", "pending"]
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """A whole recitation.

    Attributes:
        transcript: what was heard.
        score: share of what was said and should have been said that is right, 0..1: a correct word counts 1, a minor
            mistake a half, each over the words of the reference and the extra ones.
        words: one for each word of the reference.
        extra_words: words that stand for none of them.
    """

    transcript: str
    score: float
    words: tuple[WordFeedback, ...]
    extra_words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recitation:
    """How a recitation stands: all that is heard so far, and a verdict on each word of the reference.

    `error` says what went wrong in the stream, and what the client can do instead.
    """

    transcript: str
    words: tuple[WordFeedback, ...]
    extra_words: tuple[str, ...]
    latency: Latency
    queue_depth: int = 0
    server_busy: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecitationResult:
    """The end of a recitation; it is `end` samples long."""

    verification: Verification
    end: int


@dataclass(frozen=True, slots=True)
class RecitationFailed:
    """The end of a recitation of which not everything could be heard; the message says why."""

    message: str


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """What the session of one of several named sources says."""

    source: str
    event: SpeechStarted | Partial | EarlyTrigger | EarlyTriggerRetracted | Final | SpeechEnded | Failure | Ack


Event = (
    VoiceReady
    | AnalysisReady
    | Resumed
    | SpeechStarted
    | Partial
    | EarlyTrigger
    | EarlyTriggerRetracted
    | Final
    | SpeechEnded
    | Status
    | Ack
    | Analysis
    | Reply
    | ReplyDelta
    | ReplyDone
    | Failure
    | Pong
    | Recitation
    | RecitationResult
    | RecitationFailed
    | Closed
    | ChannelEvent
    | SourceEvent
    | Echo
)
