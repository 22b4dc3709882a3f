"""The jobs of one session: those that are out, those that were refused and are tried again, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fastring.asr.transcriber import Job
from fastring.events import Latency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fastring.asr.transcriber import Outcome
    from fastring.session.utterance import Utterance, Want

__all__ = ["RETRY_S", "JobDesk", "Request", "is_dropped", "is_refused"]

RETRY_S: Final = 0.25  # the first wait after a refusal; each further one is twice as long,
_RETRY_LONGEST_S: Final = 2.0  # up to this
_SAMPLE_RATE: Final = 16_000
_FASTEST: Final = 2.0  # times real time: audio that comes faster is owed no sooner than if it came like this,
_LATEST_S: Final = 2.0  # but no later than so long after it came


@dataclass(slots=True)
class Request:
    """A job, and what it was made for. `retry_at` is set while it waits to be tried again."""

    job: Job
    utterance: Utterance
    want: Want
    tries: int = 1
    retry_at: float | None = None

    def latency(self, outcome: Outcome, now: float) -> Latency:
        """How long it took, by stage."""
        return Latency(
            buffer_ms=1000 * max(0.0, self.job.created_s - self.want.arrived),
            queue_ms=1000 * outcome.queue_s,
            inference_ms=1000 * outcome.inference_s,
            total_ms=1000 * max(0.0, now - self.want.arrived),
        )


class JobDesk:
    """Makes jobs, and knows them again when they come back.

    Args:
        stream_id: whose jobs they are.
        language: code, or "" to let the engine decide.
        most: jobs that may be out at a time; see `has_room`.
    """

    def __init__(self, stream_id: str, language: str, most: int) -> None:
        self._stream_id = stream_id
        self._language = language
        self._most = most
        self._requests: dict[int, Request] = {}
        self._ready: list[Job] = []
        self._last_due = (float("-inf"), 0)  # of the last final: since when it is owed, and the sample it ends at
        self.counts: Counter[str] = Counter()  # partial, final; refused, failed

    @property
    def has_room(self) -> bool:
        """Whether another job may go out. Partials count as one: the newest takes the place of those before it."""
        out = len(self._requests)
        return out < self._most or out - max(0, self.partials - 1) < self._most

    @property
    def partials(self) -> int:
        """How many partials are out."""
        return sum(request.want.kind == "partial" for request in self._requests.values())

    @property
    def owed_since(self) -> float | None:
        """Since when the oldest final that is out is due; None if none is."""
        if not self._requests:  # mostly, and it is asked with every message
            return None
        return min((r.want.arrived for r in self._requests.values() if r.want.kind == "final"), default=None)

    @property
    def next_retry(self) -> float | None:
        """When `retry` is due."""
        if not self._requests:
            return None
        return min((r.retry_at for r in self._requests.values() if r.retry_at is not None), default=None)

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def ready(self) -> bool:
        """Whether there are jobs to run now."""
        return bool(self._ready)

    def take(self) -> list[Job]:
        """Jobs to run now."""
        ready, self._ready = self._ready, []
        return ready

    def make(self, utterance: Utterance, want: Want, samples: NDArray[np.float32], now: float) -> None:
        """Make the job that an utterance wants, of these samples."""
        job = Job(
            job_id=self.counts["partial"] + self.counts["final"],
            stream_id=self._stream_id,
            utterance=utterance.number,
            kind=want.kind,
            start=want.start,
            samples=samples,
            language=self._language,
            created_s=now,
            due_s=want.arrived if want.kind == "partial" else self._due_s(want),
            in_pause=want.in_pause,
        )
        self.counts[want.kind] += 1
        self._requests[job.job_id] = Request(job, utterance, want)
        self._ready.append(job)

    def settle(self, outcome: Outcome, now: float) -> Request | None:
        """Take a job back; None if it is unknown, or a final that was refused and will be tried again."""
        request = self._requests.get(outcome.job.job_id)
        if request is None or request.retry_at is not None:
            return None
        if is_refused(outcome):
            self.counts["refused"] += 1
            if request.want.kind == "final":
                request.retry_at = now + min(RETRY_S * 2.0 ** (request.tries - 1), _RETRY_LONGEST_S)
                return None
        elif outcome.hypothesis is None and not is_dropped(outcome):
            self.counts["failed"] += 1
        del self._requests[outcome.job.job_id]
        return request

    def retry(self, now: float) -> None:
        """Send out again what has waited long enough."""
        for request in self._requests.values():
            if request.retry_at is not None and request.retry_at <= now:
                request.retry_at = None
                request.tries += 1
                request.job = replace(request.job, created_s=now)
                self._ready.append(request.job)

    def _due_s(self, want: Want) -> float:
        """Since when a final is owed: since its audio was there, or would have been if it had come more slowly.

        So a client that sends an hour at once does not get hours of the engine before anybody who speaks now.
        """
        due_s, end = self._last_due
        paced_s = due_s + (want.end - end) / _SAMPLE_RATE / _FASTEST
        self._last_due = (min(max(want.arrived, paced_s), want.arrived + _LATEST_S), want.end)
        return self._last_due[0]


def is_refused(outcome: Outcome) -> bool:
    """Whether the pool had no room for the job."""
    return outcome.error is not None and outcome.error.code == "server_busy"


def is_dropped(outcome: Outcome) -> bool:
    """Whether the pool let the job go because something newer takes its place."""
    return outcome.error is not None and outcome.error.code == "job_dropped"
