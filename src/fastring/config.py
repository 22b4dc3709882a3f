"""Every setting and its default, once: frozen dataclasses, nested by room.

A field's metadata holds its one-line help (`help`), an optional environment name besides `FASTRING_SECTION__FIELD`
(`env`), and `secret=True` where its value must never be shown. `config_sources.py` fills these from file, environment
and flags; a library user builds them by hand. A value out of range raises `ConfigError` and names the limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fastring.errors import ConfigError

__all__ = [
    "AnalysisSettings",
    "AsrSettings",
    "DeepgramSettings",
    "EndpointSettings",
    "OpenAISettings",
    "RecitationSettings",
    "RepliesSettings",
    "ResumeSettings",
    "SecuritySettings",
    "ServerSettings",
    "Settings",
    "VoiceSettings",
]

Vad = Literal["auto", "silero", "energy"]
Engine = Literal["faster-whisper", "deepgram", "deepgram-batch", "openai", "pocketsphinx", "scripted"]


def _setting(default: Any, summary: str, *, env: str = "", secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"help": summary, "env": env, "secret": secret})


def _require(ok: bool, name: str, value: object, limit: str) -> None:
    if not ok:
        raise ConfigError(f"{name} = {value!r}: must be {limit}", setting=name)


def _require_url(url: str, name: str, schemes: tuple[str, ...]) -> None:
    scheme, mark, rest = url.partition("://")
    good = bool(mark) and scheme.lower() in schemes and bool(rest.strip("/")) and not set(rest) & set(" ?#@")
    _require(good, name, url, f"an address such as {schemes[0]}://127.0.0.1:8000, of {', '.join(schemes)}")


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """When speech starts and when an utterance ends. Frames are 32 ms (512 samples at 16 kHz)."""

    vad: Vad = _setting("auto", "silero, energy, or auto: Silero if it is installed, else energy alone")
    speech_threshold: float = _setting(0.8, "probability at which speech starts, 0..1")
    silence_threshold: float = _setting(0.6, "probability below which a frame counts as silence, 0..1")
    min_speech_ms: int = _setting(64, "speech must last this long before it counts")
    trailing_silence_ms: int = _setting(256, "this much silence ends an utterance")
    pre_roll_ms: int = _setting(320, "audio kept from before the first speech frame")
    max_utterance_s: float = _setting(30.0, "an utterance is ended after this long")
    stall_ms: int = _setting(2_000, "an utterance is ended when no audio has come for this long; 0: never")

    def __post_init__(self) -> None:
        _require(0 < self.speech_threshold < 1, "endpoint.speech_threshold", self.speech_threshold, "between 0 and 1")
        _require(
            0 < self.silence_threshold <= self.speech_threshold,
            "endpoint.silence_threshold",
            self.silence_threshold,
            f"above 0 and at most speech_threshold ({self.speech_threshold})",
        )
        _require(
            32 <= self.trailing_silence_ms <= 10_000,
            "endpoint.trailing_silence_ms",
            self.trailing_silence_ms,
            "32..10000",
        )
        _require(0 <= self.pre_roll_ms <= 2_000, "endpoint.pre_roll_ms", self.pre_roll_ms, "0..2000")
        _require(0 <= self.min_speech_ms <= 1_000, "endpoint.min_speech_ms", self.min_speech_ms, "0..1000")
        _require(1 <= self.max_utterance_s <= 120, "endpoint.max_utterance_s", self.max_utterance_s, "1..120")
        _require(0 <= self.stall_ms <= 60_000, "endpoint.stall_ms", self.stall_ms, "0..60000")


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """A voice session: its ring, its decoding windows and what it sends."""

    ring_seconds: float = _setting(40.0, "audio held per stream, in seconds at 16 kHz")
    progressive: bool = _setting(True, "send partials while speech goes on; off: one transcript per utterance")
    window_seconds: float = _setting(
        2.5, "decoding window at the start; see window_min and window_max", env="WS_WINDOW_SECONDS"
    )
    overlap_seconds: float = _setting(0.5, "audio that successive windows share", env="WS_OVERLAP_SECONDS")
    window_min: float = _setting(1.0, "the adaptive window never gets shorter, in seconds", env="WS_WINDOW_MIN")
    window_max: float = _setting(5.0, "the adaptive window never gets longer, in seconds", env="WS_WINDOW_MAX")
    adaptive_latency_high_ms: int = _setting(
        800, "mean latency above this lengthens the window by 0.5 s", env="ADAPTIVE_LATENCY_HIGH_MS"
    )
    adaptive_latency_low_ms: int = _setting(
        300, "mean latency under this shortens the window by 0.5 s", env="ADAPTIVE_LATENCY_LOW_MS"
    )
    early_triggers: bool = _setting(True, "say early_trigger when what is heard is likely all of the utterance")
    early_processing_threshold: float = _setting(0.8, "confidence of a partial, 0..1, from which it triggers early")
    early_trigger_interval_ms: int = _setting(500, "audio between two early triggers of one utterance at least")
    max_segment_s: float = _setting(12.0, "an open segment longer than this is cut at its committed words")
    segment_pause_ms: int = _setting(500, "an open segment is cut where the speaker pauses for this long; 0: never")
    source_queue: int = _setting(48, "chunks of one source of /ws/live that may wait for the engine", env="QUEUE_MAX")
    source_policy: Literal["drop_oldest", "reject"] = _setting(
        "drop_oldest", "which chunk goes when that queue is full: drop_oldest or reject"
    )
    max_lag_s: float = _setting(
        5.0, "a final owed for longer is told as server_busy; a source of /ws/live is held back, then thinned out"
    )

    def __post_init__(self) -> None:
        threshold, interval_ms = self.early_processing_threshold, self.early_trigger_interval_ms
        _require(0 <= self.segment_pause_ms <= 10_000, "voice.segment_pause_ms", self.segment_pause_ms, "0..10000")
        _require(0 <= threshold <= 1, "voice.early_processing_threshold", threshold, "0..1")
        _require(0 <= interval_ms <= 60_000, "voice.early_trigger_interval_ms", interval_ms, "0..60000")
        low, high = self.adaptive_latency_low_ms, self.adaptive_latency_high_ms
        _require(0 <= low < high, "voice.adaptive_latency_low_ms", low, f"0 or more and under the high limit ({high})")
        _require(1 <= self.ring_seconds <= 3600, "voice.ring_seconds", self.ring_seconds, "1..3600")
        _require(
            0.2 <= self.window_min <= self.window_max <= 30,
            "voice.window_min",
            self.window_min,
            "0.2..window_max <= 30",
        )
        _require(
            self.window_min <= self.window_seconds <= self.window_max,
            "voice.window_seconds",
            self.window_seconds,
            f"window_min..window_max ({self.window_min}..{self.window_max})",
        )
        _require(
            0 <= self.overlap_seconds < self.window_min,
            "voice.overlap_seconds",
            self.overlap_seconds,
            f"0 or more and under window_min ({self.window_min})",
        )
        _require(2 <= self.max_segment_s <= 28, "voice.max_segment_s", self.max_segment_s, "2..28 (Whisper hears 30 s)")
        _require(1 <= self.source_queue <= 10_000, "voice.source_queue", self.source_queue, "1..10000")
        _require(0.1 <= self.max_lag_s <= 600, "voice.max_lag_s", self.max_lag_s, "0.1..600")
        _require(
            self.max_segment_s + 5 <= self.ring_seconds,
            "voice.ring_seconds",
            self.ring_seconds,
            f"at least max_segment_s + 5 ({self.max_segment_s + 5})",
        )


@dataclass(frozen=True, slots=True)
class RecitationSettings:
    """Word feedback on a text that is recited."""

    references_file: str = _setting("", "file of surah|ayah|text lines; empty: the first surah, which ships")
    minor_similarity: float = _setting(
        0.6, "a word that is not right but this similar (0..1, by letters) is a minor mistake"
    )

    def __post_init__(self) -> None:
        _require(0 < self.minor_similarity < 1, "recitation.minor_similarity", self.minor_similarity, "between 0 and 1")


@dataclass(frozen=True, slots=True)
class RepliesSettings:
    """A language model that answers what is said, from the early trigger on."""

    base_url: str = _setting("", "OpenAI-compatible service, for example http://127.0.0.1:8080/v1; empty: no replies")
    api_key: str = _setting("", "its key", env="FASTRING_REPLIES_API_KEY", secret=True)
    model: str = _setting("default", "model to ask for")
    system_prompt: str = _setting("", "what the model is told first")
    max_tokens: int = _setting(256, "longest reply, in tokens")
    history: int = _setting(16, "turns of the conversation that the model is told")
    max_replies: int = _setting(8, "replies under way in this process; more are not asked for")
    timeout_s: float = _setting(30.0, "a reply is given up after this long")

    def __post_init__(self) -> None:
        _require(
            not self.base_url or self.base_url.startswith(("http://", "https://")),
            "replies.base_url",
            self.base_url,
            "a URL of http or https, or empty",
        )
        _require(1 <= self.max_tokens <= 100_000, "replies.max_tokens", self.max_tokens, "1..100000")
        _require(0 <= self.history <= 1000, "replies.history", self.history, "0..1000")
        _require(1 <= self.max_replies <= 10_000, "replies.max_replies", self.max_replies, "1..10000")
        _require(0.1 <= self.timeout_s <= 3600, "replies.timeout_s", self.timeout_s, "0.1..3600")


@dataclass(frozen=True, slots=True)
class AsrSettings:
    """The speech engine and the pool that runs it."""

    engine: Engine = _setting("faster-whisper", "which engine transcribes")
    fallback: tuple[Engine, ...] = _setting(
        (), "engines that take over, in this order, while those before them fail: deepgram-batch,faster-whisper"
    )
    breaker_failures: int = _setting(3, "failures in a row after which an engine is left alone for a while")
    breaker_s: float = _setting(5.0, "how long it is left alone at first, in seconds; doubled each time, up to 60 s")
    model: str = _setting("base", "model name, or path of a folder; 'digits' ships with fastring and hears digits only")
    device: str = _setting("auto", "cpu, cuda or auto")
    compute_type: str = _setting("default", "CTranslate2 compute type: default, int8, float16, ...")
    language: str = _setting("", "language code; empty: the model decides")
    beam_size: int = _setting(5, "beams of a final; partials use one")
    short_encode: Literal["auto", "on", "off"] = _setting(
        "auto", "encode the audio that is there, not 30 s: far cheaper; auto: with models known to bear it"
    )
    workers: int = _setting(0, "engine workers; 0: one per core")
    threads: int = _setting(0, "threads per worker; 0: cores / workers")
    max_queue: int = _setting(3, "jobs one client may have waiting", env="WS_MAX_QUEUE")
    max_queue_total: int = _setting(64, "jobs that may wait in all")
    timeout_s: float = _setting(30.0, "a job older than this is given up")
    hang_s: float = _setting(15.0, "an engine call that takes longer hangs: it is replaced, its jobs are tried again")
    no_speech_threshold: float = _setting(0.6, "drop a segment the model calls silence with more than this probability")
    log_prob_threshold: float = _setting(-1.0, "and whose mean log-probability is under this")
    compression_ratio_threshold: float = _setting(2.4, "drop text that repeats itself more than this")
    script: str = _setting("", "file of the scripted engine, one line per utterance")
    decoders: int = _setting(4, "streams that pocketsphinx hears at a time; each is a process of some 130 MB")

    def __post_init__(self) -> None:
        chain = (self.engine, *self.fallback)
        _require(
            len(set(chain)) == len(chain),
            "asr.fallback",
            self.fallback,
            f"engines other than {self.engine!r}, each once",
        )
        _require(1 <= self.breaker_failures <= 100, "asr.breaker_failures", self.breaker_failures, "1..100")
        _require(0.01 <= self.breaker_s <= 60, "asr.breaker_s", self.breaker_s, "0.01..60")
        _require(1 <= self.decoders <= 256, "asr.decoders", self.decoders, "1..256")
        _require(0 <= self.workers <= 256, "asr.workers", self.workers, "0..256")
        _require(0 <= self.threads <= 256, "asr.threads", self.threads, "0..256")
        _require(1 <= self.beam_size <= 20, "asr.beam_size", self.beam_size, "1..20")
        _require(1 <= self.max_queue <= self.max_queue_total, "asr.max_queue", self.max_queue, "1..max_queue_total")
        _require(0.1 <= self.timeout_s <= 3600, "asr.timeout_s", self.timeout_s, "0.1..3600")
        _require(0.1 <= self.hang_s <= 3600, "asr.hang_s", self.hang_s, "0.1..3600")


@dataclass(frozen=True, slots=True)
class DeepgramSettings:
    """The engines deepgram (a live stream) and deepgram-batch (one request per utterance)."""

    api_key: str = _setting("", "key of the account", env="DEEPGRAM_API_KEY", secret=True)
    base_url: str = _setting(
        "https://api.deepgram.com", "where the service is: http, https, ws or wss", env="DEEPGRAM_BASE_URL"
    )
    model: str = _setting("nova-3", "model that is asked for")
    connections: int = _setting(32, "open connections at most; each hears one utterance at a time")
    chunk_size_ms: int = _setting(250, "audio per message, and between two partials")
    timeout_s: float = _setting(5.0, "no answer for this long is a failure")
    retries: int = _setting(2, "connects again at once, before a job is given up")
    backoff_s: float = _setting(0.25, "longest wait before the first retry; doubled each time, up to 8 s; jittered")
    keepalive_s: float = _setting(4.0, "between utterances, a sign of life this often; the service hangs up after 10 s")
    idle_s: float = _setting(60.0, "a connection that nobody has used for this long is closed")
    options: tuple[str, ...] = _setting(
        ("punctuate=true", "endpointing=300"), "further parameters of the request, name=value, comma-separated"
    )

    def __post_init__(self) -> None:
        _require_url(self.base_url, "deepgram.base_url", ("http", "https", "ws", "wss"))
        _require(1 <= self.connections <= 10_000, "deepgram.connections", self.connections, "1..10000")
        _require(20 <= self.chunk_size_ms <= 2_000, "deepgram.chunk_size_ms", self.chunk_size_ms, "20..2000")
        _require(0.05 <= self.timeout_s <= 60, "deepgram.timeout_s", self.timeout_s, "0.05..60")
        _require(0 <= self.retries <= 10, "deepgram.retries", self.retries, "0..10")
        _require(0 <= self.backoff_s <= 8, "deepgram.backoff_s", self.backoff_s, "0..8")
        _require(0.05 <= self.keepalive_s <= 9, "deepgram.keepalive_s", self.keepalive_s, "0.05..9")
        _require(0 <= self.idle_s <= 3600, "deepgram.idle_s", self.idle_s, "0..3600")
        for option in self.options:
            _require("=" in option, "deepgram.options", option, "name=value")


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """The engine openai: any service that transcribes files as OpenAI's does."""

    api_key: str = _setting("", "key; services of one's own may need none", env="OPENAI_API_KEY", secret=True)
    base_url: str = _setting("https://api.openai.com/v1", "where the service is, with its /v1", env="OPENAI_BASE_URL")
    model: str = _setting("whisper-1", "model that is asked for")
    partials: bool = _setting(False, "ask for partials too: a request each, over the whole open segment")
    connections: int = _setting(8, "requests at the same time")
    timeout_s: float = _setting(10.0, "no answer for this long is a failure")
    retries: int = _setting(2, "tries again after a failure that may pass, as the service asks or with backoff")

    def __post_init__(self) -> None:
        _require_url(self.base_url, "openai.base_url", ("http", "https"))
        _require(1 <= self.connections <= 1_000, "openai.connections", self.connections, "1..1000")
        _require(0.05 <= self.timeout_s <= 600, "openai.timeout_s", self.timeout_s, "0.05..600")
        _require(0 <= self.retries <= 10, "openai.retries", self.retries, "0..10")


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """An analysis stream: its ring and how often it reports."""

    ring_bytes: int = _setting(1 << 20, "audio held per stream, in bytes")
    update_hz: float = _setting(10.0, "analysis messages per second, 1..100")

    def __post_init__(self) -> None:
        _require(4096 <= self.ring_bytes <= 1 << 30, "analysis.ring_bytes", self.ring_bytes, "4096..2^30")
        _require(1 <= self.update_hz <= 100, "analysis.update_hz", self.update_hz, "1..100")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may connect."""

    api_keys: tuple[str, ...] = _setting(
        (), "keys, comma-separated; none on loopback means open", env="FASTRING_API_KEYS", secret=True
    )
    api_keys_file: str = _setting(
        "",
        "file of keys, one a line, then streams=N and bytes_per_second=N if wanted; read again when it changes",
    )
    max_streams_per_key: int = _setting(0, "connections one key may have at a time; 0: no limit of its own")
    max_bytes_per_second_per_key: int = _setting(0, "bytes one key may send in a second; 0: no limit of its own")
    allowed_origins: tuple[str, ...] = _setting(
        (), "origins besides the server's own that browsers may come from; * is any"
    )
    allow_public_without_keys: bool = _setting(False, "bind to a public address although there are no keys")

    def __post_init__(self) -> None:
        streams, rate = self.max_streams_per_key, self.max_bytes_per_second_per_key
        _require(0 <= streams <= 100_000, "security.max_streams_per_key", streams, "0..100000")
        _require(0 <= rate <= 1 << 40, "security.max_bytes_per_second_per_key", rate, "0..2^40")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The socket, and the bounds on what a client may ask of it."""

    host: str = _setting("127.0.0.1", "address to bind")
    port: int = _setting(8000, "port to bind; 0 takes a free one")
    tls_certificate: str = _setting("", "file of the TLS certificate and its chain, PEM; empty: no TLS")
    tls_key: str = _setting("", "file of its private key, PEM; empty: it is in the certificate's file")
    wyoming_port: int = _setting(0, "port for Home Assistant's Wyoming protocol; 0: none")
    processes: int = _setting(1, "processes that share the port, each with an engine and limits of its own")
    process_port: int = _setting(
        0, "process 1 also listens here on loopback, process 2 on the next port, ...: for metrics; 0: none does"
    )
    max_streams: int = _setting(256, "streams in one process")
    admit_lag_ms: int = _setting(
        3_000, "no new voice streams while finals wait this long for the engine, in ms; 0: they always come in"
    )
    max_sources: int = _setting(16, "sources on one connection of /ws/live; each counts as a stream")
    max_message_bytes: int = _setting(1 << 20, "largest WebSocket message")
    max_upload_bytes: int = _setting(64 << 20, "largest upload")
    max_upload_s: float = _setting(14_400.0, "longest upload, in seconds of audio")
    max_uploads: int = _setting(8, "uploads that are transcribed at the same time")
    idle_timeout_s: float = _setting(60.0, "a connection without audio or commands is closed after this long")
    heartbeat_s: float = _setting(20.0, "seconds between WebSocket pings")
    send_queue: int = _setting(64, "messages that may wait for a slow reader")
    send_timeout_s: float = _setting(10.0, "a client that reads nothing for this long is closed with 1013")
    handshake_s: float = _setting(10.0, "a request's headers must be here within this time, and a small body after it")
    model_aliases: tuple[str, ...] = _setting(
        (
            *("nova-3", "nova-3-general", "nova-2", "nova-2-general"),
            *("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-realtime", "gpt-4o-realtime-preview"),
        ),
        "names by which clients of other services may ask for the loaded model",
    )
    protocols: tuple[str, ...] = _setting((), "families of endpoints to serve, comma-separated; empty: all of them")
    drain_s: float = _setting(3.0, "on shutdown, finish what is queued within this time")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "lowest level that is logged")
    log_json: bool = _setting(False, "log JSON lines")
    otel_endpoint: str = _setting(
        "", "OpenTelemetry collector, for example http://127.0.0.1:4318/v1/traces; empty: no traces"
    )

    def __post_init__(self) -> None:
        _require(0 <= self.port <= 65_535, "server.port", self.port, "0..65535")
        _require(0 <= self.wyoming_port <= 65_535, "server.wyoming_port", self.wyoming_port, "0..65535")
        _require(1 <= self.processes <= 256, "server.processes", self.processes, "1..256")
        most = 65_536 - self.processes
        _require(0 <= self.process_port <= most, "server.process_port", self.process_port, f"0..{most}")
        _require(1 <= self.max_streams <= 100_000, "server.max_streams", self.max_streams, "1..100000")
        _require(0 <= self.admit_lag_ms <= 600_000, "server.admit_lag_ms", self.admit_lag_ms, "0..600000")
        _require(1 <= self.max_sources <= 64, "server.max_sources", self.max_sources, "1..64")
        _require(
            1024 <= self.max_message_bytes <= 1 << 26, "server.max_message_bytes", self.max_message_bytes, "1024..2^26"
        )
        _require(1 <= self.send_queue <= 10_000, "server.send_queue", self.send_queue, "1..10000")
        _require(
            1024 <= self.max_upload_bytes <= 1 << 32, "server.max_upload_bytes", self.max_upload_bytes, "1024..2^32"
        )
        _require(0.1 <= self.idle_timeout_s <= 86_400, "server.idle_timeout_s", self.idle_timeout_s, "0.1..86400")
        _require(0.1 <= self.heartbeat_s <= 3600, "server.heartbeat_s", self.heartbeat_s, "0.1..3600")
        _require(0.1 <= self.send_timeout_s <= 600, "server.send_timeout_s", self.send_timeout_s, "0.1..600")
        _require(0.1 <= self.handshake_s <= 600, "server.handshake_s", self.handshake_s, "0.1..600")
        _require(0 <= self.drain_s <= 3600, "server.drain_s", self.drain_s, "0..3600")
        _require(1 <= self.max_upload_s <= 86_400, "server.max_upload_s", self.max_upload_s, "1..86400")
        _require(1 <= self.max_uploads <= 256, "server.max_uploads", self.max_uploads, "1..256")


@dataclass(frozen=True, slots=True)
class ResumeSettings:
    """How a voice session waits for a client whose connection was lost."""

    wait_s: float = _setting(60.0, "a session waits this long for its client; 0: not at all")
    max_waiting: int = _setting(128, "sessions that may wait; the oldest is given up first")
    max_waiting_bytes: int = _setting(256 << 20, "memory that waiting sessions may take")
    max_events: int = _setting(256, "events kept per session for a client that missed them")
    catch_up_rate: float = _setting(4.0, "seconds of audio a second that a returning client may send; 0: no limit")
    token_lifetime_s: float = _setting(86_400.0, "a resume token is good for this long")

    def __post_init__(self) -> None:
        _require(0 <= self.wait_s <= 3600, "resume.wait_s", self.wait_s, "0..3600")
        _require(1 <= self.max_waiting <= 100_000, "resume.max_waiting", self.max_waiting, "1..100000")
        _require(
            1 << 20 <= self.max_waiting_bytes <= 1 << 40,
            "resume.max_waiting_bytes",
            self.max_waiting_bytes,
            "2^20..2^40",
        )
        _require(16 <= self.max_events <= 100_000, "resume.max_events", self.max_events, "16..100000")
        _require(
            self.catch_up_rate == 0 or 1 < self.catch_up_rate <= 1000,
            "resume.catch_up_rate",
            self.catch_up_rate,
            "0, or above 1 and at most 1000",
        )
        _require(1 <= self.token_lifetime_s <= 1e7, "resume.token_lifetime_s", self.token_lifetime_s, "1..1e7")


@dataclass(frozen=True, slots=True)
class Settings:
    """All of them."""

    server: ServerSettings = field(default_factory=ServerSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    asr: AsrSettings = field(default_factory=AsrSettings)
    recitation: RecitationSettings = field(default_factory=RecitationSettings)
    replies: RepliesSettings = field(default_factory=RepliesSettings)
    resume: ResumeSettings = field(default_factory=ResumeSettings)
    deepgram: DeepgramSettings = field(default_factory=DeepgramSettings)
    openai: OpenAISettings = field(default_factory=OpenAISettings)
