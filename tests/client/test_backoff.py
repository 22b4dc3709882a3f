from __future__ import annotations

import random

from fastring.client.backoff import Backoff


def test_waits_fill_a_range_that_doubles_up_to_its_bound() -> None:
    bounds = []
    for attempt in range(8):
        waits = []
        for seed in range(300):
            backoff = Backoff(0.2, 5.0, random.Random(seed))
            backoff.attempt = attempt
            waits.append(backoff.next_s())
        assert min(waits) < 0.05 * max(waits)
        bounds.append(max(waits))
    expected = [min(5.0, 0.2 * 2**attempt) for attempt in range(8)]
    assert all(0.95 * want <= got <= want for got, want in zip(bounds, expected, strict=True))


def test_success_starts_over_and_a_wish_is_added() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    for _ in range(5):
        backoff.next_s()
    assert backoff.attempt == 5
    backoff.succeeded()
    assert 7.0 <= backoff.next_s(7.0) <= 8.0
