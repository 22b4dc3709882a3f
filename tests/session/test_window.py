from __future__ import annotations

import pytest

from fastring.config import VoiceSettings
from fastring.session.window import AdaptiveWindow


def observed(latency_ms: float, times: int, settings: VoiceSettings | None = None) -> AdaptiveWindow:
    window = AdaptiveWindow(settings or VoiceSettings())
    for _ in range(times):
        window.observe(latency_ms)
    return window


@pytest.mark.parametrize(
    ("latency_ms", "times", "seconds"),
    [
        (500, 100, 2.5),
        (900, 9, 2.5),
        (900, 10, 3.0),
        (900, 19, 3.0),
        (900, 20, 3.5),
        (900, 1000, 5.0),
        (100, 10, 2.0),
        (100, 1000, 1.0),
    ],
)
def test_the_mean_latency_moves_it_by_half_seconds_within_its_bounds(
    latency_ms: float, times: int, seconds: float
) -> None:
    assert observed(latency_ms, times).seconds == seconds


def test_one_slow_job_moves_nothing() -> None:
    window = observed(400, 9)
    window.observe(3000)
    assert window.seconds == 2.5


def test_bounds_that_are_no_multiple_of_a_step_are_kept() -> None:
    settings = VoiceSettings(window_seconds=2.5, window_max=2.7, window_min=2.4)
    assert observed(900, 50, settings).seconds == 2.7
    assert observed(100, 50, settings).seconds == 2.4


def test_four_decodes_per_window_but_at_most_two_a_second() -> None:
    assert observed(500, 0).hop_seconds == 0.5
    assert observed(900, 1000).hop_seconds == 1.125
    assert observed(100, 1000).hop_seconds == 0.5
