"""Measures what the user of one voice stream notices: first words, how late finals are, how often text changes."""

from __future__ import annotations

from itertools import zip_longest
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

SESSION_RATE = 16_000


class VoiceMeter:
    """Puts one stream's events and jobs into the server's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._revisions = Revisions()
        self._speech_s: dict[int, float] = {}  # when the utterances began of which nothing is told yet
        self._samples = 0
        self._arrived_s = 0.0
        self._stable: tuple[str, ...] = ()

    def note_audio(self, samples: int, now: float) -> None:
        """So many samples came, at 16 kHz, or were lost on the way."""
        self._samples += samples
        self._arrived_s = now

    def note(self, event: Event, now: float) -> None:
        """An event is on its way."""
        if isinstance(event, (Partial, Final)):
            self._note_text(event, now)
        elif isinstance(event, SpeechStarted):
            self._speech_s[event.utterance] = now
        elif isinstance(event, SpeechEnded):
            self._revisions.reset()
            self._stable = ()
        elif isinstance(event, Failure):
            self._metrics.errors.labels(event.code).inc()
        elif isinstance(event, Status):
            self._metrics.statuses.labels(event.state, event.engine).inc()

    def _note_text(self, event: Partial | Final, now: float) -> None:
        metrics, speech_s = self._metrics, self._speech_s.pop(event.utterance, None)
        fresh, changed = self._revisions.note(event)
        metrics.words.inc(fresh)
        metrics.revised.inc(changed)
        self._note_stable(event, now)
        took_ms = event.latency.total_ms
        if took_ms:  # the answer to a finalize after silence takes no time, and says nothing of the others
            metrics.note_latency(took_ms)
        if isinstance(event, Final):
            metrics.finals.inc()
            if took_ms:
                metrics.final_lag.observe(took_ms / 1000)
        elif speech_s is not None:
            metrics.first_partial.observe(now - speech_s)

    def _note_stable(self, event: Partial | Final, now: float) -> None:
        """Words that will not change any more: how long after they were said, if they were said as they came."""
        metrics = self._metrics
        words = event.words if isinstance(event, Final) else tuple(word for word in event.words if word.stable)
        texts = tuple(word.text for word in words)
        metrics.retracted.inc(sum(old != new for old, new in zip_longest(self._stable, texts[: len(self._stable)])))
        for word in words[len(self._stable) :]:
            said_s = self._arrived_s - (self._samples - word.end) / SESSION_RATE
            metrics.word_commit.observe(max(0.0, now - said_s))
        self._stable = texts

    def note_gap(self, missing: int) -> None:
        """So many samples were lost on the way."""
        self._metrics.gaps.inc(missing / SESSION_RATE)

    def note_end(self, stats: VoiceStats) -> None:
        """The session is over."""
        gated = round(stats.gated_share * stats.frames)
        self._metrics.vad_frames.labels("gated").inc(gated)
        self._metrics.dropped.labels("voice").inc(stats.dropped_samples)
        self._metrics.vad_frames.labels("scored").inc(stats.frames - gated)

    def note_outcome(self, outcome: Outcome) -> None:
        """A job came back."""
        metrics = self._metrics
        if outcome.error is None:
            metrics.queue.observe(outcome.queue_s)
            metrics.inference.observe(outcome.inference_s)
            seconds = len(outcome.job.samples) / SESSION_RATE
            if seconds:
                metrics.real_time_factor.observe(outcome.inference_s / seconds)
        elif not isinstance(outcome.error, JobDroppedError):
            metrics.failures.inc()
