"""A voice session at work on the event loop: its jobs in the engine pool, its alarm, what its user notices measured."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from fastring.asr.transcriber import Outcome
from fastring.errors import EngineFailedError, JobDroppedError, QueueFullError, TranscriberError
from fastring.events import Failure
from fastring.server.logs import Throttle
from fastring.server.voice_meter import VoiceMeter
from fastring.session.admission import AdmissionControl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastring.asr.pool import TranscriberPool
    from fastring.asr.transcriber import Job
    from fastring.events import Endpointing, Event
    from fastring.server.metrics import Metrics
    from fastring.server.tracing import VoiceTrace
    from fastring.session.backpressure import Backpressure
    from fastring.session.voice import VoiceSession, VoiceStats

__all__ = ["VoiceListener", "VoiceRunner", "VoiceWitness"]

SESSION_RATE = 16_000
_CHUNK_S = 0.1  # what waits in a session is told in chunks of this length
_CALM_S = 0.6

log = structlog.get_logger("fastring.server")
_failures = Throttle(10, 10.0)
"""An engine that fails on every job of every stream must not fill the disk."""


class VoiceListener(Protocol):
    """Who hears what a session says. Both calls come on the event loop's thread."""

    def hear(self, event: Event) -> None:
        """An event of the session, in order."""
        ...

    def relieve(self) -> None:
        """`VoiceRunner.congested` may have changed."""
        ...


class VoiceWitness(Protocol):
    """Who acts on what a session says: a language model, a program's callback. Its faults are its own."""

    def hear(self, event: Event) -> None:
        """An event that the listener has been told."""
        ...

    def stop(self) -> None:
        """Nothing more comes, and nothing more is wanted."""
        ...


class VoiceRunner:
    """Runs one voice session: 16 kHz mono in, events out to its listener.

    It outlives a connection: `listener` may be taken away and another one set, and what is said meanwhile goes to
    nobody, so whoever lets a session wait for its client listens itself.

    Args:
        session: the sans-I/O state.
        name: the name its jobs bear, unique in the process.
        pool: runs the jobs.
        metrics: of the server.
        admission: is told what is owed, and since when.

    Attributes:
        name: see above.
        listener: who hears the events.
        pressure: what the listener is told while `congested`; None: nothing.
        witnesses: who acts on them besides.
        trace: who is told of its jobs, too.
    """

    def __init__(
        self,
        session: VoiceSession,
        *,
        name: str,
        pool: TranscriberPool,
        metrics: Metrics,
        admission: AdmissionControl | None = None,
    ) -> None:
        self.name = name
        self.listener: VoiceListener | None = None
        self.pressure: Backpressure | None = None
        self.witnesses: tuple[VoiceWitness, ...] = ()
        self.trace: VoiceTrace | None = None
        self._session = session
        self._pool = pool
        self._metrics = metrics
        self._audio_seconds = metrics.audio.labels("voice")
        self._uncounted = 0  # samples; the metric is told of them a second at a time
        self._meter = VoiceMeter(metrics)
        self._admission = admission or AdmissionControl(0)
        self._entered = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0
        self._context = contextvars.copy_context()  # whose stream it is, for the log
        self._stopped = False
        self._calm: asyncio.TimerHandle | None = None
        self._dropped = 0
        self._owed: dict[int, float] = {}  # jobs of finals that are not answered, oldest first, and since when

    @property
    def congested(self) -> bool:
        """The client is so far ahead of the engine that its audio had better stay with it."""
        return self._session.paused

    @property
    def closed(self) -> bool:
        """Everything has been answered after `close`."""
        return self._session.closed

    def lag_s(self, now: float) -> float:
        """How long the oldest final has been owed, in seconds; 0 if none is."""
        return now - next(iter(self._owed.values())) if self._owed else 0.0

    @property
    def waiting_samples(self) -> int:
        """Audio that waits in the session for room."""
        return self._session.waiting_samples

    def stats(self) -> VoiceStats:
        """Counters of the session."""
        return self._session.stats()

    def receive_audio(self, samples: NDArray[np.int16], now: float) -> None:
        """Take audio: int16 mono at 16 kHz, shape (n,)."""
        if not self._entered:
            self._entered = True
            self._admission.enter(now)
        self._uncounted += len(samples)
        if self._uncounted >= SESSION_RATE:
            self._count_audio()
        self._meter.note_audio(len(samples), now)
        if self._session.receive_audio(samples, now) or (self.pressure is not None and self.pressure.active):
            self._advance(now)

    def receive_gap(self, missing: int, now: float) -> None:
        """So many samples were lost on the way."""
        self._meter.note_audio(missing, now)
        self._meter.note_gap(missing)
        self._session.receive_gap(missing, now)
        self._advance(now)

    @property
    def end_chance(self) -> float:
        """See `VoiceSession.end_chance`."""
        return self._session.end_chance

    def set_endpointing(self, endpointing: Endpointing, now: float) -> None:
        """See `VoiceSession.receive_endpointing`."""
        self._session.receive_endpointing(endpointing, now)
        self._advance(now)

    def note_absence(self, away: bool, now: float) -> None:
        """The client's connection is gone, or back; see `VoiceSession.receive_absence`."""
        self._session.receive_absence(away, now)
        self._advance(now)

    def finalize(self, now: float) -> None:
        """End the utterance now; its final follows."""
        self._session.receive_finalize(now)
        self._advance(now)

    def close(self, now: float, reason: str) -> None:
        """Take no more audio; answer what was accepted, then `Closed`."""
        self._session.receive_close(now, reason)
        self._advance(now)

    def say(self, event: Event) -> None:
        """Have the listener told something that the session did not say: what a witness has to add."""
        if self.listener is not None:
            self.listener.hear(event)

    def stop(self) -> None:
        """Let everything go, answered or not. No event follows."""
        if not self._stopped:
            self._meter.note_end(self._session.stats())
            if self._entered:
                self._admission.leave(self.name)
        self._stopped = True
        self.listener = None
        self._count_audio()
        for timer in (self._timer, self._calm):
            if timer is not None:
                timer.cancel()
        for witness in self.witnesses:
            witness.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._pool.cancel(self.name)

    def _count_audio(self) -> None:
        self._audio_seconds.inc(self._uncounted / SESSION_RATE)
        self._uncounted = 0

    def _advance(self, now: float) -> None:
        """Carry off what the session has to say and to run, and set its alarm."""
        while jobs := self._session.jobs_to_run():
            for job in jobs:
                self._submit(job, now)
        for event in self._session.events_to_send():
            told = _engine_failure(event) if isinstance(event, Failure) else event
            if told is not None:
                self._meter.note(told, now)
                self.say(told)
                for witness in self.witnesses:
                    witness.hear(told)
        if self.pressure is not None and (self.congested or self.pressure.active):
            self._tell_pressure(self.pressure, now)
        self._arm()

    def _tell_pressure(self, pressure: Backpressure, now: float) -> None:
        """Say how far the client is ahead of the engine; again in a moment, for it may be over without another sign."""
        stats = self._session.stats()
        pressure.lose(stats.dropped_samples - self._dropped)
        self._dropped = stats.dropped_samples
        waiting_s = stats.waiting_samples / SESSION_RATE
        lag_s = max(self.lag_s(now), waiting_s)
        status = pressure.report(self.congested, waiting=math.ceil(waiting_s / _CHUNK_S), lag_s=lag_s, now=now)
        if status is not None and self.listener is not None:
            self.listener.hear(status)
        if pressure.active and not self._stopped and self._calm is None:
            self._calm = self._loop.call_later(_CALM_S, self._look_again)

    def _look_again(self) -> None:
        self._calm = None
        self._advance(time.monotonic())

    def _submit(self, job: Job, now: float) -> None:
        """Offer a job to the pool. What it has no room for, the session skips or tries again."""
        if job.kind == "final":
            self._owed.setdefault(job.job_id, now)
            self._admission.owe(self.name, job.job_id, now)
        try:
            self._pool.submit(job, self._done)
        except TranscriberError as error:
            self._metrics.jobs_refused.labels(job.kind).inc()
            self._settle(Outcome(job, None, error), now)

    def _done(self, outcome: Outcome) -> None:
        """Called by an engine thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._receive_outcome, outcome, context=self._context)

    def _receive_outcome(self, outcome: Outcome) -> None:
        if self._stopped:
            return
        now = time.monotonic()
        self._meter.note_outcome(outcome)
        _log_outcome(outcome)
        if self.trace is not None:
            self.trace.note_outcome(outcome)
        self._settle(outcome, now)
        self._advance(now)
        if self.listener is not None and not self.congested:
            self.listener.relieve()

    def _settle(self, outcome: Outcome, now: float) -> None:
        again = isinstance(outcome.error, QueueFullError)
        if not again and self._owed.pop(outcome.job.job_id, None) is not None:
            self._admission.settle(self.name, outcome.job.job_id, now, outcome.inference_s)
        self._session.receive_outcome(outcome, now)

    def _arm(self) -> None:
        """Set the alarm. It is moved forward only: while audio comes the deadline recedes with every message."""
        deadline = self._session.next_deadline()
        if deadline is None or self._stopped or (self._timer is not None and self._alarm_s <= deadline):
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


def _engine_failure(failure: Failure) -> Failure | None:
    """What of a job's failure concerns the client: not which of its partials the pool let go."""
    if failure.code == JobDroppedError.code:
        return None
    return failure if failure.fatal else replace(failure, code=EngineFailedError.code)


def _log_outcome(outcome: Outcome) -> None:
    """What became of a job, with the stream it belongs to from the context; a failure is worth a line."""
    job = outcome.job
    if outcome.error is None:
        log.debug(
            "job answered",
            job=job.job_id,
            kind=job.kind,
            utterance=job.utterance,
            queue_s=round(outcome.queue_s, 4),
            inference_s=round(outcome.inference_s, 4),
        )
    elif not isinstance(outcome.error, JobDroppedError) and _failures.passes():
        log.warning(
            "job failed",
            job=job.job_id,
            kind=job.kind,
            utterance=job.utterance,
            reason=str(outcome.error)[:200],
            more=_failures.take_held_back(),
        )
