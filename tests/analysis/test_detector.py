from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastring.analysis import detector
from fastring.analysis.detector import FRAME_SAMPLES, SpeechDetector
from fastring.analysis.gate import GateFrame

LOUD = 0.1


class CountingScorer:
    """Scores by level, and takes note of what it was given."""

    def __init__(self) -> None:
        self.scored = 0
        self.skipped = 0

    def score(self, frames: np.ndarray) -> np.ndarray:
        self.scored += len(frames)
        return (np.abs(frames).mean(axis=1) > LOUD / 4).astype(np.float32)

    def skip(self, frames: np.ndarray) -> None:
        self.skipped += 1


def stretches(*parts: tuple[float, int]) -> np.ndarray:
    """Noise of the given amplitudes and lengths in samples, as int16."""
    rng = np.random.default_rng(5)
    return np.concatenate([rng.standard_normal(n) * amplitude * 32768 for amplitude, n in parts]).astype(np.int16)


def test_digital_silence_costs_no_inference() -> None:
    scorer = CountingScorer()
    frames = SpeechDetector(scorer).push(np.zeros(100 * FRAME_SAMPLES, np.int16))
    assert scorer.scored == 0
    assert {(f.probability, f.scored) for f in frames} == {(0.0, False)}


def test_sound_is_scored_and_a_while_after_it() -> None:
    scorer = CountingScorer()
    detector = SpeechDetector(scorer)
    detector.push(stretches((0, 50 * FRAME_SAMPLES), (LOUD, 10 * FRAME_SAMPLES), (0, 50 * FRAME_SAMPLES)))
    assert scorer.scored == 20
    assert scorer.skipped == 1  # told once, when it is asked again


def test_without_a_scorer_the_gate_decides() -> None:
    frames = SpeechDetector().push(stretches((0, 20 * FRAME_SAMPLES), (LOUD, 10 * FRAME_SAMPLES)))
    assert [f.probability for f in frames] == [0.0] * 20 + [1.0] * 10
    assert not any(f.scored for f in frames)


def test_flush_measures_the_rest_once() -> None:
    detector = SpeechDetector()
    assert detector.push(stretches((0, 600))) != []
    assert len(detector.flush()) == 1
    assert detector.flush() == []


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    samples = stretches((0.001, 5000), (LOUD, 9000), (0, 4000), (LOUD, 3000), (0, 700))
    whole = SpeechDetector(CountingScorer())
    expected = whole.push(samples) + whole.flush()
    pieces = SpeechDetector(CountingScorer())
    got = []
    for part in np.split(samples, np.minimum(np.cumsum(cuts), len(samples))):
        got += pieces.push(part)
    assert got + pieces.flush() == expected


def test_levels_weigh_in() -> None:
    """The same score means more far above the noise floor, and more in quiet than in loud surroundings."""

    def probability(level_db: float, floor_db: float) -> float:
        return detector._weighed(0.4, GateFrame(True, level_db, floor_db))

    assert probability(-30, -60) > probability(-30, -35) > probability(-10, -15)
    assert probability(-90, -120) == probability(-80, -80)
    assert detector._weighed(0.0, GateFrame(True, -30, -60)) < 0.2
    assert detector._weighed(1.0, GateFrame(True, 0, 0)) > 0.95
