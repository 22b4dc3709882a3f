from __future__ import annotations

import pytest

from fastring.events import Latency, Word
from fastring.session.reports import InputState, final_of, partial_of
from fastring.session.utterance import SegmentLimits, Utterance

LATENCY = Latency(1.0, 2.0, 3.0, 6.0)


def utterance(*heard: str) -> Utterance:
    """An utterance in which these words were heard twice: those that the engine does not doubt are stable."""
    one = Utterance(3, 16_000, 11_000, 8000, SegmentLimits(64_000, 8000))
    words = [Word(text, 16_000 + 4000 * i, 19_000 + 4000 * i, 0.8 + 0.1 * i) for i, text in enumerate(heard)]
    for _ in range(2):
        one.partial_decoded(11_000, words, 40_000)
    return one


def test_the_stable_text_is_a_prefix_of_the_text() -> None:
    partial = partial_of(utterance("two", "eight"), 40_000, LATENCY, InputState(-23.0, 0.25, 7))
    assert partial.text == "two eight"
    assert partial.text.startswith(partial.stable_text)
    assert partial.stable_text.startswith("two")
    assert (partial.utterance, partial.start, partial.end) == (3, 16_000, 40_000)
    assert (partial.level_db, partial.buffer_usage, partial.dropped, partial.latency) == (-23.0, 0.25, 7, LATENCY)
    assert partial.confidence == pytest.approx(0.85)


def test_a_final_of_nothing_has_no_text_and_no_confidence() -> None:
    final = final_of(utterance(), LATENCY)
    assert (final.text, final.words, final.confidence, final.latency) == ("", (), 0.0, LATENCY)
    assert (final.utterance, final.start) == (3, 16_000)
