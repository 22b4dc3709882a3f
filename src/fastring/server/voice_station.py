"""Behind a voice connection: decoder, session, the engine pool's jobs, timers and acknowledgements."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from fastring.asr.transcriber import Outcome
from fastring.errors import EngineFailedError, JobDroppedError, ProtocolError, TranscriberError
from fastring.events import (
    Ack,
    Audio,
    Close,
    Closed,
    Failure,
    Final,
    Finalize,
    Partial,
    Ping,
    Pong,
    Resume,
    SpeechEnded,
    SpeechStarted,
)
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes
from fastring.server.metrics import Revisions
from fastring.server.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from fastring.asr.pool import TranscriberPool
    from fastring.asr.transcriber import Job
    from fastring.events import Command, Event, VoiceReady
    from fastring.protocols.codec import Counters
    from fastring.server.decoding import Decoder
    from fastring.server.metrics import Metrics
    from fastring.server.station import Line
    from fastring.session.voice import VoiceSession

__all__ = ["VoiceStation"]

_ACK_EVERY_S = 0.5


class VoiceStation:
    """One voice stream.

    Args:
        stream_id: the client's name for it.
        session: its sans-I/O state; jobs bear `session_name`.
        session_name: the name jobs bear, unique in the process.
        decoder: from the client's encoding to 16 kHz mono.
        pool: runs the jobs.
        metrics: of the server.
        ready: the first event.
        input_rate: samples per second and channel that the client sends, which acknowledgements count in.
        frame_bytes: bytes of one such sample of all channels; 0 for containers, then decoded samples are counted.
        counters: the codec's.
        reach_samples: how far back speech that starts now may reach; see `Progress`.
        on_gone: called once when the connection is gone.
    """

    kind: Literal["voice"] = "voice"

    def __init__(
        self,
        stream_id: str,
        *,
        session: VoiceSession,
        session_name: str,
        decoder: Decoder,
        pool: TranscriberPool,
        metrics: Metrics,
        ready: VoiceReady,
        input_rate: int,
        frame_bytes: int,
        counters: Counters,
        reach_samples: int = 0,
        on_gone: Callable[[VoiceStation], object] = lambda _station: None,
    ) -> None:
        self.stream_id = stream_id
        self._session = session
        self._decoder = decoder
        self._pool = pool
        self._session_name = session_name
        self._metrics = metrics
        self._audio_seconds = metrics.audio.labels("voice")
        self._ready = ready
        self._input_rate = input_rate
        self._frame_bytes = frame_bytes
        self._counters = counters
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._progress = Progress(
            input_rate=input_rate if frame_bytes else ready.pcm_sample_rate,
            session_rate=ready.pcm_sample_rate,
            reach_samples=reach_samples,
        )
        self._acked = Ack(0, 0)
        self._source: str | None = None
        self._meter = _Meter(metrics)
        self._started_s = time.monotonic()

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._input_rate, self._frame_bytes)

    @property
    def congested(self) -> bool:
        """The client is so far ahead of the engine that its audio had better stay with it."""
        return self._session.paused

    def attach(self, line: Line) -> None:
        """Say `ready`."""
        self._line = line
        line.post(self._ready)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Audio):
            self._receive_audio(command, now)
        elif isinstance(command, Finalize):
            self._session.receive_finalize(now)
        elif isinstance(command, Close):
            self._close(now, "requested")
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Resume):
            self._post(Failure("resume_failed", "no such session waits here; this is a fresh one", reason="unknown"))
        else:
            raise ProtocolError("a voice stream takes no such command", code="unknown_type")
        self._advance(now)

    def finish(self, now: float) -> None:
        """Flush, then `Closed`."""
        self._close(now, "going away")
        self._advance(now)

    def stop(self) -> dict[str, Any]:
        """End it from outside, once what it said is answered; see `Stream.stop`."""
        now = time.monotonic()
        self._close(now, "stopped")
        self._advance(now)
        return self.stats()

    def detach(self) -> None:
        """Cancel what runs for it."""
        self._line = None
        for timer in (self._timer, self._ack_timer):
            if timer is not None:
                timer.cancel()
        self._pool.cancel(self._session_name)
        close_decoder(self._decoder)
        self._on_gone(self)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        return {
            **self.summary(),
            **asdict(self._counters),
            **asdict(self._session.stats()),
            "received": self._progress.received,
        }

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._input_rate,
            "channels": self._ready.channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- in ----------------------------------------------------------------------------------------------------------

    def _receive_audio(self, audio: Audio, now: float) -> None:
        if self._source not in (None, audio.source):
            raise ProtocolError(
                f"this endpoint takes one source, and it is {self._source!r}: several go to /ws/live",
                code="invalid_field",
            )
        if self._closing:
            return
        self._source = audio.source
        samples = self._decoder.push(audio.data)
        sent = len(audio.data) // self._frame_bytes if self._frame_bytes else len(samples)
        self._take_samples(samples, sent, now)

    def _take_samples(self, samples: NDArray[np.int16], sent: int, now: float) -> None:
        self._progress.note_audio(sent, len(samples))
        self._audio_seconds.inc(len(samples) / self._ready.pcm_sample_rate)
        self._session.receive_audio(samples, now)

    def _close(self, now: float, reason: str) -> None:
        if not self._closing:
            self._closing = True
            samples, failure = flush_decoder(self._decoder)
            if samples is not None:
                self._take_samples(samples, 0, now)
            if failure is not None:
                self._post(failure)
            self._session.receive_close(now, reason)

    # --- around the session ------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Carry off what the session has to say and to run, and set its alarm."""
        while jobs := self._session.jobs_to_run():
            for job in jobs:
                self._submit(job, now)
        for event in self._session.events_to_send():
            told = _engine_failure(event) if isinstance(event, Failure) else event
            if told is not None:
                self._meter.note(told, now)
                self._progress.note_event(told)
                self._post(told)
        self._arm()
        self._arm_ack()

    def _submit(self, job: Job, now: float) -> None:
        """Offer a job to the pool. What it has no room for, the session skips or tries again."""
        try:
            self._pool.submit(job, self._done)
        except TranscriberError as error:
            self._metrics.jobs_refused.labels(job.kind).inc()
            self._session.receive_outcome(Outcome(job, None, error), now)

    def _done(self, outcome: Outcome) -> None:
        """Called by an engine thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._receive_outcome, outcome)

    def _receive_outcome(self, outcome: Outcome) -> None:
        if self._line is None:
            return
        now = time.monotonic()
        self._meter.note_outcome(outcome)
        self._session.receive_outcome(outcome, now)
        self._advance(now)
        if not self.congested:
            self._line.relieve()

    def _arm(self) -> None:
        """Set the alarm. It is moved forward only: while audio comes the deadline recedes with every message."""
        deadline = self._session.next_deadline()
        if deadline is None or self._line is None or (self._timer is not None and self._alarm_s <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._alarm_s = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - time.monotonic()), self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        now = time.monotonic()
        deadline = self._session.next_deadline()
        if deadline is not None and deadline <= now:
            self._session.handle_deadline(now)
        self._advance(now)

    def _post(self, event: Event) -> None:
        if self._line is not None:
            if isinstance(event, Closed) and not event.stats:
                self._acknowledge()
                event = Closed(event.reason, self.stats())
            self._line.post(event)

    # --- acknowledgements --------------------------------------------------------------------------------------------

    def _arm_ack(self) -> None:
        if self._ack_timer is None and self._line is not None and self._ack() != self._acked:
            self._ack_timer = self._loop.call_later(_ACK_EVERY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        self._ack_timer = None
        ack = self._ack()
        if ack != self._acked:
            self._acked = ack
            self._post(ack)

    def _ack(self) -> Ack:
        return self._progress.ack(self._session.stats().waiting_samples)


def _engine_failure(failure: Failure) -> Failure | None:
    """What of a job's failure concerns the client: not which of its partials the pool let go."""
    if failure.code == JobDroppedError.code:
        return None
    return failure if failure.fatal else replace(failure, code=EngineFailedError.code)


class _Meter:
    """Measures what the user of one voice stream notices."""

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

    def _note_text(self, event: Partial | Final, now: float) -> None:
        metrics = self._metrics
        fresh, changed = self._revisions.note(event)
        metrics.words.inc(fresh)
        metrics.revised.inc(changed)
        metrics.note_latency(event.latency.total_ms)
        if isinstance(event, Final):
            metrics.finals.inc()
            metrics.final_lag.observe(event.latency.total_ms / 1000)
        elif self._speech_s is not None:
            metrics.first_partial.observe(now - self._speech_s)
        self._speech_s = None

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
