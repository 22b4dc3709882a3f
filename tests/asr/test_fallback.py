from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from fastring.asr.fallback import FallbackTranscriber
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.errors import ConfigError, EngineFailedError, EngineUnavailableError, QueueFullError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class FakeEngine:
    """Says its name, or fails in a given way."""

    name: str
    fails: Exception | None = None
    partials: bool = True
    progressive: bool = False
    hop_ms: int = 0
    max_batch: int = 1
    calls: list[int] = field(default_factory=list)
    sample_rate: int = 16_000
    is_new: bool = True
    jobs: list[Job] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            self.name,
            "m",
            self.sample_rate,
            progressive=self.progressive,
            concurrency=2,
            partials=self.partials,
            hop_ms=self.hop_ms,
            max_batch=self.max_batch,
        )

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.jobs += jobs
        self.calls.append(len(jobs))
        if self.fails is not None:
            raise self.fails
        return [Hypothesis((Word(self.name, job.start, job.start + 1, 0.9),), is_new=self.is_new) for job in jobs]

    def forget(self, stream_id: str) -> None:
        self.forgotten.append(stream_id)

    def close(self) -> None:
        self.closed = True


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def job(kind: Literal["partial", "final"] = "final", utterance: int = 0, *, stream: str = "s", n: int = 16_000) -> Job:
    return Job(0, stream, utterance, kind, 0, np.zeros(n, np.float32))


def three(**options: object) -> tuple[FakeEngine, FakeEngine, FakeEngine, FallbackTranscriber, Clock]:
    clock = Clock()
    first = FakeEngine("cloud", progressive=True, hop_ms=250)
    second, third = FakeEngine("batch", partials=False), FakeEngine("local")
    chain = FallbackTranscriber([first, second, third], clock=clock, start=lambda work: work(), **options)  # type: ignore[arg-type]
    return first, second, third, chain, clock


def told(heard: Hypothesis) -> list[tuple[str, str, str]]:
    return [(notice.state, notice.engine, notice.reason) for notice in heard.notices]


GONE = EngineUnavailableError("gone", reason="closed")


def test_the_first_that_works_answers_and_nothing_is_told() -> None:
    first, second, _, chain, _ = three()
    heard = chain.transcribe([job("partial"), job()])
    assert [each.text for each in heard] == ["cloud", "cloud"]
    assert [told(each) for each in heard] == [[], []]
    assert second.jobs == []
    assert chain.capabilities == replace(first.capabilities, max_batch=1)


def test_the_next_takes_over_in_the_middle_with_all_of_the_audio() -> None:
    first, second, _, chain, _ = three()
    chain.transcribe([job("partial", n=8_000)])
    first.fails = GONE
    (heard,) = chain.transcribe([job("final", n=20_000)])
    assert heard.text == "batch"
    assert told(heard) == [("fallback", "batch", "closed")]
    assert len(second.jobs[0].samples) == 20_000
    assert first.forgotten == ["s"]
    assert chain.switches == {("cloud", "batch", "closed"): 1}


def test_an_utterance_stays_where_it_is_and_the_next_begins_with_the_first() -> None:
    first, _, third, chain, _ = three()
    first.fails = GONE
    assert told(chain.transcribe([job("partial")])[0]) == [("fallback", "batch", "closed")]
    first.fails = None
    assert chain.transcribe([job("final")])[0].text == "batch"
    (heard,) = chain.transcribe([job("partial", 1)])
    assert heard.text == "cloud"
    assert told(heard) == [("fallback", "cloud", "recovered")]
    assert third.jobs == []


def test_engines_that_want_no_partials_are_not_asked_for_them() -> None:
    first, second, _, chain, _ = three()
    first.fails = GONE
    (heard,) = chain.transcribe([job("partial")])
    assert (heard.words, heard.is_new) == ((), False)
    assert told(heard) == [("fallback", "batch", "closed")]
    assert second.jobs == []


def test_one_after_the_other_down_to_the_last() -> None:
    first, second, third, chain, _ = three()
    first.fails, second.fails = GONE, EngineUnavailableError("429", reason="busy", retry_after_s=3.0)
    (heard,) = chain.transcribe([job()])
    assert heard.text == "local"
    assert told(heard) == [("fallback", "local", "closed")]
    third.fails = EngineFailedError("out of memory")
    with pytest.raises(EngineFailedError, match="out of memory"):
        chain.transcribe([job("final", 1)])


def test_a_recovery_is_told_when_the_engine_has_answered() -> None:
    first, second, _, chain, clock = three(breaker_failures=1, breaker_s=10.0)
    first.fails = second.fails = GONE
    assert told(chain.transcribe([job()])[0]) == [("fallback", "local", "closed")]
    clock.now, second.fails = 7.9, None
    assert told(chain.transcribe([job("partial", 1)])[0]) == []
    clock.now = 10.5
    first.fails = GONE
    assert told(chain.transcribe([job("partial", 2)])[0]) == []  # batch was not asked, so it has not recovered
    assert told(chain.transcribe([job("final", 2)])[0]) == []  # now it was, by way of a try
    assert told(chain.transcribe([job("final", 3)])[0]) == [("fallback", "batch", "recovered")]


def test_the_breaker_spares_the_wait_and_lets_one_utterance_try_again() -> None:
    first, _, _, chain, clock = three(breaker_failures=2, breaker_s=10.0)
    first.fails = GONE
    for utterance in range(5):
        chain.transcribe([job("final", utterance)])
    assert len(first.jobs) == 2
    clock.now = 11.0
    chain.transcribe([job("final", 5)])
    assert len(first.jobs) == 3
    chain.transcribe([job("final", 6)])
    assert len(first.jobs) == 3
    clock.now, first.fails = 40.0, None
    assert chain.transcribe([job("final", 7)])[0].text == "batch"  # whose audio was the try
    assert chain.transcribe([job("final", 8)])[0].text == "cloud"


def test_nobody_waits_for_an_engine_that_is_tried_again() -> None:
    first, _, _, _, clock = three()
    stuck, tried = threading.Event(), threading.Event()
    chain = FallbackTranscriber([first, FakeEngine("local")], clock=clock, breaker_failures=1, breaker_s=1.0)
    first.fails = GONE
    chain.transcribe([job("final", 0)])
    clock.now, first.fails, answer = 2.0, None, first.transcribe

    def hang(jobs: Sequence[Job]) -> list[Hypothesis]:
        tried.set()
        stuck.wait(10)
        return answer(jobs)

    first.transcribe = hang  # type: ignore[method-assign]
    begun = time.monotonic()
    assert [chain.transcribe([job("final", number)])[0].text for number in (1, 2)] == ["local", "local"]
    assert time.monotonic() - begun < 5
    assert tried.wait(5)
    stuck.set()
    later = itertools.count(3)
    end = time.monotonic() + 5
    while chain.transcribe([job("final", next(later))])[0].text != "cloud":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [asked.stream_id for asked in first.jobs[1:2]] == ["s\0probe"]


def test_while_one_tries_the_others_stay_where_they_are() -> None:
    first, _, _, chain, clock = three(breaker_failures=1, breaker_s=10.0)
    first.fails = GONE
    chain.transcribe([job("final", 0, stream="a")])
    clock.now, first.fails, first.is_new = 11.0, None, False
    assert told(chain.transcribe([job("partial", 1, stream="a", n=4_000)])[0]) == []  # too short to prove anything
    assert len(first.jobs) == 1
    chain.transcribe([job("partial", 1, stream="a")])  # the try, and it went well
    assert [asked.kind for asked in first.jobs[1:]] == ["final"]
    assert chain.transcribe([job("final", 1, stream="a")])[0].text == "batch"  # an utterance stays where it is
    assert chain.transcribe([job("final", 1, stream="b")])[0].text == "cloud"


def test_a_refused_key_opens_the_breaker_at_once() -> None:
    first, _, _, chain, _ = three(breaker_failures=50)
    first.fails = EngineUnavailableError("401", reason="refused", passing=False)
    for utterance in range(3):
        assert chain.transcribe([job("final", utterance)])[0].text == "batch"
    assert len(first.jobs) == 1


def test_a_full_engine_is_not_a_broken_one() -> None:
    first, _, _, chain, _ = three(breaker_failures=1)
    first.fails = QueueFullError("all in use")
    assert told(chain.transcribe([job()])[0]) == [("fallback", "batch", "busy")]
    first.fails = None
    assert chain.transcribe([job("final", 1)])[0].text == "cloud"


def test_an_engine_that_stands_in_is_not_asked_four_times_a_second() -> None:
    clock = Clock()
    first, second = FakeEngine("cloud", GONE, progressive=True, hop_ms=250), FakeEngine("local")
    chain = FallbackTranscriber([first, second], clock=clock)
    heard = [chain.transcribe([job("partial", n=n)])[0] for n in range(4_000, 40_000, 4_000)]
    assert [each.is_new for each in heard] == [True, False, True, False, True, False, True, False, True]


def test_jobs_that_come_together_are_one_call_of_the_first_engine() -> None:
    first, second = FakeEngine("local", max_batch=4), FakeEngine("other")
    chain = FallbackTranscriber([first, second], clock=Clock(), start=lambda work: work())
    assert chain.capabilities.max_batch == 4
    four = [job(stream=name) for name in "abcd"]
    assert [heard.text for heard in chain.transcribe(four)] == ["local"] * 4
    assert first.calls == [4]
    first.fails = GONE
    heard = chain.transcribe([replace(each, utterance=1) for each in four])
    assert [told(each) for each in heard] == [[("fallback", "other", "closed")]] * 4
    assert second.calls == [1] * 4


def test_an_engine_that_stands_in_hears_several_at_once() -> None:
    """Each comes on a thread of its own, as it came to the engine before."""
    first, second = FakeEngine("cloud", GONE), FakeEngine("local", max_batch=8)
    chain = FallbackTranscriber([first, second], clock=Clock(), start=lambda _work: None)
    chain.transcribe([job(stream="opens the breaker", utterance=number) for number in range(3)])
    gate, answer = threading.Event(), second.transcribe

    def slowly(jobs: Sequence[Job]) -> list[Hypothesis]:
        assert gate.wait(10)
        return answer(jobs)

    second.transcribe, second.calls = slowly, []  # type: ignore[method-assign]
    with ThreadPoolExecutor(10) as threads:
        futures = [threads.submit(chain.transcribe, [job(stream=str(number))]) for number in range(10)]
        end = time.monotonic() + 10
        while len(chain._engines[1].gathering._line.waiting) < 8:
            assert time.monotonic() < end
            time.sleep(0.001)
        gate.set()
        assert {future.result(10)[0].text for future in futures} == {"local"}
    assert sorted(second.calls) == [1, 1, 8]


def test_the_services_behind_it_are_asked_each() -> None:
    first, second, third, chain, _ = three()
    first.reach = lambda: ["no such key"]  # type: ignore[attr-defined]
    third.reach = list  # type: ignore[attr-defined]
    assert chain.reach() == ["no such key"]
    assert second.jobs == []


def test_streams_are_told_each_for_itself_and_forgotten_everywhere() -> None:
    first, second, third, chain, _ = three()
    first.fails = GONE
    assert told(chain.transcribe([job(stream="a")])[0]) == told(chain.transcribe([job(stream="b")])[0])
    chain.forget("a")
    assert [engine.forgotten[-1] for engine in (first, second, third)] == ["a", "a", "a"]
    assert told(chain.transcribe([job(stream="a")])[0]) == [("fallback", "batch", "closed")]


def test_any_exception_is_a_failure() -> None:
    first, _, _, chain, _ = three()
    first.fails = ZeroDivisionError("oops")
    assert told(chain.transcribe([job()])[0]) == [("fallback", "batch", "failed")]


def test_all_are_closed_even_if_one_cannot_be() -> None:
    first, second, third, chain, _ = three()
    second.close = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ZeroDivisionError):
        chain.close()
    assert first.closed
    assert third.closed


def test_what_hangs_is_rebuilt_with_free_slots() -> None:
    first, _, _, chain, _ = three()
    rebuilt: list[str] = []
    first.rebuild = lambda: rebuilt.append("cloud")  # type: ignore[attr-defined]
    chain.rebuild()
    assert rebuilt == ["cloud"]
    assert chain.transcribe([job()])[0].text == "cloud"


@pytest.mark.parametrize("engines", [[], [FakeEngine("a"), FakeEngine("b", sample_rate=8_000)]])
def test_what_cannot_stand_in_for_each_other_is_refused(engines: list[FakeEngine]) -> None:
    with pytest.raises(ConfigError, match=r"asr\.fallback"):
        FallbackTranscriber(engines)
