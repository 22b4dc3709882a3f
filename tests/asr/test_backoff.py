from __future__ import annotations

from fastring.asr.backoff import Backoff


def test_the_limit_doubles_up_to_the_longest() -> None:
    backoff = Backoff(0.5, 3.0, draw=lambda: 1.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_jitter_is_full() -> None:
    waits = [Backoff(1.0, 8.0).next_s() for _ in range(400)]
    assert min(waits) < 0.1
    assert max(waits) > 0.9
    assert all(0 <= wait < 1.0 for wait in waits)


def test_after_a_success_it_starts_over() -> None:
    backoff = Backoff(0.5, 8.0, draw=lambda: 1.0)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_a_thousand_failures_are_no_overflow() -> None:
    backoff = Backoff(0.5, 8.0, draw=lambda: 1.0)
    assert [backoff.next_s() for _ in range(2000)][-1] == 8.0
