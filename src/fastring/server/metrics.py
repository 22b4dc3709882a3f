"""What users notice, in numbers: latency, revisions, drops, refusals; for Prometheus and as JSON."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from fastring._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fastring.asr.pool_stats import PoolStats
    from fastring.events import Final, Partial
    from fastring.protocols.codec import Counters

__all__ = ["Metrics", "Revisions"]

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0, 30.0)
_LAGS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LATENCIES_KEPT = 1000


class Metrics:
    """All metrics of one server, in a registry of its own.

    Args:
        build: what runs here besides the version: engine, model, instruction set.
    """

    def __init__(self, build: Mapping[str, str] | None = None) -> None:
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self.first_partial = Histogram(
            "fastring_first_partial_seconds", "Speech start heard to first partial sent", buckets=_SECONDS, **options
        )
        self.final_lag = Histogram(
            "fastring_final_lag_seconds", "End of an utterance decided to its final sent", buckets=_SECONDS, **options
        )
        self.word_commit = Histogram(
            "fastring_word_commit_seconds", "End of a word received to the word stable", buckets=_SECONDS, **options
        )
        self.queue = Histogram("fastring_asr_queue_seconds", "A job's wait in the pool", buckets=_SECONDS, **options)
        self.inference = Histogram("fastring_asr_inference_seconds", "A job in the engine", buckets=_SECONDS, **options)
        self.real_time_factor = Histogram(
            "fastring_asr_real_time_factor",
            "Engine time over audio time of a job",
            buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
            **options,
        )
        self.words = Counter("fastring_partial_words", "Words shown in partials for the first time", **options)
        self.revised = Counter("fastring_revised_words", "Words of a partial that a later text changed", **options)
        self.retracted = Counter(
            "fastring_retracted_words", "Stable words that a later text changed: always 0", **options
        )
        self.audio = Counter("fastring_audio_seconds", "Audio received", ["kind"], **options)
        self.vad_frames = Counter(
            "fastring_vad_frames",
            "Frames of 32 ms that the energy gate kept from the voice detector, or not",
            ["verdict"],
            **options,
        )
        self.dropped = Counter(
            "fastring_dropped_samples", "Samples overwritten, or given up in a queue, before use", ["kind"], **options
        )
        self.gaps = Counter("fastring_gap_seconds", "Audio that never came, or was given up, in holes", **options)
        self.jobs_refused = Counter("fastring_asr_refused_jobs", "Jobs the pool had no room for", ["job"], **options)
        self.failures = Counter("fastring_asr_failures", "Jobs the engine failed on", **options)
        self.errors = Counter("fastring_errors_sent", "Error messages sent to clients", ["code"], **options)
        self.statuses = Counter(
            "fastring_status_messages", "Status messages sent to clients", ["state", "engine"], **options
        )
        self.short_lived_keys = Counter(
            "fastring_short_lived_keys", "Short-lived keys made for pages", ["protocol"], **options
        )
        self.finals = Counter("fastring_finals", "Final transcripts sent", **options)
        self.loop_lag = Histogram(
            "fastring_event_loop_lag_seconds", "Delay of the event loop's ticker", buckets=_LAGS, **options
        )
        ProcessCollector(registry=self.registry)
        Info("fastring_build", "What runs here", **options).info({"version": __version__, **(build or {})})
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def watch(self, gauges: Callable[[], Mapping[str, float]], counts: Callable[[], Mapping[str, Counters]]) -> None:
        """Read these at each scrape, instead of counting each message: gauges by name, counters by endpoint."""
        self.registry.register(_AtScrape(gauges, counts))

    def watch_pool(self, stats: Callable[[], PoolStats]) -> None:
        """Read the engine's pool at each scrape."""
        self.registry.register(_PoolAtScrape(stats))

    def note_latency(self, total_ms: float) -> None:
        """Keep an end-to-end latency for the JSON summary."""
        self._latencies_ms.append(total_ms)

    def summary(self) -> dict[str, Any]:
        """Latencies of the last thousand transcripts and the failures so far."""
        kept = sorted(self._latencies_ms)
        return {
            "avg_latency_ms": round(sum(kept) / len(kept), 1) if kept else None,
            "p95_latency_ms": round(kept[int(0.95 * (len(kept) - 1))], 1) if kept else None,
            "latency_sample_count": len(kept),
            "asr_failure_count": int(self.failures._value.get()),
        }

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class Revisions:
    """Counts, for one stream, how many shown words a later text took back."""

    def __init__(self) -> None:
        self._shown: tuple[str, ...] = ()

    def note(self, event: Partial | Final) -> tuple[int, int]:
        """Take the next text of the utterance; return (words that are new, words that were changed)."""
        words = tuple(word.text for word in event.words)
        same = 0
        for old, new in zip(self._shown, words, strict=False):
            if old != new:
                break
            same += 1
        changed, fresh = len(self._shown) - same, max(0, len(words) - len(self._shown))
        self._shown = words
        return fresh, changed

    def reset(self) -> None:
        """The utterance is over."""
        self._shown = ()


class _AtScrape(Collector):
    def __init__(self, gauges: Callable[[], Mapping[str, float]], counts: Callable[[], Mapping[str, Counters]]) -> None:
        self._gauges = gauges
        self._counts = counts

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Called by the registry at each scrape."""
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"fastring_{name}", name.replace("_", " "), value=value)
        counts = self._counts()
        for name, text in _COUNTED.items():
            family = CounterMetricFamily(f"fastring_{name}", text, labels=["endpoint"])
            for endpoint, counters in counts.items():
                family.add_metric([endpoint], getattr(counters, name))
            yield family


class _PoolAtScrape(Collector):
    def __init__(self, stats: Callable[[], PoolStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Called by the registry at each scrape."""
        stats = self._stats()
        for name, text in _POOL_NOW.items():
            yield GaugeMetricFamily(f"fastring_asr_{name}", text, value=getattr(stats, name))
        for name, text in _POOL_COUNTED.items():
            yield CounterMetricFamily(f"fastring_asr_{name}", text, value=getattr(stats, name))


_POOL_NOW = {
    "workers": "Threads that run the engine",
    "abandoned": "Threads that hang in the engine and were given up",
    "queued": "Jobs that wait",
    "running": "Jobs that the engine has",
}
_POOL_COUNTED = {
    "expired": "Jobs not answered within the deadline",
    "retried": "Jobs tried again after a call that failed or hung",
    "hung": "Calls of the engine that took too long",
    "rebuilt": "Times the engine was built anew",
}
_COUNTED = {
    "messages": "Messages received",
    "bytes": "Bytes received in messages",
    "malformed": "Messages refused as malformed",
    "seq_gaps": "Numbered messages that never came",
    "late": "Numbered messages that came after a later one, or again",
}
