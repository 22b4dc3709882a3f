"""Runs a voice session over audio that is already there, as fast as the engine allows and no faster."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Protocol

from fastring.asr.transcriber import Outcome
from fastring.errors import TranscriberError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from fastring.asr.transcriber import Job
    from fastring.events import Event
    from fastring.session.voice import VoiceSession

__all__ = ["Pool", "transcribe"]

_IDLE_S = 1.0  # how long to wait for an outcome at most before looking at the session again


class Pool(Protocol):
    """Who runs the jobs: `TranscriberPool`, or somebody before it."""

    def submit(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """See `TranscriberPool.submit`."""
        ...


def transcribe(chunks: Iterable[NDArray[np.int16]], session: VoiceSession, pool: Pool) -> Iterator[Event]:
    """Feed a session, run its jobs in a pool, and yield its events as they come, `Closed` the last.

    The next chunk is taken only when the session has room for it, so memory does not grow with the length of the audio,
    however slow the engine is.

    Args:
        chunks: int16 mono at 16 kHz, shape (n,), any n.
        session: a new one.
        pool: runs its jobs; may be shared with other sessions.

    Yields:
        The session's events, in order.
    """
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    for chunk in chunks:
        session.receive_audio(chunk, time.monotonic())
        yield from _step(session, pool, outcomes, wait=False)
        while session.paused:
            yield from _step(session, pool, outcomes, wait=True)
    session.receive_close(time.monotonic(), "end of audio")
    yield from _step(session, pool, outcomes, wait=False)
    while not session.closed:
        yield from _step(session, pool, outcomes, wait=True)


def _step(session: VoiceSession, pool: Pool, outcomes: queue.SimpleQueue[Outcome], *, wait: bool) -> Iterator[Event]:
    """Hand out jobs, take in what came back (waiting for one if told to), and pass on the events."""
    _submit(session, pool, outcomes)
    now = time.monotonic()
    deadline = session.next_deadline()
    patience_s = 0.0 if not wait else _IDLE_S if deadline is None else min(max(deadline - now, 0.0), _IDLE_S)
    try:
        outcome = outcomes.get(timeout=patience_s) if wait else outcomes.get_nowait()
        while True:
            session.receive_outcome(outcome, time.monotonic())
            outcome = outcomes.get_nowait()
    except queue.Empty:
        pass
    now = time.monotonic()
    deadline = session.next_deadline()
    if deadline is not None and deadline <= now:
        session.handle_deadline(now)
    _submit(session, pool, outcomes)
    yield from session.events_to_send()


def _submit(session: VoiceSession, pool: Pool, outcomes: queue.SimpleQueue[Outcome]) -> None:
    for job in session.jobs_to_run():
        _submit_one(job, pool, outcomes)


def _submit_one(job: Job, pool: Pool, outcomes: queue.SimpleQueue[Outcome]) -> None:
    try:
        pool.submit(job, outcomes.put)
    except TranscriberError as error:  # full: the session tries again at its deadline
        outcomes.put(Outcome(job, None, error))
