"""An engine that hangs, dies or throws behind the pool: the job is tried again or fails, and threads come back."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from gated_engine import PATIENCE_S, Engine, NewPool, Outcomes, job, pool_threads, until

from fastring.asr.transcriber import Hypothesis, Job
from fastring.errors import (
    EngineDiedError,
    EngineFailedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Patient(Engine):
    """An engine that hangs on some calls and dies on others, until it is built anew."""

    def __init__(self, *, hangs: set[int] = frozenset(), dies: set[int] = frozenset(), **options: Any) -> None:
        super().__init__(**options)
        self.open()
        self._hangs, self._dies = hangs, dies
        self.healing = threading.Event()
        self.sick = False
        self.rebuilds = 0

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        answers = super().transcribe(jobs)
        call = len(self.calls) - 1
        if call in self._hangs:
            assert self.healing.wait(PATIENCE_S)
        if call in self._dies:
            self.sick = True
        if self.sick:
            raise EngineDiedError("killed")
        return answers


class Rebuilt(Patient):
    """The same, that can be built anew."""

    def rebuild(self) -> None:
        self.rebuilds += 1
        self.sick = False


def test_a_worker_that_hangs_is_replaced_and_its_job_tried_again(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Patient(hangs={0})
    pool = new_pool(engine, hang_s=0.3)
    for number in range(3):
        pool.submit(job("a", number), outcomes)
    assert outcomes.texts(3) == ["a0", "a1", "a2"]
    stats = pool.stats()
    assert (stats.workers, stats.abandoned, stats.hung, stats.retried, stats.done) == (1, 1, 1, 1, 3)
    engine.healing.set()
    until(lambda: pool.stats().abandoned == 0)
    assert pool.stats().workers == 1
    assert len(outcomes.all) == 3  # the late answer is not told twice


def test_a_job_that_hangs_twice_fails(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Patient(hangs={0, 1})
    pool = new_pool(engine, hang_s=0.2)
    pool.submit(job("a", 0), outcomes)
    (outcome,) = outcomes.wait(1)
    assert isinstance(outcome.error, EngineFailedError)
    assert "twice" in str(outcome.error)
    pool.submit(job("a", 1), outcomes)
    assert outcomes.texts(2)[1] == "a1"
    engine.healing.set()
    until(lambda: pool.stats().abandoned == 0)


def test_where_all_threads_hang_jobs_fail_at_once_and_who_comes_back_works_again(
    new_pool: NewPool, outcomes: Outcomes
) -> None:
    engine = Patient(hangs={0}, concurrency=1)
    pool = new_pool(engine, hang_s=0.3, most_abandoned=0)
    pool.submit(job("a", 0), outcomes)
    pool.submit(job("b", 1), outcomes)
    failed = outcomes.wait(2)  # nobody is left who could take them
    assert all("hangs" in str(outcome.error) for outcome in failed)
    with pytest.raises(EngineFailedError, match="the engine hangs: 1 calls"):
        pool.submit(job("a", 2), outcomes)
    engine.healing.set()
    until(lambda: pool.stats().workers == 1)  # the one that came back works again
    pool.submit(job("a", 3), outcomes)
    assert outcomes.texts(3)[2] == "a3"


def test_an_engine_that_is_only_slow_is_given_more_time(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Engine()
    pool = new_pool(engine, hang_s=0.3)
    pool.submit(job("a", 0), outcomes)
    until(lambda: pool.stats().hung == 1)
    engine.open()
    assert outcomes.texts(1) == ["a0"]
    until(lambda: pool.stats().abandoned == 0)
    slow = threading.Event()
    engine.transcribe = lambda jobs: slow.wait(0.4) or [Hypothesis(())]  # type: ignore[method-assign, assignment]
    pool.submit(job("a", 1), outcomes)
    outcomes.wait(2)
    assert pool.stats().hung == 1


def test_threads_that_hang_are_bounded(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Patient(hangs=set(range(1000)), concurrency=2)
    pool = new_pool(engine, hang_s=0.01, most_abandoned=3)
    others = len(pool_threads())
    for number in range(12):
        with contextlib.suppress(EngineFailedError):
            pool.submit(job(f"s{number}", number), outcomes)
    until(lambda: pool.stats().workers == 0)
    assert pool.stats().abandoned == 5
    assert len(pool_threads()) <= others + 3
    assert all(isinstance(outcome.error, EngineFailedError) for outcome in outcomes.wait(pool.stats().accepted))
    engine.healing.set()
    until(lambda: (pool.stats().workers, pool.stats().abandoned) == (2, 0))


def test_an_engine_that_died_is_built_anew_and_the_job_tried_again(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Rebuilt(dies={1})
    pool = new_pool(engine)
    for number in range(3):
        pool.submit(job("a", number), outcomes)
    assert outcomes.texts(3) == ["a0", "a1", "a2"]
    assert (engine.rebuilds, pool.stats().rebuilt, pool.stats().retried, pool.stats().failed) == (1, 1, 1, 0)


def test_an_engine_that_cannot_be_built_anew_fails_job_by_job(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Patient(dies={1})
    pool = new_pool(engine)
    for number in range(3):
        pool.submit(job("a", number), outcomes)
    assert outcomes.texts(3) == ["a0", "killed", "killed"]
    assert pool.stats().retried == 2


def test_a_hang_has_the_engine_built_anew(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Rebuilt(hangs={0})
    pool = new_pool(engine, hang_s=0.3)
    pool.submit(job("a", 0), outcomes)
    assert outcomes.texts(1) == ["a0"]
    assert engine.rebuilds == 1
    engine.healing.set()
    until(lambda: pool.stats().abandoned == 0)


@pytest.mark.parametrize("blow", [SystemExit, KeyboardInterrupt, MemoryError, RuntimeError])
def test_whatever_the_engine_throws_the_thread_lives(
    new_pool: NewPool, outcomes: Outcomes, blow: type[BaseException]
) -> None:
    engine = Engine()
    engine.open()
    blows = iter([True])
    calm = engine.transcribe

    def transcribe(jobs: Sequence[Job]) -> list[Hypothesis]:
        if next(blows, False):
            raise blow("killed")
        return calm(jobs)

    engine.transcribe = transcribe  # type: ignore[method-assign]
    pool = new_pool(engine)
    pool.submit(job("a", 0), outcomes)
    assert outcomes.texts(1) == ["a0"]
    assert pool.stats().workers == 1


def test_a_thread_that_breaks_is_replaced(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the engine but in the pool: whatever the reason, nobody waits for ever."""
    engine.open()
    pool = new_pool(engine)
    succeeded, blows = pool._dispatcher.succeeded, iter([True])

    def breaking(*args: Any) -> Any:
        if next(blows, False):
            raise SystemExit
        return succeeded(*args)

    monkeypatch.setattr(pool._dispatcher, "succeeded", breaking)
    pool.submit(job("a", 0), outcomes)
    assert outcomes.texts(1) == ["a0"]
    assert pool.stats().workers == 1
    assert outcomes.threads == {"fastring-asr-1"}
