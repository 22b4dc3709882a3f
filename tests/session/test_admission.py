"""Admission by load: a queue of finals modelled by hand, in seconds that nobody waits for."""

from __future__ import annotations

import heapq

import pytest

from fastring.session.admission import AdmissionControl


def test_everybody_comes_in_while_finals_do_not_wait() -> None:
    control = AdmissionControl(1.0)
    for number in range(100):
        control.enter(number * 1.0)
        control.owe("a", number, number * 1.0)
        control.settle("a", number, number * 1.0 + 0.3, engine_s=0.3)
        assert control.refuses(number + 0.3) == ""


def test_a_slow_engine_that_keeps_up_is_no_reason() -> None:
    """What counts is the wait, not how long the engine itself takes."""
    control = AdmissionControl(1.0)
    control.enter(0)
    for number in range(5):
        control.owe("a", number, number * 10.0)
        control.settle("a", number, number * 10.0 + 3.0, engine_s=3.0)
        assert control.refuses(number * 10.0 + 3.0) == ""


def test_a_final_that_waits_too_long_closes_the_door_and_its_answer_opens_it_a_while_later() -> None:
    control = AdmissionControl(1.0)
    control.enter(0)
    control.owe("a", 1, 100.0)
    assert control.refuses(100.9) == ""
    assert "1.5 s" in control.refuses(101.5)
    assert control.retry_after_s(101.5) == 2
    control.settle("a", 1, 103.0, engine_s=0.1)
    assert control.refuses(103.1) != ""
    assert control.refuses(103.9) != ""  # hysteresis: the last late answer was less than a second ago
    assert control.refuses(104.1) == ""
    assert control.refused == 3
    control.owe("a", 2, 105.0)
    assert control.refuses(105.9) == ""  # it has to wait for the whole limit again


def test_what_a_stream_was_owed_goes_with_it() -> None:
    control = AdmissionControl(1.0)
    control.enter(0)
    control.owe("a", 1, 0.0)
    assert control.refuses(5.0) != ""
    control.leave("a")
    assert control.lag_s(5.0) == 0
    assert control.refuses(6.5) == ""


def test_a_job_that_had_no_room_is_owed_since_it_was_first_offered() -> None:
    control = AdmissionControl(1.0)
    control.owe("a", 1, 0.0)
    control.owe("a", 1, 3.0)
    assert control.lag_s(4.0) == pytest.approx(4.0)


def test_zero_is_never() -> None:
    control = AdmissionControl(0)
    control.owe("a", 1, 0.0)
    assert control.refuses(1e6) == ""


def test_the_young_are_expected_to_cost_what_the_others_do() -> None:
    control = AdmissionControl(1.0, workers=2)
    for _ in range(4):
        control.enter(0.0)
    for number in range(20):
        control.owe("a", number, 10.0 + number * 0.2)
        control.settle("a", number, 10.2 + number * 0.2, engine_s=0.2)
    assert control.load(14.0) == pytest.approx(0.4)
    control.enter(13.0)
    control.enter(13.0)
    assert control.load(14.0) == pytest.approx(0.4 * 6 / 4)


def _simulated(
    limit_s: float, *, arrivals_per_s: float, seconds: float, cost_s: float = 0.1
) -> tuple[int, list[float]]:
    """One engine, first come first served; each stream ends an utterance every two seconds. Streams, and waits."""
    control = AdmissionControl(limit_s)
    events: list[tuple[float, int, str]] = [
        (number / arrivals_per_s, number, "come") for number in range(int(seconds * arrivals_per_s))
    ]
    heapq.heapify(events)
    free_at, admitted, waits = 0.0, 0, []
    while events:
        now, number, what = heapq.heappop(events)
        if now > seconds:
            break
        if what == "come" and not control.refuses(now):
            admitted += 1
            control.enter(now)
            heapq.heappush(events, (now + 1.0 + number % 10 / 10, number * 1_000_000 + 1, "end"))
        elif what == "end":
            control.owe("s", number, now)
            free_at = max(free_at, now) + cost_s
            heapq.heappush(events, (free_at, number, f"answer {now}"))
            heapq.heappush(events, (now + 2.0, number + 1, "end"))
        elif what.startswith("answer"):
            waits.append(now - float(what.split()[1]) - cost_s)
            control.settle("s", number, now, engine_s=cost_s)
    return admitted, waits


def test_a_crowd_three_times_too_large_is_held_at_what_the_engine_can_do() -> None:
    """Twenty streams fill this engine; sixty and more ask."""
    admitted, waits = _simulated(0.5, arrivals_per_s=3, seconds=30)
    assert 14 <= admitted <= 22
    waits.sort()
    assert waits[int(0.95 * len(waits))] < 1.0
    everybody, unbounded = _simulated(0, arrivals_per_s=3, seconds=30)
    assert everybody == 90
    assert max(unbounded) > 10
