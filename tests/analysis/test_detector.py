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

    def skip(self, samples: np.ndarray) -> None:
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


class ListeningScorer:
    """Remembers every frame with the 64 samples that it was heard after."""

    def __init__(self) -> None:
        self.context = np.zeros(64, np.float32)
        self.heard: list[np.ndarray] = []

    def score(self, frames: np.ndarray) -> np.ndarray:
        for frame in frames:
            self.heard.append(np.concatenate((self.context, frame)))
            self.context = frame[-64:].copy()
        return np.zeros(len(frames), np.float32)

    def skip(self, samples: np.ndarray) -> None:
        self.context = samples.copy()


@given(st.lists(st.integers(0, 6000), max_size=12))
def test_what_is_scored_is_heard_after_what_came_before_it(cuts: list[int]) -> None:
    samples = stretches((0.001, 5000), (LOUD, 9000), (0.001, 9000), (LOUD, 3000), (0, 12_000), (LOUD, 5000))
    scorer = ListeningScorer()
    detector, frames = SpeechDetector(scorer), []
    for part in np.split(samples, np.minimum(np.cumsum(cuts), len(samples))):
        frames += detector.push(part)
    frames += detector.flush()
    signal = np.concatenate((np.zeros(64), samples / 32768, np.zeros(FRAME_SAMPLES))).astype(np.float32)
    starts = [i * FRAME_SAMPLES for i, frame in enumerate(frames) if frame.scored]
    assert 30 < len(starts) < len(frames) - 20
    np.testing.assert_array_equal(scorer.heard, [signal[at : at + 64 + FRAME_SAMPLES] for at in starts])


def test_float32_is_measured_like_int16() -> None:
    samples = stretches((0.001, 5000), (LOUD, 9000), (0, 4000))
    as_float = (samples / 32768).astype(np.float32)
    assert SpeechDetector(CountingScorer()).push(as_float) == SpeechDetector(CountingScorer()).push(samples)


def test_levels_weigh_in() -> None:
    """The same score means more far above the noise floor, and more in quiet than in loud surroundings."""

    def probability(level_db: float, floor_db: float) -> float:
        return detector._weighed(0.4, GateFrame((True, level_db, floor_db, 0.0, True)))

    assert probability(-30, -60) > probability(-30, -35) > probability(-10, -15)
    assert probability(-90, -120) == probability(-80, -80)
    assert detector._weighed(0.0, GateFrame((True, -30.0, -60.0, 0.0, True))) < 0.2
    assert detector._weighed(1.0, GateFrame((True, 0.0, 0.0, 0.0, True))) > 0.95
