"""The JSON that goes in and out over HTTP, as types: mypy holds the handlers to them, and OpenAPI is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from fastring.audio.format import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

__all__ = [
    "AudioParameters",
    "ClientSecret",
    "ClientSecretRequest",
    "Debug",
    "DeepgramProblem",
    "DeepgramToken",
    "DeepgramTokenRequest",
    "DeepgramTranscript",
    "Health",
    "Model",
    "ModelList",
    "OldTranscriptionSession",
    "OldTranscriptionSessionRequest",
    "OpenAIProblem",
    "ProblemAnswer",
    "Readiness",
    "SampleRecording",
    "SampleRecordings",
    "StreamDebug",
    "StreamList",
    "StreamStats",
    "StreamingMetrics",
    "Transcription",
    "TranscriptionForm",
    "Verification",
    "VerificationForm",
]

Bytes = Annotated[str, Field(json_schema_extra={"format": "binary"})]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Refusal(TypedDict):
    """Why."""

    code: str
    message: str
    param: str | None


class ProblemAnswer(TypedDict):
    """How a request is refused."""

    error: Refusal


class AudioParameters(TypedDict):
    """The audio that a started stream will get."""

    sample_rate: NotRequired[Annotated[int, Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)]]
    encoding: NotRequired[Literal["linear16", "float32", "mulaw", "alaw"]]
    channels: NotRequired[Annotated[int, Field(ge=1, le=MAX_CHANNELS)]]


class StreamSummary(TypedDict):
    """A stream, briefly."""

    stream_id: str
    kind: Literal["audio", "voice", "source"]
    sample_rate: int
    channels: int
    connections: Count
    uptime_s: Seconds


class StreamList(TypedDict):
    """All streams of the process."""

    streams: list[StreamSummary]


class Buffer(TypedDict):
    """A ring."""

    capacity_samples: Count
    used_samples: Count
    usage: float
    written: Count
    read: Count
    dropped: Count
    overflows: Count


class StreamStats(StreamSummary):
    """A stream's counters; which of the optional ones there are, depends on its kind."""

    # of every kind that is one connection's, or several share
    messages: NotRequired[Count]
    bytes: NotRequired[Count]
    malformed: NotRequired[Count]
    seq_gaps: NotRequired[Count]
    late: NotRequired[Count]
    buffer: NotRequired[Buffer]
    # of an analysis
    paused: NotRequired[bool]
    analysis: NotRequired[dict[str, Any]]
    # of a voice and of a source
    received: NotRequired[Count]
    samples: NotRequired[Count]
    dropped_samples: NotRequired[Count]
    waiting_samples: NotRequired[Count]
    buffer_usage: NotRequired[float]
    utterances: NotRequired[Count]
    open_utterances: NotRequired[Count]
    partial_jobs: NotRequired[Count]
    final_jobs: NotRequired[Count]
    failed_jobs: NotRequired[Count]
    refused_jobs: NotRequired[Count]
    frames: NotRequired[Count]
    gated_share: NotRequired[float]
    window_seconds: NotRequired[float]
    # of a source
    chunks: NotRequired[Count]
    waiting_chunks: NotRequired[Count]
    waiting_bytes: NotRequired[Count]
    refused_chunks: NotRequired[Count]
    dropped_frames: NotRequired[Count]
    is_dropped: NotRequired[bool]


class Health(TypedDict):
    """What runs here, and whether it takes new streams."""

    status: Literal["ok", "draining"]
    version: str
    engine: str
    model: str
    streams: Count
    max_streams: Count
    connections: Count
    uptime_s: Seconds


class Readiness(TypedDict):
    """Whether the process takes new streams, and why not."""

    status: Literal["ready", "draining", "no engine worker", "alive"]


class SampleRecording(TypedDict):
    """A recording that ships with the server, and what is said in it."""

    name: str
    text: str
    duration_s: Seconds


class SampleRecordings(TypedDict):
    """Those that the dashboard offers."""

    recordings: list[SampleRecording]


class StreamingMetrics(TypedDict):
    """The few figures a dashboard shows; latencies are null until there is one."""

    active_connections: Count
    avg_latency_ms: float | None
    p95_latency_ms: float | None
    latency_sample_count: Count
    asr_failure_count: Count
    dropped_segments: Count
    adaptive_window_seconds: float


class Debug(TypedDict):
    """Every stream and connection, and what they share."""

    streams: list[dict[str, Any]]
    connections: list[dict[str, Any]]
    engine: dict[str, Any]
    window_seconds: float
    draining: bool


class StreamDebug(TypedDict):
    """One stream and its connections, and what they share with the others."""

    stream: dict[str, Any]
    connections: list[dict[str, Any]]
    engine: dict[str, Any]
    window_seconds: float
    draining: bool


class VerificationForm(TypedDict):
    """A recitation: a verse (`surah` and `ayah`) or a text (`reference`)."""

    audio: Bytes
    surah: NotRequired[Annotated[int, Field(ge=1)]]
    ayah: NotRequired[Annotated[int, Field(ge=1)]]
    reference: NotRequired[str]
    language: NotRequired[str]


class WordFeedback(TypedDict):
    """One word of the reference."""

    index: Count
    word: str
    status: Literal["correct", "minor_mistake", "wrong", "missing", "pending"]
    heard: NotRequired[str]


class Verification(TypedDict):
    """A whole recitation, judged."""

    type: Literal["final_result"]
    transcript: str
    score: Annotated[float, Field(ge=0, le=1)]
    word_feedback: list[WordFeedback]
    extra_words: list[str]
    duration: Seconds


class OpenAIRefusal(TypedDict):
    """Why."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIProblem(TypedDict):
    """How OpenAI's endpoints refuse."""

    error: OpenAIRefusal


class Model(TypedDict):
    """The loaded model under one of its names."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(TypedDict):
    """All names of the loaded model."""

    object: Literal["list"]
    data: list[Model]


class TranscriptionForm(TypedDict):
    """A recording, as OpenAI's API takes it."""

    file: Bytes
    model: str
    language: NotRequired[str]
    response_format: NotRequired[Literal["json", "text", "srt", "vtt", "verbose_json"]]
    stream: NotRequired[bool]


class Transcription(TypedDict):
    """What is said; `verbose_json` has more fields."""

    text: str


class Lifetime(TypedDict):
    """How long a short-lived key opens new connections, in seconds from now."""

    anchor: NotRequired[Literal["created_at"]]
    seconds: NotRequired[Annotated[int, Field(ge=10, le=7200)]]


class AudioSettings(TypedDict):
    """What is heard, and how; see OpenAI's API."""

    format: NotRequired[dict[str, Any] | None]
    transcription: NotRequired[dict[str, Any] | None]
    noise_reduction: NotRequired[dict[str, Any] | None]
    turn_detection: NotRequired[dict[str, Any] | None]


class SessionAudio(TypedDict):
    """The audio of a session."""

    input: NotRequired[AudioSettings]


class SessionSettings(TypedDict):
    """What a session starts with."""

    type: Literal["transcription"]
    audio: NotRequired[SessionAudio]
    include: NotRequired[list[Literal["item.input_audio_transcription.logprobs"]] | None]


class Session(SessionSettings):
    """A session, described."""

    id: str
    object: Literal["realtime.transcription_session"]
    expires_at: int


class ClientSecretRequest(TypedDict):
    """What a short-lived key is to be."""

    expires_after: NotRequired[Lifetime]
    session: NotRequired[SessionSettings]


class ClientSecret(TypedDict):
    """A short-lived key."""

    value: str
    expires_at: int
    session: Session


class OldLifetime(TypedDict):
    """The lifetime, in OpenAI's older shape."""

    expires_at: NotRequired[Lifetime]


class OldSessionSettings(TypedDict):
    """What a session starts with, in OpenAI's older shape."""

    input_audio_format: NotRequired[Literal["pcm16", "g711_ulaw", "g711_alaw"]]
    input_audio_transcription: NotRequired[dict[str, Any] | None]
    input_audio_noise_reduction: NotRequired[dict[str, Any] | None]
    turn_detection: NotRequired[dict[str, Any] | None]
    include: NotRequired[list[Literal["item.input_audio_transcription.logprobs"]] | None]


class OldTranscriptionSessionRequest(OldSessionSettings):
    """What a session and its short-lived key are to be."""

    client_secret: NotRequired[OldLifetime]


class SecretOfSession(TypedDict):
    """A short-lived key, as the older shape tells it."""

    value: str
    expires_at: int


class OldTranscriptionSession(OldSessionSettings):
    """A session with its short-lived key."""

    id: str
    object: Literal["realtime.transcription_session"]
    expires_at: int
    modalities: list[str]
    client_secret: SecretOfSession


class DeepgramTokenRequest(TypedDict):
    """What a short-lived key is to be."""

    ttl_seconds: NotRequired[Annotated[float, Field(ge=1, le=3600)] | None]


class DeepgramToken(TypedDict):
    """A short-lived key, and for how many seconds it opens new connections."""

    access_token: str
    expires_in: float


class DeepgramProblem(TypedDict):
    """How Deepgram's endpoints refuse."""

    err_code: str
    err_msg: str
    request_id: str


class DeepgramTranscript(TypedDict):
    """What is said, in Deepgram's form."""

    metadata: dict[str, Any]
    results: dict[str, Any]
