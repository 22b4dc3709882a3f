from __future__ import annotations

import random
from collections import Counter
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.job_queue import JobQueue, Ticket
from fastring.asr.transcriber import Job
from fastring.errors import QueueFullError

Kind = Literal["partial", "final"]
NO_AUDIO = np.zeros(0, np.float32)


def ticket(
    stream: str, number: int, kind: Kind = "final", utterance: int | None = None, owed_for_s: float = 0.0
) -> Ticket:
    """A ticket that comes at second `number`, after its answer has been owed for so long."""
    utterance = number if utterance is None else utterance
    job = Job(number, stream, utterance, kind, 0, NO_AUDIO, created_s=number, due_s=number - owed_for_s)
    return Ticket(job, lambda _: None, accepted_s=number)


def queue(per_stream: int = 3, total: int = 100, *, in_order: bool = False) -> JobQueue:
    return JobQueue(max_per_stream=per_stream, max_total=total, in_order=in_order)


def names(tickets: list[Ticket]) -> str:
    return " ".join(f"{t.job.stream_id}{t.job.job_id}" for t in tickets)


def drain(jobs: JobQueue) -> str:
    """All that waits, each run before the next is taken."""
    done: list[Ticket] = []
    while taken := jobs.take(1):
        done += taken
        jobs.finish(taken[0])
    return names(done)


def test_of_finals_the_one_that_is_owed_for_longest_goes_first_whoever_it_is_of() -> None:
    jobs = queue()
    for number, (stream, owed_for_s) in enumerate([("a", 0), ("a", 0), ("b", 1.5), ("c", 4), ("b", 0)]):
        jobs.put(ticket(stream, number, owed_for_s=owed_for_s))
    assert drain(jobs) == "c3 a0 b2 a1 b4"


def test_of_partials_streams_take_turns() -> None:
    jobs = queue()
    for number, stream in enumerate("aaabbc"):
        jobs.put(ticket(stream, number, "partial"))
    assert drain(jobs) == "a0 b3 c5 a1 b4 a2"


def test_a_stream_has_one_partial_running_and_the_next_waits_in_line_behind_it() -> None:
    jobs = queue()
    jobs.put(ticket("a", 0, "partial", utterance=7))
    (first,) = jobs.take(1)
    jobs.put(ticket("a", 1, "partial", utterance=7))
    jobs.put(ticket("a", 2, "final", utterance=6))
    assert names(jobs.take(1)) == "a2"
    assert jobs.take(1) == []
    jobs.put(ticket("b", 3, "partial"))
    jobs.finish(first)
    assert drain(jobs) == "b3 a1"


def test_finals_go_before_partials() -> None:
    jobs = queue()
    jobs.put(ticket("a", 0, "partial"))
    jobs.put(ticket("b", 1, "partial"))
    jobs.put(ticket("b", 2, "final"))
    jobs.put(ticket("c", 3, "final"))
    assert drain(jobs) == "b2 c3 a0 b1"


def test_a_newer_partial_takes_the_place_of_the_older() -> None:
    jobs = queue()
    old, new = ticket("a", 0, "partial", utterance=7), ticket("a", 2, "partial", utterance=7)
    jobs.put(old)
    jobs.put(ticket("b", 1, "partial"))
    assert jobs.put(new) == [(old, "replaced")]
    assert drain(jobs) == "a2 b1"


def test_partials_of_different_utterances_both_wait() -> None:
    jobs = queue()
    jobs.put(ticket("a", 0, "partial", utterance=1))
    assert jobs.put(ticket("a", 1, "partial", utterance=2)) == []
    assert drain(jobs) == "a0 a1"


def test_a_final_makes_the_partial_of_its_utterance_pointless() -> None:
    jobs = queue()
    partial = ticket("a", 0, "partial", utterance=1)
    jobs.put(partial)
    assert jobs.put(ticket("a", 1, "final", utterance=1)) == [(partial, "replaced")]
    assert drain(jobs) == "a1"


def test_a_full_share_refuses_and_changes_nothing() -> None:
    jobs = queue(per_stream=2)
    jobs.put(ticket("a", 0))
    jobs.put(ticket("a", 1))
    for kind in ("partial", "final"):
        with pytest.raises(QueueFullError, match="a has 2 jobs waiting: max_queue is 2"):
            jobs.put(ticket("a", 2, kind))
    jobs.put(ticket("b", 3))
    assert drain(jobs) == "a0 a1 b3"


def test_a_final_evicts_the_newest_partial_of_its_full_share() -> None:
    jobs = queue(per_stream=2)
    jobs.put(ticket("a", 0, "partial"))
    newest = ticket("a", 1, "partial")
    jobs.put(newest)
    assert jobs.put(ticket("a", 2)) == [(newest, "evicted")]
    assert drain(jobs) == "a2 a0"


def test_a_full_queue_refuses_partials_and_lets_finals_evict_the_last_partial() -> None:
    jobs = queue(total=3)
    jobs.put(ticket("a", 0, "partial"))
    last = ticket("b", 1, "partial")
    jobs.put(last)
    jobs.put(ticket("c", 2))
    with pytest.raises(QueueFullError, match="3 jobs wait in all: max_queue_total is 3"):
        jobs.put(ticket("d", 3, "partial"))
    assert jobs.put(ticket("d", 4)) == [(last, "evicted")]
    jobs.put(ticket("e", 5))
    with pytest.raises(QueueFullError, match="max_queue_total is 3"):
        jobs.put(ticket("f", 6))
    assert drain(jobs) == "c2 d4 e5"


def test_where_all_is_full_of_finals_the_place_is_whose_is_owed_for_longest() -> None:
    jobs = queue(total=3)
    for number, stream in enumerate("ab"):
        jobs.put(ticket(stream, number))
    last = ticket("b", 2)
    jobs.put(last)
    with pytest.raises(QueueFullError):
        jobs.put(ticket("c", 3))
    assert jobs.put(ticket("c", 4, owed_for_s=2.5)) == [(last, "evicted")]
    with pytest.raises(QueueFullError):  # as long as another is not longer
        jobs.put(ticket("d", 5, owed_for_s=3.5))
    with pytest.raises(QueueFullError):  # and a partial drives nobody out
        jobs.put(ticket("e", 6, "partial", owed_for_s=9))
    assert drain(jobs) == "a0 b1 c4"


def test_a_batch_is_of_one_kind_and_of_several_streams() -> None:
    jobs = queue()
    for number, stream in enumerate("aab"):
        jobs.put(ticket(stream, number))
    jobs.put(ticket("c", 3, "partial"))
    assert names(jobs.take(8)) == "a0 a1 b2"
    assert names(jobs.take(8)) == "c3"
    assert jobs.take(8) == []


def test_in_order_a_stream_waits_for_its_running_job() -> None:
    jobs = queue(in_order=True)
    jobs.put(ticket("a", 0, "partial"))
    jobs.put(ticket("a", 1, "final"))
    jobs.put(ticket("b", 2, "partial"))
    first = jobs.take(1)[0]
    assert names([first]) == "a0"  # the partial came first, and the final behind it lends it its class
    assert names(jobs.take(1)) == "b2"
    assert jobs.take(1) == []
    jobs.finish(first)
    assert names(jobs.take(1)) == "a1"


def test_a_held_stream_waits() -> None:
    jobs = queue()
    jobs.hold("a")
    jobs.put(ticket("a", 0))
    assert jobs.take(1) == []
    jobs.release("a")
    assert drain(jobs) == "a0"


def test_a_stream_can_be_removed() -> None:
    jobs = queue()
    for number, stream in enumerate("aba"):
        jobs.put(ticket(stream, number))
    assert names(jobs.remove_stream("a")) == "a0 a2"
    assert jobs.remove_stream("a") == []
    assert drain(jobs) == "b1"


ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abcd"), st.sampled_from(["partial", "final"]), st.integers(0, 2)),
    st.tuples(st.just("take"), st.integers(1, 4)),
    st.tuples(st.just("finish")),
    st.tuples(st.just("drop"), st.sampled_from("abcd")),
)


@given(st.lists(ACTIONS, max_size=60), st.integers(1, 3), st.integers(3, 6), st.booleans())
def test_nothing_is_lost_doubled_or_over_the_limits(
    actions: list[tuple[object, ...]], per_stream: int, total: int, in_order: bool
) -> None:
    jobs = queue(per_stream, total, in_order=in_order)
    accepted: list[Ticket] = []
    gone: list[Ticket] = []
    running: list[Ticket] = []
    for number, action in enumerate(actions):
        match action:
            case ("put", str(stream), ("partial" | "final") as kind, int(utterance)):
                fresh = ticket(stream, number, kind, utterance)
                try:
                    displaced = jobs.put(fresh)
                except QueueFullError:
                    continue
                accepted.append(fresh)
                gone += [other for other, _ in displaced]
            case ("take", int(n)):
                taken = jobs.take(n)
                running += taken
                gone += taken
            case ("finish",) if running:
                jobs.finish(running.pop(0))
            case ("drop", str(stream)):
                gone += jobs.remove_stream(stream)
        waiting = list(jobs)
        assert len(jobs) == len(waiting) <= total
        assert max(Counter(t.job.stream_id for t in waiting).values(), default=0) <= per_stream
        assert Counter(accepted) == Counter(gone + waiting)
        if in_order:
            assert max(Counter(t.job.stream_id for t in running).values(), default=0) <= 1
    for each in running:
        jobs.finish(each)
    drain(jobs)
    assert len(jobs) == 0


def test_a_ticket_that_is_put_back_has_its_old_place() -> None:
    jobs = queue(per_stream=1, total=3)
    for number, (stream, kind) in enumerate([("a", "final"), ("b", "final"), ("c", "partial")]):
        jobs.put(ticket(stream, number, kind))  # type: ignore[arg-type]
    (first,) = jobs.take(1)
    jobs.put(ticket("a", 3))
    assert jobs.put_back(first)  # beyond the limits, which it kept when it came
    assert drain(jobs) == "a0 b1 a3 c2"


def test_a_partial_that_is_put_back_gives_way_to_what_is_newer() -> None:
    jobs = queue()
    jobs.put(ticket("a", 0, "partial", utterance=1))
    (first,) = jobs.take(1)
    jobs.put(ticket("a", 1, "partial", utterance=1))
    jobs.finish(first)
    assert not jobs.put_back(first)
    assert drain(jobs) == "a1"


def test_removing_what_does_not_wait_changes_nothing() -> None:
    jobs = queue()
    jobs.put(ticket("a", 0))
    jobs.remove(ticket("a", 0))
    jobs.remove(ticket("b", 1))
    assert drain(jobs) == "a0"


def test_a_partial_that_is_put_back_is_the_next_partial() -> None:
    jobs = queue()
    for number, stream in enumerate("ab"):
        jobs.put(ticket(stream, number, "partial"))
    (first,) = jobs.take(1)
    jobs.finish(first)
    assert jobs.put_back(first)
    assert drain(jobs) == "a0 b1"


PUTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["partial", "final"]), st.integers(0, 3), st.integers(0, 9))
)


@given(PUTS, st.randoms(use_true_random=False))
def test_finals_first_longest_owed_first_and_of_partials_nobody_waits_for_more_than_one_of_each_other(
    puts: list[tuple[str, Kind, int, int]], rng: random.Random
) -> None:
    jobs = queue(per_stream=1000, total=1000)
    pending = list(enumerate(puts))
    overtaken: Counter[tuple[Ticket, str]] = Counter()
    while pending or len(jobs):
        if pending and rng.random() < 0.6:
            number, (stream, kind, utterance, owed_for_s) = pending.pop(0)
            jobs.put(ticket(stream, number, kind, utterance, owed_for_s))
            continue
        waiting = list(jobs)
        for taken in jobs.take(1):
            jobs.finish(taken)
            finals = [t for t in waiting if t.job.kind == "final"]
            if finals:
                mine = [t for t in finals if t.job.stream_id == taken.job.stream_id]
                assert taken is mine[0]
                heads = {t.job.stream_id: t for t in reversed(finals)}
                assert taken.due_s == min(head.due_s for head in heads.values())
                continue
            heads = {t.job.stream_id: t for t in reversed(waiting)}
            assert taken is heads.pop(taken.job.stream_id)
            for other in heads.values():
                overtaken[other, taken.job.stream_id] += 1
    # While a stream's oldest partial waited, another stream had its turn at most twice: once it was before it in line,
    # and once more where a final of its own came and went meanwhile.
    assert max(overtaken.values(), default=0) <= 2


@given(st.permutations("abcdefgh"), st.sampled_from(["partial", "final"]))
def test_one_job_each_means_oldest_first(order: list[str], kind: Kind) -> None:
    jobs = queue()
    for number, stream in enumerate(order):
        jobs.put(ticket(stream, number, kind))
    assert drain(jobs) == " ".join(f"{stream}{number}" for number, stream in enumerate(order))
