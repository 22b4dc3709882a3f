"""Measures what the user of one voice stream notices: first words, how late finals are, how often text changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.errors import JobDroppedError
from fastring.events import Failure, Final, Partial, SpeechEnded, SpeechStarted, Status
from fastring.server.metrics import Revisions

if TYPE_CHECKING:
    from fastring.asr.transcriber import Outcome
    from fastring.events import Event
    from fastring.server.metrics import Metrics
    from fastring.session.stats import VoiceStats

__all__ = ["VoiceMeter"]


class VoiceMeter:
    """Puts one stream's events and jobs into the server's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._revisions = Revisions()
        self._speech_s: float | None = None

    def note(self, event: Event, now: float) -> None:
        """An event is on its way."""
        if isinstance(event, (Partial, Final)):
            self._note_text(event, now)
        elif isinstance(event, SpeechStarted):
            self._speech_s = now
        elif isinstance(event, SpeechEnded):
            self._revisions.reset()
        elif isinstance(event, Failure):
            self._metrics.errors.labels(event.code).inc()
        elif isinstance(event, Status):
            self._metrics.statuses.labels(event.state, event.engine).inc()

    def _note_text(self, event: Partial | Final, now: float) -> None:
        metrics = self._metrics
        fresh, changed = self._revisions.note(event)
        metrics.words.inc(fresh)
        metrics.revised.inc(changed)
        took_ms = event.latency.total_ms
        if took_ms:  # the answer to a finalize after silence takes no time, and says nothing of the others
            metrics.note_latency(took_ms)
        if isinstance(event, Final):
            metrics.finals.inc()
            if took_ms:
                metrics.final_lag.observe(took_ms / 1000)
        elif self._speech_s is not None:
            metrics.first_partial.observe(now - self._speech_s)
        self._speech_s = None

    def note_end(self, stats: VoiceStats) -> None:
        """The session is over."""
        gated = round(stats.gated_share * stats.frames)
        self._metrics.vad_frames.labels("gated").inc(gated)
        self._metrics.vad_frames.labels("scored").inc(stats.frames - gated)

    def note_outcome(self, outcome: Outcome) -> None:
        """A job came back."""
        metrics = self._metrics
        if outcome.error is None:
            metrics.queue.observe(outcome.queue_s)
            metrics.inference.observe(outcome.inference_s)
            seconds = len(outcome.job.samples) / 16_000
            if seconds:
                metrics.real_time_factor.observe(outcome.inference_s / seconds)
        elif not isinstance(outcome.error, JobDroppedError):
            metrics.failures.inc()
