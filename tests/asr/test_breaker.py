from __future__ import annotations

import pytest

from fastring.asr.breaker import CircuitBreaker


def breaker(failures: int = 2, first_s: float = 4.0) -> CircuitBreaker:
    return CircuitBreaker(failures, first_s, draw=lambda: 0.0)


def test_it_opens_after_failures_in_a_row() -> None:
    it = breaker(failures=3)
    for _ in range(2):
        it.failed(0.0)
    it.succeeded()
    for _ in range(2):
        it.failed(0.0)
    assert it.state(0.0) == "closed"
    it.failed(0.0)
    assert it.state(0.0) == "open"
    assert not it.admit(3.9, 10.0)


def test_half_open_lets_one_through_and_its_success_closes() -> None:
    it = breaker(failures=1)
    it.failed(0.0)
    assert it.state(4.0) == "half-open"
    assert it.admit(4.0, 10.0)
    assert not it.admit(5.0, 10.0)
    it.succeeded()
    assert it.state(5.0) == "closed"
    assert it.admit(5.0, 10.0)


def test_a_probe_that_never_ends_makes_room_for_another() -> None:
    it = breaker(failures=1)
    it.failed(0.0)
    assert it.admit(4.0, 10.0)
    assert it.admit(14.0, 10.0)


def test_the_wait_doubles_up_to_a_minute_and_starts_over_after_a_success() -> None:
    it, now, waits = breaker(failures=1), 0.0, []
    for _ in range(6):
        it.failed(now)
        wait = next(s for s in range(100) if it.state(now + s) == "half-open")
        waits.append(wait)
        now += wait
    assert waits == [4, 8, 16, 32, 60, 60]
    it.succeeded()
    it.failed(now)
    assert it.state(now + 4.0) == "half-open"


@pytest.mark.parametrize(("least_s", "until"), [(10.0, 10.0), (1.0, 4.0), (3600.0, 60.0)])
def test_it_waits_as_long_as_it_is_asked_to(least_s: float, until: float) -> None:
    it = breaker(failures=5)
    it.failed(0.0, least_s=least_s)
    assert it.state(until - 0.01) == "open"
    assert it.state(until) == "half-open"


def test_what_would_fail_again_opens_at_once() -> None:
    it = breaker(failures=5)
    it.failed(0.0, at_once=True)
    assert it.state(1.0) == "open"


def test_failures_that_come_late_do_not_lengthen_the_wait() -> None:
    it = breaker(failures=1)
    it.failed(0.0)
    it.failed(3.0)
    assert it.state(4.0) == "half-open"


def test_the_jitter_only_shortens() -> None:
    it = CircuitBreaker(1, 10.0, draw=lambda: 0.999)
    it.failed(0.0)
    assert it.state(7.9) == "open"
    assert it.state(8.1) == "half-open"
