"""Engines that stand in for each other: one `Transcriber` made of several.

A job carries its whole segment, so the next engine can answer what the one before could not, in the middle of an
utterance too: it hears all of it, and no word is lost or said twice. An utterance that has changed engines stays where
it is; the next one begins with the first engine that works. A circuit breaker per engine spares everybody the wait for
one that is down. Now and then the audio of a job goes to it as well, on a thread of its own: nobody waits for the
answer, but once there is one, the engine is back.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from fastring.asr.breaker import CircuitBreaker
from fastring.asr.gathering import Gathering
from fastring.asr.transcriber import Hypothesis, Reachable, Rebuildable
from fastring.errors import ConfigError, EngineFailedError, EngineUnavailableError, QueueFullError
from fastring.events import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastring.asr.transcriber import Capabilities, Job, Transcriber

__all__ = ["FallbackTranscriber"]

_PROBE_S = 30.0  # a try that is not answered by then is followed by another one
_PROOF_SAMPLES = 8_000  # audio with which a partial may try an engine again
_HOP_SAMPLES = 8_000  # a segment engine that stands in for a progressive one is asked no more often than this

_log = logging.getLogger(__name__)


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="fastring-probe", daemon=True).start()


@dataclass(slots=True, eq=False)
class _Engine:
    """One engine and how it fares."""

    transcriber: Transcriber
    breaker: CircuitBreaker
    gathering: Gathering
    trouble: str = ""  # why it failed last

    @property
    def name(self) -> str:
        return self.transcriber.capabilities.engine


@dataclass(slots=True)
class _Stream:
    """Which engine hears a stream, and which one its client has been told of."""

    utterance: int = -1
    engine: int = 0
    told: int = 0
    partial: tuple[int, int] = (-1, 0)  # start and end of the last segment that was answered


class FallbackTranscriber:
    """The first of several engines that works; see `Transcriber` for the contract. Thread-safe.

    Every change of engine is told to the client by a notice, `Status("fallback", engine=..., reason=...)`: the reason
    is that of the failure, or `recovered` when an earlier engine takes over again.

    Args:
        engines: the best first; owned from now on.
        breaker_failures: failures in a row after which an engine is left alone for a while.
        breaker_s: how long at first.
        clock: monotonic seconds.
        start: runs what it is given, on a thread of its own.
    """

    def __init__(
        self,
        engines: Sequence[Transcriber],
        *,
        breaker_failures: int = 3,
        breaker_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], object] = _start_thread,
    ) -> None:
        if not engines or len({engine.capabilities.sample_rate for engine in engines}) > 1:
            raise ConfigError("asr.fallback: needs engines, and all of one sample rate")
        self._engines = [
            _Engine(
                engine,
                CircuitBreaker(breaker_failures, breaker_s),
                Gathering(engine),
            )
            for engine in engines
        ]
        own = [engine.capabilities for engine in engines]
        self._capabilities = replace(
            own[0],
            progressive=any(each.progressive for each in own),
            max_batch=own[0].max_batch,
            concurrency=max(each.concurrency for each in own),
            languages=own[0].languages,
        )
        self._clock = clock
        self._start = start
        self._lock = threading.Lock()
        self._streams: dict[str, _Stream] = {}  # guarded by the lock, as are the breakers and counts
        self._switches: Counter[tuple[str, str, str]] = Counter()

    @property
    def capabilities(self) -> Capabilities:
        """Those of the first engine, as far as the others allow."""
        return self._capabilities

    @property
    def switches(self) -> dict[tuple[str, str, str], int]:
        """How often streams have changed: (from engine, to engine, reason) to count."""
        with self._lock:
            return dict(self._switches)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`.

        Raises:
            EngineFailedError: if no engine could answer; the error is that of the last one.
        """
        together = self._hear_together(jobs) if len(jobs) > 1 else None
        return together or [self._answer(job) for job in jobs]

    def reach(self) -> list[str]:
        """See `Reachable`: those of the engines that ask a service."""
        engines = [engine.transcriber for engine in self._engines]
        return [trouble for engine in engines if isinstance(engine, Reachable) for trouble in engine.reach()]

    def forget(self, stream_id: str) -> None:
        """Drop whatever is kept for a stream."""
        with self._lock:
            self._streams.pop(stream_id, None)
        for engine in self._engines:
            engine.transcriber.forget(stream_id)

    def rebuild(self) -> None:
        """Build anew what can be: a call hangs, and it is not known whose.

        Raises:
            TranscriberError: if an engine cannot be built; it goes on with what it has.
        """
        for engine in self._engines:
            engine.gathering.reset()
            if isinstance(engine.transcriber, Rebuildable):
                engine.transcriber.rebuild()

    def close(self) -> None:
        """Close every engine."""
        with contextlib.ExitStack() as stack:
            for engine in self._engines:
                stack.callback(engine.transcriber.close)

    def _hear_together(self, jobs: Sequence[Job]) -> list[Hypothesis] | None:
        """Have them answered by one call of the first engine; None if it is not theirs, or that fails."""
        first = self._engines[0]
        with self._lock:
            streams = [self._streams.setdefault(job.stream_id, _Stream()) for job in jobs]
            stand_ins = any(s.engine and s.utterance == job.utterance for s, job in zip(streams, jobs, strict=True))
            works = first.breaker.state(self._clock()) == "closed"
        if stand_ins or not works or not first.transcriber.capabilities.partials:
            return None
        try:
            heard = first.gathering.hear(jobs)
        except Exception:
            return None  # each for itself, with those that stand in
        answers: Sequence[Hypothesis | None] = heard or [None] * len(jobs)
        return [self._heard(0, *each) for each in zip(streams, jobs, answers, strict=True)]

    def _answer(self, job: Job) -> Hypothesis:
        with self._lock:
            stream = self._streams.setdefault(job.stream_id, _Stream())
        failure: Exception = EngineFailedError("every engine is left alone for a while")
        for index in self._candidates(stream, job):
            engine = self._engines[index]
            try:
                heard = self._ask(engine, stream, job)
            except Exception as error:
                failure = error
                self._failed(engine, job, error)
                continue
            return self._heard(index, stream, job, heard)
        raise failure

    def _candidates(self, stream: _Stream, job: Job) -> Iterator[int]:
        """Engines to ask, in order, from the utterance's own on: those whose breaker lets them, and the last."""
        with self._lock:
            under_way = stream.utterance == job.utterance
            first = stream.engine if under_way else 0
        last = len(self._engines) - 1
        for index, engine in enumerate(self._engines):
            now = self._clock()
            with self._lock:
                works = engine.breaker.state(now) == "closed" or index == last or (under_way and index == first)
                tries = not works and self._may_try(engine, job) and engine.breaker.admit(now, _PROBE_S)
            if tries:
                self._start(partial(self._try_again, engine, job))
            if works and index >= first:
                yield index

    def _may_try(self, engine: _Engine, job: Job) -> bool:
        """Whether an engine that was left alone could prove by this job that it is back."""
        return job.kind == "final" or (engine.transcriber.capabilities.partials and len(job.samples) >= _PROOF_SAMPLES)

    def _try_again(self, engine: _Engine, job: Job) -> None:
        """Ask an engine that was left alone for what another one is answering; only whether it answers counts."""
        probe = replace(job, stream_id=f"{job.stream_id}\0probe", kind="final")
        try:
            engine.gathering.hear([probe])
        except Exception as error:
            self._failed(engine, probe, error)
            return
        with self._lock:
            engine.breaker.succeeded()
        _log.info("%s is back", engine.name)
        engine.transcriber.forget(probe.stream_id)

    def _ask(self, engine: _Engine, stream: _Stream, job: Job) -> Hypothesis | None:
        """What the engine hears; None for a partial that it is not asked for."""
        able = engine.transcriber.capabilities
        start, end = stream.partial
        too_soon = start == job.start and job.start + len(job.samples) - end < _HOP_SAMPLES
        skips = not able.partials or (self._capabilities.hop_ms and not able.progressive and too_soon)
        if job.kind == "partial" and skips:
            return None
        heard = engine.gathering.hear([job])
        return heard[0] if heard else None

    def _failed(self, engine: _Engine, job: Job, error: Exception) -> None:
        reason = _reason(error)
        with self._lock:
            engine.trouble = reason
            if not isinstance(error, QueueFullError):
                remote = error if isinstance(error, EngineUnavailableError) else EngineUnavailableError("")
                engine.breaker.failed(self._clock(), at_once=not remote.passing, least_s=remote.retry_after_s)
            state = engine.breaker.state(self._clock())
        _log.warning("%s failed (%s), now %s: %s", engine.name, reason, state, error)
        engine.transcriber.forget(job.stream_id)

    def _heard(self, index: int, stream: _Stream, job: Job, heard: Hypothesis | None) -> Hypothesis:
        """Book an answer, and tell the client if it comes from another engine than the last."""
        engine = self._engines[index]
        with self._lock:
            stream.utterance, stream.engine = job.utterance, index
            if heard is not None:
                stream.partial = (job.start, job.start + len(job.samples))
                if heard.is_new or job.kind == "final":
                    engine.breaker.succeeded()
            notices: tuple[Status, ...] = ()
            # That an engine has recovered is told once it has answered.
            if index > stream.told or (index < stream.told and heard is not None):
                notices = (self._switch(stream, index),)
        heard = heard or Hypothesis((), is_new=False)
        return replace(heard, notices=(*heard.notices, *notices)) if notices else heard

    def _switch(self, stream: _Stream, index: int) -> Status:
        """What to tell of a change. Holds the lock."""
        before, after = self._engines[stream.told], self._engines[index]
        reason = before.trouble if index > stream.told else "recovered"
        self._switches[before.name, after.name, reason] += 1
        stream.told = index
        return Status("fallback", engine=after.name, reason=reason)


def _reason(error: Exception) -> str:
    """One word for a failure."""
    if isinstance(error, EngineUnavailableError):
        return error.reason
    return "busy" if isinstance(error, QueueFullError) else "failed"
