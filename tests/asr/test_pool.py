from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from gated_engine import PATIENCE_S, Engine, NewPool, Outcomes, job, name, pool_threads

from fastring.asr.pool import TranscriberPool
from fastring.asr.transcriber import Outcome
from fastring.errors import (
    EngineFailedError,
    FastringError,
    JobDroppedError,
    JobTimeoutError,
    QueueFullError,
    TranscriberError,
)
from fastring.recordings import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fastring.asr.whisper import WhisperTranscriber


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


def test_finals_first_and_each_kind_in_the_order_they_came(
    new_pool: NewPool, engine: Engine, outcomes: Outcomes
) -> None:
    pool = new_pool(engine)
    begin(pool, engine, outcomes)
    for number, (stream, kind) in enumerate([("a", "partial"), ("b", "final"), ("b", "final"), ("c", "final")], 1):
        pool.submit(job(stream, number, kind), outcomes)
    engine.open()
    assert outcomes.texts(5) == ["x0", "b2", "b3", "c4", "a1"]


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
