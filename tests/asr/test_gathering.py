from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from fastring.asr.gathering import Gathering
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.errors import EngineFailedError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["partial", "final"]


@dataclass
class Engine:
    """Says the number of each job, when the gate is open."""

    max_batch: int = 4
    concurrency: int = 1
    poison: int = -1
    short: bool = False
    calls: list[list[int]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("e", "m", max_batch=self.max_batch, concurrency=self.concurrency)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.calls.append([job.job_id for job in jobs])
        assert self.gate.wait(10)
        if self.poison in self.calls[-1]:
            raise EngineFailedError("poisoned")
        return [Hypothesis((Word(str(job.job_id), 0, 1, 1.0),)) for job in jobs][: None if not self.short else 0]

    def forget(self, stream_id: str) -> None:
        pass

    def close(self) -> None:
        pass


def job(number: int, kind: Kind = "final") -> Job:
    return Job(number, f"s{number}", 0, kind, 0, np.zeros(160, np.float32))


def heard(gathering: Gathering, number: int, kind: Kind = "final") -> str | None:
    answers = gathering.hear([job(number, kind)])
    return None if answers is None else answers[0].text


def waiting(gathering: Gathering) -> Sequence[object]:
    """Who waits for the engine."""
    return tuple(gathering._line.waiting)


def in_turn(
    threads: ThreadPoolExecutor, engine: Engine, gathering: Gathering, asked: Sequence[tuple[int, Kind]]
) -> list[Future[str | None]]:
    """Ask from threads, one after the other, so that the first is in the engine and the others wait in this order."""
    futures = []
    for number, kind in asked:
        before = len(waiting(gathering))
        futures.append(threads.submit(heard, gathering, number, kind))
        end_s = time.monotonic() + 10
        while not (engine.calls if number == 0 else len(waiting(gathering)) > before or futures[-1].done()):
            assert time.monotonic() < end_s
            time.sleep(0.001)
    return futures


def test_those_that_wait_are_asked_together() -> None:
    engine = Engine()
    gathering = Gathering(engine)
    with ThreadPoolExecutor(8) as threads:
        futures = in_turn(threads, engine, gathering, [(number, "final") for number in range(7)])
        engine.gate.set()
        assert [future.result(10) for future in futures] == [str(number) for number in range(7)]
    assert engine.calls == [[0], [1, 2, 3, 4], [5, 6]]


def test_finals_go_before_partials_and_apart_from_them() -> None:
    engine = Engine()
    gathering = Gathering(engine)
    with ThreadPoolExecutor(8) as threads:
        futures = in_turn(
            threads, engine, gathering, [(0, "final"), (1, "partial"), (2, "final"), (3, "partial"), (4, "final")]
        )
        engine.gate.set()
        assert [future.result(10) for future in futures] == ["0", "1", "2", "3", "4"]
    assert engine.calls == [[0], [2, 4], [1, 3]]


@pytest.mark.parametrize(("max_batch", "waiting"), [(1, 0), (2, 2)])
def test_partials_do_not_wait_for_long(max_batch: int, waiting: int) -> None:
    engine = Engine(max_batch=max_batch)
    gathering = Gathering(engine)
    with ThreadPoolExecutor(8) as threads:
        futures = in_turn(threads, engine, gathering, [(0, "final"), *[(number, "partial") for number in range(1, 5)]])
        engine.gate.set()
        answers = [future.result(10) for future in futures]
    assert [answer is not None for answer in answers] == [True, *[True] * waiting, *[False] * (4 - waiting)]


def test_a_batch_that_fails_is_asked_for_one_by_one() -> None:
    engine = Engine(poison=2)
    gathering = Gathering(engine)
    with ThreadPoolExecutor(8) as threads:
        futures = in_turn(threads, engine, gathering, [(number, "final") for number in range(5)])
        engine.gate.set()
        with pytest.raises(EngineFailedError, match="poisoned"):
            futures[2].result(10)
        assert [futures[n].result(10) for n in (0, 1, 3, 4)] == ["0", "1", "3", "4"]
    assert engine.calls[:2] == [[0], [1, 2, 3, 4]]
    assert sorted(engine.calls[2:]) == [[1], [2], [3], [4]]


def test_jobs_that_come_together_go_together() -> None:
    engine = Engine()
    engine.gate.set()
    answers = Gathering(engine).hear([job(1), job(2), job(3)])
    assert answers is not None
    assert [answer.text for answer in answers] == ["1", "2", "3"]
    assert engine.calls == [[1, 2, 3]]


def test_an_engine_that_answers_too_little_has_failed() -> None:
    engine = Engine(short=True)
    engine.gate.set()
    with pytest.raises(EngineFailedError, match="answered 0 of 1"):
        Gathering(engine).hear([job(1)])


def test_those_that_wait_for_a_call_that_hangs_ask_anew_after_a_reset() -> None:
    engine = Engine()
    gathering = Gathering(engine)
    with ThreadPoolExecutor(4) as threads:
        stuck, waits = in_turn(threads, engine, gathering, [(0, "final"), (1, "final")])
        answer, engine.gate = engine.gate, threading.Event()
        engine.gate.set()
        gathering.reset()
        assert waits.result(10) == "1"
        assert gathering.hear([job(2)]) is not None
        answer.set()
        assert stuck.result(10) == "0"


def test_many_threads_each_get_their_own_answer() -> None:
    engine = Engine(concurrency=3)
    engine.gate.set()
    gathering = Gathering(engine)
    with ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(lambda number: heard(gathering, number), range(600)))
    assert answers == [str(number) for number in range(600)]
    assert max(map(len, engine.calls)) <= engine.max_batch
