"""The speech engines, and the pool that runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastring.config.fields import require, require_url, setting

__all__ = [
    "AsrSettings",
    "DeepgramSettings",
    "Engine",
    "OpenAISettings",
]


Engine = Literal["faster-whisper", "deepgram", "deepgram-batch", "openai", "pocketsphinx", "scripted"]


@dataclass(frozen=True, slots=True)
class AsrSettings:
    """The speech engine and the pool that runs it."""

    engine: Engine = setting("faster-whisper", "which engine transcribes")
    fallback: tuple[Engine, ...] = setting(
        (), "engines that take over, in this order, while those before them fail: deepgram-batch,faster-whisper"
    )
    breaker_failures: int = setting(3, "failures in a row after which an engine is left alone for a while")
    breaker_s: float = setting(5.0, "how long it is left alone at first, in seconds; doubled each time, up to 60 s")
    model: str = setting("base", "model name, or path of a folder; 'digits' ships with fastring and hears digits only")
    device: str = setting("auto", "cpu, cuda or auto")
    compute_type: str = setting("default", "CTranslate2 compute type: default, int8, float16, ...")
    language: str = setting("", "language code; empty: the model decides")
    beam_size: int = setting(5, "beams of a final; partials use one")
    short_encode: Literal["auto", "on", "off"] = setting(
        "auto", "encode the audio that is there, not 30 s: far cheaper; auto: with models known to bear it"
    )
    workers: int = setting(0, "engine workers; 0: one per core")
    threads: int = setting(0, "threads per worker; 0: cores / workers")
    max_queue: int = setting(3, "jobs one client may have waiting", env="WS_MAX_QUEUE")
    max_queue_total: int = setting(64, "jobs that may wait in all")
    timeout_s: float = setting(30.0, "a job older than this is given up")
    hang_s: float = setting(15.0, "an engine call that takes longer hangs: it is replaced, its jobs are tried again")
    no_speech_threshold: float = setting(0.6, "drop a segment the model calls silence with more than this probability")
    log_prob_threshold: float = setting(-1.0, "and whose mean log-probability is under this")
    compression_ratio_threshold: float = setting(2.4, "drop text that repeats itself more than this")
    script: str = setting("", "file of the scripted engine, one line per utterance")
    decoders: int = setting(4, "streams that pocketsphinx hears at a time; each is a process of some 130 MB")

    def __post_init__(self) -> None:
        chain = (self.engine, *self.fallback)
        require(
            len(set(chain)) == len(chain),
            "asr.fallback",
            self.fallback,
            f"engines other than {self.engine!r}, each once",
        )
        require(1 <= self.breaker_failures <= 100, "asr.breaker_failures", self.breaker_failures, "1..100")
        require(0.01 <= self.breaker_s <= 60, "asr.breaker_s", self.breaker_s, "0.01..60")
        require(1 <= self.decoders <= 256, "asr.decoders", self.decoders, "1..256")
        require(0 <= self.workers <= 256, "asr.workers", self.workers, "0..256")
        require(0 <= self.threads <= 256, "asr.threads", self.threads, "0..256")
        require(1 <= self.beam_size <= 20, "asr.beam_size", self.beam_size, "1..20")
        require(1 <= self.max_queue <= self.max_queue_total, "asr.max_queue", self.max_queue, "1..max_queue_total")
        require(0.1 <= self.timeout_s <= 3600, "asr.timeout_s", self.timeout_s, "0.1..3600")
        require(0.1 <= self.hang_s <= 3600, "asr.hang_s", self.hang_s, "0.1..3600")


@dataclass(frozen=True, slots=True)
class DeepgramSettings:
    """The engines deepgram (a live stream) and deepgram-batch (one request per utterance)."""

    api_key: str = setting("", "key of the account", env="DEEPGRAM_API_KEY", secret=True)
    base_url: str = setting(
        "https://api.deepgram.com", "where the service is: http, https, ws or wss", env="DEEPGRAM_BASE_URL"
    )
    model: str = setting("nova-3", "model that is asked for")
    connections: int = setting(32, "open connections at most; each hears one utterance at a time")
    spare: int = setting(
        1, "of them, kept open for streams to come while others are in use, so that these need not wait"
    )
    chunk_size_ms: int = setting(250, "audio per message, and between two partials")
    timeout_s: float = setting(5.0, "no answer for this long is a failure")
    retries: int = setting(2, "connects again at once, before a job is given up")
    backoff_s: float = setting(0.25, "longest wait before the first retry; doubled each time, up to 8 s; jittered")
    keepalive_s: float = setting(4.0, "between utterances, a sign of life this often; the service hangs up after 10 s")
    idle_s: float = setting(60.0, "a connection that nobody has used for this long is closed")
    options: tuple[str, ...] = setting(
        ("punctuate=true", "endpointing=300"), "further parameters of the request, name=value, comma-separated"
    )

    def __post_init__(self) -> None:
        require_url(self.base_url, "deepgram.base_url", ("http", "https", "ws", "wss"))
        require(1 <= self.connections <= 10_000, "deepgram.connections", self.connections, "1..10000")
        require(0 <= self.spare <= 100, "deepgram.spare", self.spare, "0..100")
        require(20 <= self.chunk_size_ms <= 2_000, "deepgram.chunk_size_ms", self.chunk_size_ms, "20..2000")
        require(0.05 <= self.timeout_s <= 60, "deepgram.timeout_s", self.timeout_s, "0.05..60")
        require(0 <= self.retries <= 10, "deepgram.retries", self.retries, "0..10")
        require(0 <= self.backoff_s <= 8, "deepgram.backoff_s", self.backoff_s, "0..8")
        require(0.05 <= self.keepalive_s <= 9, "deepgram.keepalive_s", self.keepalive_s, "0.05..9")
        require(0 <= self.idle_s <= 3600, "deepgram.idle_s", self.idle_s, "0..3600")
        for option in self.options:
            require("=" in option, "deepgram.options", option, "name=value")


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """The engine openai: any service that transcribes files as OpenAI's does."""

    api_key: str = setting("", "key; services of one's own may need none", env="OPENAI_API_KEY", secret=True)
    base_url: str = setting("https://api.openai.com/v1", "where the service is, with its /v1", env="OPENAI_BASE_URL")
    model: str = setting("whisper-1", "model that is asked for")
    partials: bool = setting(False, "ask for partials too: a request each, over the whole open segment")
    connections: int = setting(8, "requests at the same time")
    timeout_s: float = setting(10.0, "no answer for this long is a failure")
    retries: int = setting(2, "tries again after a failure that may pass, as the service asks or with backoff")

    def __post_init__(self) -> None:
        require_url(self.base_url, "openai.base_url", ("http", "https"))
        require(1 <= self.connections <= 1_000, "openai.connections", self.connections, "1..1000")
        require(0.05 <= self.timeout_s <= 600, "openai.timeout_s", self.timeout_s, "0.05..600")
        require(0 <= self.retries <= 10, "openai.retries", self.retries, "0..10")
