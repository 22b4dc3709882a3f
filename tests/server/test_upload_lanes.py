from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pytest

from fastring.asr.pool import TranscriberPool
from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.errors import TranscriberError
from fastring.server.upload_lanes import UploadLane, UploadLanes


class GatedEngine:
    """Runs one job at a time, each when it is let; notes whose they were."""

    capabilities = Capabilities(engine="gated", model="none")

    def __init__(self) -> None:
        self.order: list[str] = []
        self.gate = threading.Semaphore(0)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.gate.acquire(timeout=10)
        self.order += [job.stream_id for job in jobs]
        return [Hypothesis(()) for _ in jobs]

    def forget(self, stream_id: str) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


@pytest.fixture
def pool(engine: GatedEngine) -> Iterator[TranscriberPool]:
    pool = TranscriberPool(engine)
    yield pool
    engine.gate.release(100)
    pool.close()


def job(name: str, number: int, kind: Literal["partial", "final"] = "final") -> Job:
    return Job(number, name, number, kind, 0, np.zeros(160, np.float32))


class Loop:
    """Stands for the event loop: runs later what is to run later."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def later(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def run(self) -> None:
        while self.calls:
            self.calls.pop(0)()


def step(engine: GatedEngine, loop: Loop) -> None:
    """Let one job run, the pool's worker take the next, and then the loop have its turn."""
    before = len(engine.order)
    engine.gate.release()
    deadline = time.monotonic() + 5
    while len(engine.order) == before and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    loop.run()


def test_uploads_take_turns_and_leave_every_other_place_to_live_partials(
    pool: TranscriberPool, engine: GatedEngine
) -> None:
    loop, outcomes = Loop(), []
    lanes = UploadLanes(pool, 1)
    first, second = (UploadLane(lanes, name, loop.later) for name in ("first", "second"))
    for number in range(3):
        first.submit(job("first", number), outcomes.append)
    second.submit(job("second", 0), outcomes.append)
    for name in ("live a", "live b"):
        pool.submit(job(name, 0, "partial"), outcomes.append)
    for _ in range(6):
        step(engine, loop)
    assert engine.order == ["first", "live a", "first", "live b", "second", "first"]
    assert [outcome.error for outcome in outcomes] == [None] * 6


def test_a_lane_that_is_given_up_is_answered_at_once(pool: TranscriberPool, engine: GatedEngine) -> None:
    loop = Loop()
    outcomes: list[Outcome] = []
    lanes = UploadLanes(pool, 1)
    left, stays = (UploadLane(lanes, name, loop.later) for name in ("left", "stays"))
    for number in range(3):
        left.submit(job("left", number), outcomes.append)
    stays.submit(job("stays", 0), outcomes.append)
    left.cancel()
    deadline = time.monotonic() + 5
    while len(outcomes) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert [outcome.error.code for outcome in outcomes if outcome.error] == ["job_dropped"] * 3
    with pytest.raises(TranscriberError):
        left.submit(job("left", 4), outcomes.append)
    engine.gate.release()
    loop.run()
    step(engine, loop)
    assert engine.order[-1] == "stays"


def test_a_full_pool_is_an_answer(engine: GatedEngine) -> None:
    loop = Loop()
    outcomes: list[Outcome] = []
    pool = TranscriberPool(engine, max_queue_per_stream=1, max_queue_total=1)
    pool.submit(job("live", 0), outcomes.append)
    time.sleep(0.05)
    pool.submit(job("live", 1), outcomes.append)
    lane = UploadLane(UploadLanes(pool, 1), "upload", loop.later)
    lane.submit(job("upload", 0), outcomes.append)
    assert [outcome.error.code for outcome in outcomes if outcome.error] == ["server_busy"]
    loop.run()
    engine.gate.release(10)
    pool.close()
