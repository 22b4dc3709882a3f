"""Decisions about sources are a function of what came and when: told as tables, with a clock that is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.session.sources import ChunkQueue, ConcurrencyController, Decision, Policy, Verdict


def controller(policy: Policy = "drop_oldest", **options: float) -> ConcurrencyController:
    made = ConcurrencyController(queue_max=3, policy=policy, patience_s=2.0, restore_s=2.0, **options)
    for name, priority in (("low", -1), ("first", 0), ("second", 0), ("high", 5)):
        made.declare(name, priority)
    return made


@pytest.mark.parametrize(
    ("waiting", "ready", "policy", "decision"),
    [
        (0, True, "drop_oldest", Decision.SUBMIT),
        (0, False, "drop_oldest", Decision.QUEUE),
        (2, True, "drop_oldest", Decision.QUEUE),
        (3, False, "drop_oldest", Decision.DROP_OLDEST),
        (3, False, "reject", Decision.REJECT),
        (9, True, "reject", Decision.REJECT),
    ],
)
def test_what_becomes_of_a_chunk(waiting: int, ready: bool, policy: Policy, decision: Decision) -> None:
    assert controller(policy).offer("low", waiting, ready, 1.0) is decision


def lose(decider: ConcurrencyController, start_s: float, end_s: float, source: str = "high") -> list[Verdict]:
    """Chunks are lost all the time from then to then, ten a second; what is decided meanwhile."""
    verdicts = []
    for tick in range(round(start_s * 10), round(end_s * 10)):
        decider.offer(source, 3, False, tick / 10)
        verdicts += [verdict] if (verdict := decider.judge(tick / 10)) else []
    return verdicts


def calm(decider: ConcurrencyController, start_s: float, end_s: float) -> list[Verdict]:
    """Nothing is lost."""
    return [v for tick in range(round(start_s * 10), round(end_s * 10)) if (v := decider.judge(tick / 10))]


def test_sources_go_lowest_priority_first_then_youngest_and_never_the_last() -> None:
    decider = controller()
    assert [v.source for v in lose(decider, 0, 20)] == ["low", "second", "first"]
    assert decider.offer("low", 0, True, 20.0) is Decision.REFUSE
    assert decider.offer("high", 0, True, 20.0) is Decision.SUBMIT


def test_a_short_loss_drops_no_source() -> None:
    decider = controller()
    assert lose(decider, 0, 1.5) == []
    assert lose(decider, 4, 5.5) == []


def test_they_come_back_best_first_when_nothing_is_lost() -> None:
    decider = controller()
    lose(decider, 0, 7)
    assert [(v.source, v.dropped) for v in calm(decider, 7, 20)] == [
        ("first", False),
        ("second", False),
        ("low", False),
    ]
    assert not decider.is_dropped("low")


def test_one_that_must_go_again_soon_waits_longer_each_time() -> None:
    decider = ConcurrencyController(queue_max=3, policy="reject", patience_s=2.0, restore_s=2.0, longest_s=9.0)
    decider.declare("a", 0)
    decider.declare("b", 1)
    now, waits = 0.0, []
    for _ in range(4):
        while (verdict := lose(decider, now, now + 0.1, "b")) == []:
            now += 0.1
        assert verdict == [Verdict("a", dropped=True)]
        gone = now
        while not calm(decider, now, now + 0.1):
            now += 0.1
        waits.append(now - gone)
    assert waits[0] == pytest.approx(3, abs=1.2)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(9, abs=1.2)


def test_a_new_priority_counts() -> None:
    decider = controller()
    decider.declare("high", -9)
    assert lose(decider, 0, 2.5, "first")[0].source == "high"


@given(st.lists(st.tuples(st.sampled_from(["put", "lose", "drop", "take"]), st.integers(1, 50)), max_size=60))
def test_every_byte_is_taken_lost_or_waiting_and_holes_are_where_they_were(steps: list[tuple[str, int]]) -> None:
    queue, sent, stream = ChunkQueue(), 0, b""
    heard: list[tuple[int, bytes]] = []  # position, data
    at = 0
    for step, size in steps:
        if step == "put":
            data = bytes((sent + i) % 251 for i in range(size))
            queue.put(data, 0.0)
            stream += data
            sent += size
        elif step == "lose":
            queue.lose(size)
            stream += bytes((sent + i) % 251 for i in range(size))
            sent += size
        elif step == "drop" and len(queue):
            queue.drop_oldest()
        elif step == "take" and len(queue):
            data, missing = queue.take()
            at += missing
            heard.append((at, data))
            at += len(data)
    for position, data in heard:
        assert stream[position : position + len(data)] == data
    waiting = 0
    while len(queue):
        data, missing = queue.take()
        waiting += len(data) + missing
    assert at + waiting + queue.take_missing() == sent
