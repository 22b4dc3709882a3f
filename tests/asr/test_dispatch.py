"""What `test_pool.py` shows with threads is not repeated here: only the decisions that need their moment."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.crew import Worker
from fastring.asr.dispatch import Dispatcher
from fastring.asr.job_queue import Ticket
from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.errors import EngineFailedError, QueueFullError
from fastring.events import Word

Kind = Literal["partial", "final"]


class Desk:
    """A dispatcher, and what it told."""

    def __init__(self, *, max_batch: int = 1, progressive: bool = False, total: int = 100) -> None:
        self.told: list[Outcome] = []
        self.forgotten: list[str] = []
        self.dispatcher = Dispatcher(
            Capabilities("fake", "none", max_batch=max_batch, progressive=progressive),
            max_queue_per_stream=3,
            max_queue_total=total,
            timeout_s=30.0,
            hang_s=5.0,
            rebuildable=False,
            forget=self.forget,
        )

    def forget(self, stream_id: str) -> None:
        self.forgotten.append(stream_id)
        self.dispatcher.forgotten(stream_id)

    def submit(self, stream: str, number: int, kind: Kind = "final", now: float = 0.0, due_s: float = 0.0) -> Ticket:
        job = Job(number, stream, 0 if kind == "partial" else number, kind, 0, np.zeros(0, np.float32), due_s=due_s)
        ticket = Ticket(job, self.told.append, now)
        self.dispatcher.submit(ticket)
        return ticket

    def do_chores(self) -> None:
        while self.dispatcher.chores:
            self.dispatcher.chores.popleft()()

    def texts(self) -> list[str]:
        self.do_chores()
        return [outcome.hypothesis.text if outcome.hypothesis else str(outcome.error) for outcome in self.told]


def answer(text: str) -> Hypothesis:
    return Hypothesis((Word(text, 0, 1, 1.0),))


def test_a_late_answer_is_as_good_as_any() -> None:
    desk, slow, other = Desk(), Worker(), Worker()
    desk.submit("a", 0)
    batch = desk.dispatcher.take(slow, 0, 1.0)
    desk.dispatcher.give_up(slow, 6.0)
    assert (desk.dispatcher.waiting, desk.dispatcher.running) == (1, 0)
    for report in desk.dispatcher.succeeded(slow, batch, [answer("late")], 7.0):
        report()
    assert desk.texts() == ["late"]
    assert desk.dispatcher.waiting == 0
    assert desk.dispatcher.take(other, 0, 8.0) == []


def test_of_two_answers_the_first_counts() -> None:
    desk, slow, other = Desk(), Worker(), Worker()
    desk.submit("a", 0)
    first = desk.dispatcher.take(slow, 0, 1.0)
    desk.dispatcher.give_up(slow, 6.0)
    second = desk.dispatcher.take(other, 0, 6.0)
    for report in desk.dispatcher.succeeded(slow, first, [answer("late")], 7.0):
        report()
    assert desk.dispatcher.running == 1  # the other is still inside
    assert desk.dispatcher.succeeded(other, second, [answer("again")], 8.0) == []
    assert desk.texts() == ["late"]
    assert desk.dispatcher.running == 0


def test_a_late_failure_is_of_no_interest() -> None:
    desk, slow, other = Desk(), Worker(), Worker()
    desk.submit("a", 0)
    batch = desk.dispatcher.take(slow, 0, 1.0)
    desk.dispatcher.give_up(slow, 6.0)
    assert desk.dispatcher.failed(slow, batch, EngineFailedError("late"), 7.0) == ([], [])
    again = desk.dispatcher.take(other, 0, 8.0)
    for report in desk.dispatcher.succeeded(other, again, [answer("fine")], 9.0):
        report()
    assert desk.texts() == ["fine"]


def test_what_a_batch_did_not_come_to_is_not_blamed() -> None:
    """A batch failed; of its jobs, tried one by one, the first hangs: the others have another try left."""
    desk, worker, other = Desk(max_batch=3), Worker(), Worker()
    tickets = [desk.submit(stream, 0) for stream in "abc"]
    batch = desk.dispatcher.take(worker, 0, 1.0)
    again, reports = desk.dispatcher.failed(worker, batch, RuntimeError("bad"), 2.0)
    assert (again, reports) == (tickets, [])
    assert desk.dispatcher.take_again(worker, again[0], 2.0)
    desk.dispatcher.give_up(worker, 8.0)
    assert not desk.dispatcher.take_again(worker, again[1], 9.0)
    assert "twice" in desk.texts()[0]
    assert set(desk.dispatcher.take(other, 0, 9.0)) == set(tickets[1:])


def test_a_retry_that_nobody_waits_for_is_not_made() -> None:
    desk, worker = Desk(), Worker()
    ticket = desk.submit("a", 0)
    batch = desk.dispatcher.take(worker, 0, 1.0)
    desk.dispatcher.failed(worker, batch, RuntimeError("bad"), 2.0)
    desk.dispatcher.cancel("a", 2.0)
    assert not desk.dispatcher.take_again(worker, ticket, 2.0)
    assert desk.texts() == ["the job was dropped: cancelled"]
    assert desk.forgotten == ["a"]
    assert desk.dispatcher.running == 0


def test_a_progressive_stream_goes_on_after_a_hang() -> None:
    desk, worker, other = Desk(progressive=True), Worker(), Worker()
    first, second = desk.submit("a", 0), desk.submit("a", 1)
    assert desk.dispatcher.take(worker, 0, 1.0) == [first]
    assert desk.dispatcher.take(other, 0, 1.0) == []
    desk.dispatcher.give_up(worker, 6.0)
    batch = desk.dispatcher.take(other, 0, 6.0)
    assert batch == [first]
    desk.dispatcher.succeeded(other, batch, [answer("fine")], 7.0)
    assert desk.dispatcher.take(other, 0, 7.0) == [second]


def test_a_partial_that_hung_gives_way_to_a_newer_one() -> None:
    desk, worker = Desk(), Worker()
    desk.submit("a", 0, "partial")
    desk.dispatcher.take(worker, 0, 1.0)
    desk.submit("a", 1, "partial", 5.0)
    desk.dispatcher.give_up(worker, 6.0)
    assert desk.texts() == ["the job was dropped: replaced"]
    assert desk.dispatcher.waiting == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.sampled_from("abc"), st.sampled_from(["partial", "final"])),
        st.tuples(st.sampled_from(["take", "succeed", "fail", "hang", "return", "break"]), st.integers(0, 2)),
        st.tuples(st.just("cancel"), st.sampled_from("abc")),
        st.tuples(st.just("wait"), st.floats(0, 20)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 3), st.booleans())
def test_whatever_happens_each_ticket_is_answered_once(
    steps: list[tuple[object, ...]], max_batch: int, progressive: bool
) -> None:
    desk, now = Desk(max_batch=max_batch, progressive=progressive, total=6), 0.0
    dispatcher = desk.dispatcher
    workers = [Worker() for _ in range(3)]
    calls: dict[int, list[Ticket]] = {}
    hanging: list[tuple[Worker, list[Ticket]]] = []
    accepted: list[Ticket] = []
    for number, (what, *arguments) in enumerate(steps):
        who = arguments[0]
        if what == "submit":
            with contextlib.suppress(QueueFullError):
                accepted.append(desk.submit(str(who), number, arguments[1], now))  # type: ignore[arg-type]
        elif what == "cancel":
            dispatcher.cancel(str(who), now)
        elif what == "wait":
            now += float(who)  # type: ignore[arg-type]
            dispatcher.expire(now)
        elif what == "return" and hanging:
            worker, batch = hanging.pop(0)
            for report in dispatcher.succeeded(worker, batch, [answer("late")] * len(batch), now):
                report()
        elif isinstance(who, int) and what == "take" and who not in calls:
            if batch := dispatcher.take(workers[who], 0, now):
                calls[who] = batch
        elif isinstance(who, int) and who in calls:
            batch = calls.pop(who)
            if what == "succeed":
                for report in dispatcher.succeeded(workers[who], batch, [answer("x")] * len(batch), now):
                    report()
            elif what == "fail":
                again, reports = dispatcher.failed(workers[who], batch, RuntimeError("bad"), now)
                for report in reports:
                    report()
                for ticket in again:
                    if dispatcher.take_again(workers[who], ticket, now):
                        for report in dispatcher.succeeded(workers[who], [ticket], [answer("again")], now):
                            report()
            else:
                dispatcher.give_up(workers[who], now)
                hanging.append((workers[who], batch))
                workers[who] = Worker()
        desk.do_chores()
        assert dispatcher.waiting <= 6 + sum(map(len, calls.values())) + 3 * max_batch
    for who, batch in calls.items():
        dispatcher.succeeded(workers[who], batch, [answer("x")] * len(batch), now)
    dispatcher.expire(now + 100)
    dispatcher.drop_waiting("closed", now)
    desk.do_chores()
    assert (dispatcher.waiting, dispatcher.running, dispatcher.ledger.oldest) == (0, 0, None)
    assert max(Counter(outcome.job.job_id for outcome in desk.told).values(), default=1) == 1
    counts = dispatcher.ledger.counts
    assert counts["accepted"] == len(accepted) == sum(counts[n] for n in ("done", "failed", "dropped", "expired"))
    for stream in "abc":  # nobody is held for ever
        desk.submit(stream, 1000, now=now + 200)
        assert len(dispatcher.take(Worker(), 0, now + 200)) == 1


def test_a_final_that_loses_its_place_may_come_again() -> None:
    desk = Desk(total=3)
    for number in range(3):
        desk.submit("a", number, due_s=number)
    desk.submit("b", 3, due_s=-1.0)
    (text,) = desk.texts()
    assert text == "all places are taken, and another answer has been owed for longer"
    assert isinstance(desk.told[0].error, QueueFullError)
    assert desk.told[0].job.job_id == 2


def test_a_slow_engine_is_offered_no_more_than_it_can_answer_in_time() -> None:
    desk = Desk()
    worker = Worker()
    now = 0.0

    def answer_one(took_s: float) -> None:
        nonlocal now
        batch = desk.dispatcher.take(worker, 0, now)
        now += took_s
        desk.dispatcher.succeeded(worker, batch, [answer("x")], now)

    desk.submit("first", 0)
    answer_one(took_s=3.0)
    for number in range(5):  # in the half of 30 s
        desk.submit(f"s{number}", 0, now=now)
    with pytest.raises(QueueFullError, match="a slow engine answers no more than 5 in time"):
        desk.submit("one too many", 0, now=now)
    for _ in range(5):
        answer_one(took_s=0.001)
    now += 10.0  # who was turned away does not come again
    for number in range(15):
        desk.submit(f"t{number}", 0, now=now)
