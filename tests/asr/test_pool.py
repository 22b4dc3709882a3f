from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from fastring.asr.pool import TranscriberPool
from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.errors import (
    EngineDiedError,
    EngineFailedError,
    FastringError,
    JobDroppedError,
    JobTimeoutError,
    QueueFullError,
    TranscriberError,
)
from fastring.events import Word
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from fastring.asr.whisper import WhisperTranscriber

PATIENCE_S = 10.0  # for what must happen; nothing waits this long unless it is broken
NO_AUDIO = np.zeros(0, np.float32)


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


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


def pool_threads() -> set[threading.Thread]:
    """Threads of pools, anyone's: other rooms test engines that hang for good, and theirs stay."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("fastring-asr")}


@pytest.fixture
def new_pool() -> Iterator[Callable[..., TranscriberPool]]:
    pools: list[tuple[TranscriberPool, Engine]] = []
    others = pool_threads()

    def build(engine: Engine, **options: Any) -> TranscriberPool:
        pools.append((TranscriberPool(engine, **options), engine))
        return pools[-1][0]

    yield build
    for pool, engine in pools:
        engine.open()
        assert pool.close()
    assert pool_threads() <= others


NewPool = "Callable[..., TranscriberPool]"


def begin(pool: TranscriberPool, engine: Engine, outcomes: Outcomes, stream: str = "x") -> None:
    """Give the one worker something to do, so that what follows waits."""
    pool.submit(job(stream, 0), outcomes)
    assert engine.began.acquire(timeout=PATIENCE_S)


def test_a_job_is_answered_on_a_thread_of_the_pool(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    engine.open()
    pool = new_pool(engine)
    given = job("a", 1)
    pool.submit(given, outcomes)
    (outcome,) = outcomes.wait(1)
    assert outcome.job is given
    assert outcome.hypothesis is not None
    assert (outcome.hypothesis.text, outcome.error) == ("a1", None)
    assert outcomes.threads == {"fastring-asr-0"}


def test_as_many_run_as_the_engine_allows(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Engine(concurrency=3)
    pool = new_pool(engine)
    for number in range(5):
        pool.submit(job(f"s{number}", 0), outcomes)
    for _ in range(3):
        assert engine.began.acquire(timeout=PATIENCE_S)
    stats = pool.stats()
    assert (stats.workers, stats.running, stats.queued, stats.accepted) == (3, 3, 2, 5)
    engine.open()
    assert sorted(outcomes.texts(5)) == ["s00", "s10", "s20", "s30", "s40"]


def test_finals_first_and_streams_in_turn(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    for number, (stream, kind) in enumerate([("a", "partial"), ("b", "final"), ("b", "final"), ("c", "final")], 1):
        pool.submit(job(stream, number, kind), outcomes)
    engine.open()
    assert outcomes.texts(5) == ["x0", "b2", "c4", "b3", "a1"]


def test_a_replaced_partial_is_answered_while_the_engine_is_busy(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes
) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1, "partial", utterance=5), outcomes)
    pool.submit(job("a", 2, "partial", utterance=5), outcomes)
    (outcome,) = outcomes.wait(1)
    assert outcome.job.job_id == 1
    assert isinstance(outcome.error, JobDroppedError)
    assert outcome.error.reason == "replaced"
    assert outcomes.threads == {"fastring-asr-keeper"}
    engine.open()
    assert outcomes.texts(3)[1:] == ["x0", "a2"]
    assert pool.stats().dropped == 1


def test_a_full_share_is_refused_and_not_answered(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    pool = new_pool(engine, max_queue_per_stream=2)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    pool.submit(job("a", 2), outcomes)
    with pytest.raises(QueueFullError, match="a has 2 jobs waiting"):
        pool.submit(job("a", 3), outcomes)
    assert pool.stats().rejected == 1
    engine.open()
    assert outcomes.texts(3) == ["x0", "a1", "a2"]


def test_a_failure_is_that_job_s_alone(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    engine.failing = {"a1"}
    engine.open()
    pool = new_pool(engine)
    pool.submit(job("a", 1), outcomes)
    pool.submit(job("a", 2), outcomes)
    failed, fine = outcomes.wait(2)
    assert isinstance(failed.error, EngineFailedError)
    assert isinstance(failed.error.__cause__, RuntimeError)
    assert failed.hypothesis is None
    assert fine.hypothesis is not None
    assert (pool.stats().failed, pool.stats().done) == (1, 1)


def test_in_a_batch_only_the_guilty_job_fails(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Engine(max_batch=8)
    engine.failing = {"b0"}
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    for stream in "abc":
        pool.submit(job(stream, 0), outcomes)
    engine.open()
    assert outcomes.texts(4) == ["x0", "a0", "the engine raised RuntimeError: broken", "c0"]
    assert engine.calls == [["x0"], ["a0", "b0", "c0"], ["a0"], ["b0"], ["c0"]]


def test_a_batch_leaves_work_for_idle_workers(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Engine(max_batch=8, concurrency=2)
    pool = new_pool(engine)
    for stream in "xy":
        begin(pool, engine, outcomes, stream)
    for stream in "abcd":
        pool.submit(job(stream, 0), outcomes)
    engine.open()
    outcomes.wait(6)
    assert max(len(call) for call in engine.calls) >= 2
    assert sorted(text for call in engine.calls for text in call) == ["a0", "b0", "c0", "d0", "x0", "y0"]


def test_an_owner_that_raises_stops_nothing(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes, caplog: pytest.LogCaptureFixture
) -> None:
    engine.open()
    pool = new_pool(engine)

    def raising(_: Outcome) -> None:
        raise ValueError("mine")

    pool.submit(job("a", 1), raising)
    pool.submit(job("a", 2), outcomes)
    assert outcomes.texts(1) == ["a2"]
    assert "the owner of job 1 of a raised" in caplog.text


def test_a_cancelled_stream_is_answered_at_once_and_forgotten_after_its_job(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes
) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes, "a")
    pool.submit(job("a", 1), outcomes)
    pool.submit(job("b", 2), outcomes)
    pool.cancel("a")
    answers = outcomes.wait(2)
    assert {answer.job.job_id for answer in answers} == {0, 1}
    assert all(isinstance(answer.error, JobDroppedError) for answer in answers)
    assert engine.forgotten == []
    pool.submit(job("a", 3), outcomes)
    engine.open()
    assert sorted(outcomes.texts(4)[2:]) == ["a3", "b2"]
    assert engine.forgotten == ["a"]
    assert engine.calls == [["a0"], ["b2"], ["a3"]]
    assert pool.stats().dropped == 2


def test_cancelling_twice_or_nobody_is_fine(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    engine.open()
    pool = new_pool(engine)
    for _ in range(5):
        pool.cancel("nobody")
    pool.submit(job("nobody", 1), outcomes)
    assert outcomes.texts(1) == ["nobody1"]


def test_an_old_job_does_not_reach_the_engine(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    now = [100.0]
    pool = new_pool(engine, timeout_s=30.0, clock=lambda: now[0])
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    now[0] += 10
    pool.submit(job("b", 2), outcomes)
    now[0] += 20.5
    engine.open()
    by_name = {name(outcome.job): outcome for outcome in outcomes.wait(3)}
    assert isinstance(by_name["a1"].error, JobTimeoutError)
    assert by_name["b2"].hypothesis is not None
    assert engine.calls == [["x0"], ["b2"]]


def test_a_late_answer_is_a_timeout_told_by_the_keeper(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    pool = new_pool(engine, timeout_s=0.05)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    answers = outcomes.wait(2)
    assert all(isinstance(answer.error, JobTimeoutError) for answer in answers)
    assert outcomes.threads == {"fastring-asr-keeper"}


# --- an engine in trouble ------------------------------------------------------------------------------------------


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


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


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


def test_a_progressive_engine_hears_a_stream_in_order_and_one_at_a_time(new_pool: NewPool, outcomes: Outcomes) -> None:
    engine = Engine(concurrency=2, progressive=True)
    pool = new_pool(engine)
    begin(pool, engine, outcomes, "a")
    pool.submit(job("a", 1, "partial"), outcomes)
    pool.submit(job("a", 2, "final"), outcomes)
    pool.submit(job("b", 3, "partial"), outcomes)
    assert engine.began.acquire(timeout=PATIENCE_S)
    assert engine.calls == [["a0"], ["b3"]]
    engine.open()
    outcomes.wait(4)
    assert [call for call in engine.calls if call[0][0] == "a"] == [["a0"], ["a1"], ["a2"]]


def test_close_finishes_what_waits(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    threading.Timer(0.05, engine.open).start()
    assert pool.close(PATIENCE_S)
    assert outcomes.texts(2) == ["x0", "a1"]
    assert engine.closed == 1
    with pytest.raises(TranscriberError, match="closed"):
        pool.submit(job("a", 2), outcomes)


def test_close_without_drain_drops_what_waits(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    threading.Timer(0.05, engine.open).start()
    assert pool.close(PATIENCE_S, drain=False)
    by_name = {name(outcome.job): outcome for outcome in outcomes.wait(2)}
    assert by_name["x0"].hypothesis is not None
    assert isinstance(by_name["a1"].error, JobDroppedError)


def test_close_does_not_wait_for_an_engine_that_hangs(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes, caplog: pytest.LogCaptureFixture
) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    pool.submit(job("a", 1), outcomes)
    assert not pool.close(0.1)
    assert [getattr(outcome.error, "reason", "") for outcome in outcomes.wait(2)] == ["closed", "closed"]
    assert engine.closed == 0
    assert "did not stop" in caplog.text


def test_latencies_are_of_both_stages(new_pool: NewPool, engine: Engine, outcomes: Outcomes) -> None:
    now = [0.0]
    pool = new_pool(engine, clock=lambda: now[0])
    pool.submit(job("a", 1), outcomes)
    assert engine.began.acquire(timeout=PATIENCE_S)
    pool.submit(job("b", 2), outcomes)
    now[0] = 1.0
    engine.gate.release()
    assert engine.began.acquire(timeout=PATIENCE_S)
    now[0] = 3.0
    engine.open()
    first, second = outcomes.wait(2)
    assert (first.queue_s, first.inference_s) == (0.0, 1.0)
    assert (second.queue_s, second.inference_s) == (1.0, 2.0)
    stats = pool.stats()
    assert (stats.queue.mean_ms, stats.inference.mean_ms, stats.total.mean_ms) == (500, 1500, 2000)


@pytest.mark.parametrize("progressive", [False, True], ids=["segments", "progressive"])
def test_every_accepted_job_is_answered_once_under_stress(progressive: bool) -> None:
    rng = random.Random(1)
    engine = Engine(concurrency=4, max_batch=3, progressive=progressive)
    engine.open()
    streams = "ABCDEFGHIJKLMNOPQRST"
    engine.failing = {f"{stream}{number}" for stream in streams for number in range(0, 400, 17)}
    answered: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    lock = threading.Lock()

    def done(outcome: Outcome) -> None:
        with lock:
            answered[name(outcome.job)] += 1
        assert (outcome.hypothesis is None) != (outcome.error is None)
        if outcome.hypothesis is not None:
            assert outcome.hypothesis.text == name(outcome.job)

    others = pool_threads()
    pool = TranscriberPool(engine, max_queue_per_stream=3, max_queue_total=20, timeout_s=5.0)

    def feed(own: str, seed: float) -> None:
        mine = random.Random(seed)
        for number in range(400):
            stream = mine.choice(own)
            kind: Literal["partial", "final"] = mine.choice(["partial", "final"])
            try:
                pool.submit(job(stream, number, kind, utterance=number // 8), done)
                with lock:
                    accepted[f"{stream}{number}"] += 1
            except QueueFullError:
                pass
            if mine.random() < 0.05:
                pool.cancel(stream)

    feeders = [threading.Thread(target=feed, args=(streams[i : i + 4], rng.random())) for i in range(0, 20, 4)]
    for feeder in feeders:
        feeder.start()
    for feeder in feeders:
        feeder.join()
    assert pool.close(PATIENCE_S)
    assert answered == accepted
    assert set(answered.values()) == {1}
    stats = pool.stats()
    assert stats.accepted == stats.done + stats.failed + stats.dropped + stats.expired == sum(accepted.values())
    assert (stats.queued, stats.running) == (0, 0)
    assert min(stats.done, stats.failed, stats.dropped) > 0
    assert pool_threads() <= others


def test_two_streams_on_the_real_engine_get_their_own_words(
    whisper: WhisperTranscriber,
    speech: Callable[[str], NDArray[np.float32]],
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(whisper, "close", lambda: None)  # other tests need it still
    pool = TranscriberPool(whisper)
    names = ["seen_2", "unseen_2", "seen_0", "silence"]
    for number, recorded in enumerate(names):
        pool.submit(replace(job(recorded, number), samples=speech(recorded)), outcomes)
    heard = {outcome.job.stream_id: outcome.hypothesis for outcome in outcomes.wait(4)}
    assert pool.close()
    assert {stream: hypothesis and hypothesis.text for stream, hypothesis in heard.items()} == {
        recorded: recording(recorded).text for recorded in names
    }


def test_dropped_jobs_travel_between_processes() -> None:
    import pickle

    error: FastringError = pickle.loads(pickle.dumps(JobDroppedError("replaced")))
    assert isinstance(error, JobDroppedError)
    assert (error.reason, error.code) == ("replaced", "job_dropped")
