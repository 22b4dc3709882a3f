from __future__ import annotations

import pytest

from fastring.server.sessions.catch_up import CatchUp

RATE = 16_000


def simulate(catch_up: CatchUp, backlog_s: float, began_s: float = 100.0, piece_s: float = 0.1) -> float:
    """Seconds until a client that sends as fast as it may, and speaks on meanwhile, has nothing left."""
    now, left_s = began_s, backlog_s
    while left_s > piece_s:
        wait_s = catch_up.wait_s(now)
        now += wait_s
        left_s += wait_s - piece_s
        catch_up.note(round(piece_s * RATE))
    return now - began_s


@pytest.mark.parametrize("away_s", [2.0, 10.0, 60.0])
@pytest.mark.parametrize("rate", [2.0, 4.0])
def test_the_backlog_goes_at_the_rate(away_s: float, rate: float) -> None:
    catch_up = CatchUp(rate, RATE)
    catch_up.begin(100.0, away_s)
    took_s = simulate(catch_up, away_s)
    assert (away_s - 1) / (rate - 1) * 0.7 <= took_s <= away_s / (rate - 1) + 1


def test_nothing_is_limited_before_a_resume_or_after_the_backlog() -> None:
    catch_up = CatchUp(4.0, RATE)
    catch_up.note(RATE * 1000)
    assert catch_up.wait_s(5.0) == 0
    catch_up.begin(10.0, 3.0)
    catch_up.note(RATE * 1000)
    assert 0 < catch_up.wait_s(10.0) <= 2.0
    assert catch_up.wait_s(12.1) == 0


def test_no_absence_limits_for_ever() -> None:
    catch_up = CatchUp(4.0, RATE)
    catch_up.begin(0.0, 1e9)
    catch_up.note(10**12)
    assert catch_up.wait_s(0.0) <= 120


def test_a_rate_of_zero_is_no_limit() -> None:
    catch_up = CatchUp(0, RATE)
    catch_up.begin(0.0, 60.0)
    catch_up.note(10**12)
    assert catch_up.wait_s(0.0) == 0


def test_it_says_when_anything_is_limited() -> None:
    catch_up = CatchUp(3.0, RATE)
    assert not catch_up.limits(100.0)
    catch_up.begin(100.0, 10.0)
    assert catch_up.limits(105.9)
    assert not catch_up.limits(106.1)
