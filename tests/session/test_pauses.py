from __future__ import annotations

import numpy as np
import pytest

from fastring.session.pauses import Pauses

WANTED_MS = 256.0


def pause(pauses: Pauses, length_ms: float, *, ends: bool) -> None:
    """One pause, frame by frame."""
    for silence_ms in np.arange(32.0, length_ms + 1, 32.0):
        pauses.observe(float(silence_ms), WANTED_MS)
    if ends:
        pauses.end(by_silence=True)
    else:
        pauses.observe(0.0, WANTED_MS)


def test_the_longer_a_pause_the_likelier_the_end() -> None:
    pauses = Pauses()
    chances = []
    for silence_ms in (0.0, 32.0, 96.0, 160.0, 224.0, 256.0, 300.0):
        pauses.observe(silence_ms, WANTED_MS)
        chances.append(pauses.chance)
    assert chances[0] == 0.0
    assert chances == sorted(chances)
    assert chances[-2:] == [1.0, 1.0]


def test_more_silence_wanted_makes_the_same_pause_less_of_an_end() -> None:
    short, long = Pauses(), Pauses()
    short.observe(128.0, WANTED_MS)
    long.observe(128.0, 700.0)
    assert long.chance < short.chance


def test_one_who_goes_on_is_learnt_and_so_is_one_who_does_not() -> None:
    restless, brief = Pauses(), Pauses()
    usual = restless.restlessness
    for _ in range(50):
        pause(restless, 128, ends=False)
        pause(brief, 256, ends=True)
    assert brief.restlessness < 0.5 * usual < 2 * usual < restless.restlessness


def test_short_gaps_and_ends_that_are_not_silence_tell_nothing() -> None:
    pauses = Pauses()
    pause(pauses, 64, ends=False)
    pauses.observe(128.0, WANTED_MS)
    pauses.end(by_silence=False)
    pauses.observe(0.0, WANTED_MS)
    assert pauses.observed == (0, 0.0)


@pytest.mark.parametrize("restlessness", [0.2, 0.4, 0.8])
def test_the_law_is_found_again_and_the_chance_is_right(restlessness: float) -> None:
    """Pauses drawn from the power law, from 90 ms on; frames of 32 ms blur it a little."""
    rng = np.random.default_rng(5)
    pauses = Pauses()
    reached = ended = 0
    for length_ms in 90 * rng.random(3000) ** (-1 / restlessness):
        ends = length_ms >= WANTED_MS
        pause(pauses, min(float(length_ms), WANTED_MS), ends=ends)
        reached, ended = reached + (length_ms >= 160), ended + ends
    assert pauses.restlessness == pytest.approx(restlessness, rel=0.25)
    pauses.observe(160.0, WANTED_MS)
    assert pauses.chance == pytest.approx(ended / reached, abs=0.06)
