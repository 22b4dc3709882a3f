"""An engine that runs when it is told to, and who collects its answers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

import numpy as np

from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


PATIENCE_S = 10.0  # for what must happen; nothing waits this long unless it is broken
NO_AUDIO = np.zeros(0, np.float32)
NewPool = "Callable[..., TranscriberPool]"


class Engine:
    """An engine that runs when it is told to: each call waits at a gate, unless the gate stands open."""

    def __init__(self, *, concurrency: int = 1, max_batch: int = 1, progressive: bool = False) -> None:
        self._capabilities = Capabilities(
            engine="fake", model="none", concurrency=concurrency, max_batch=max_batch, progressive=progressive
        )
        self.gate = threading.Semaphore(0)
        self.calls: list[list[str]] = []
        self.began = threading.Semaphore(0)
        self.failing: set[str] = set()
        self.forgotten: list[str] = []
        self.closed = 0

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def open(self) -> None:
        self.gate.release(100_000)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.calls.append([name(job) for job in jobs])
        self.began.release()
        assert self.gate.acquire(timeout=PATIENCE_S)
        if any(name(job) in self.failing for job in jobs):
            raise RuntimeError("broken")
        return [Hypothesis((Word(name(job), 0, 1, 1.0),)) for job in jobs]

    def forget(self, stream_id: str) -> None:
        self.forgotten.append(stream_id)

    def close(self) -> None:
        self.closed += 1


class Outcomes:
    """Collects outcomes; `wait(n)` returns when there are n."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.all: list[Outcome] = []
        self.threads: set[str] = set()

    def __call__(self, outcome: Outcome) -> None:
        with self._changed:
            self.all.append(outcome)
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()

    def wait(self, n: int) -> list[Outcome]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= n, PATIENCE_S), f"{len(self.all)} of {n}"
            return list(self.all)

    def texts(self, n: int) -> list[str]:
        return [outcome.hypothesis.text if outcome.hypothesis else str(outcome.error) for outcome in self.wait(n)]


def job(stream: str, number: int, kind: Literal["partial", "final"] = "final", utterance: int | None = None) -> Job:
    return Job(number, stream, number if utterance is None else utterance, kind, 0, NO_AUDIO)


def name(job: Job) -> str:
    return f"{job.stream_id}{job.job_id}"


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def pool_threads() -> set[threading.Thread]:
    """Threads of pools, anyone's: other rooms test engines that hang for good, and theirs stay."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("fastring-asr")}
