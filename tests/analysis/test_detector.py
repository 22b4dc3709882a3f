from __future__ import annotations

import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.analysis import detector
from fastring.analysis.detector import FRAME_SAMPLES, SpeechDetector
from fastring.analysis.gate import GateFrame
from fastring.analysis.silero import SileroStream, silero_available
from fastring.recordings import recording

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
    assert 20 <= scorer.scored < 30  # the sound, the high pass dying away in digital silence, a third of a second
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


def high_passed(samples: np.ndarray) -> np.ndarray:
    """less what lies under 5 Hz, by definition: a one-pole filter that begins at the mean of the first frame."""
    keep, offset, out = np.exp(-2 * np.pi * 5 / 16_000), samples[:FRAME_SAMPLES].mean(), []
    for sample in samples.tolist():
        out.append(sample - offset)
        offset = keep * offset + (1 - keep) * sample
    return np.array(out)


@given(st.lists(st.integers(0, 6000), max_size=12))
def test_what_is_scored_is_heard_after_what_came_before_it(cuts: list[int]) -> None:
    samples = stretches((0.001, 5000), (LOUD, 9000), (0.001, 9000), (LOUD, 3000), (0, 12_000), (LOUD, 5000))
    scorer = ListeningScorer()
    detector, frames = SpeechDetector(scorer), []
    for part in np.split(samples, np.minimum(np.cumsum(cuts), len(samples))):
        frames += detector.push(part)
    signal = np.concatenate((np.zeros(64), high_passed(samples / 32768)))
    starts = [i * FRAME_SAMPLES for i, frame in enumerate(frames) if frame.scored]
    assert 30 < len(starts) < len(frames) - 20
    np.testing.assert_allclose(scorer.heard, [signal[at : at + 64 + FRAME_SAMPLES] for at in starts], atol=1e-6)


def test_float32_is_measured_like_int16() -> None:
    samples = stretches((0.001, 5000), (LOUD, 9000), (0, 4000))
    as_float = (samples / 32768).astype(np.float32)
    assert SpeechDetector(CountingScorer()).push(as_float) == SpeechDetector(CountingScorer()).push(samples)


@pytest.mark.skipif(not silero_available(), reason="faster-whisper is not installed")
@pytest.mark.parametrize("gain", [1.0, 0.1], ids=["as recorded", "20 dB quieter"])
def test_an_offset_of_the_converter_hides_no_speech(gain: float) -> None:
    with wave.open(str(recording("seen_8").path)) as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768 * gain
    plain = [frame.probability > 0.6 for frame in SpeechDetector(SileroStream()).push(speech)]
    offset = [frame.probability > 0.6 for frame in SpeechDetector(SileroStream()).push(speech + np.float32(0.06))]
    assert sum(plain) > 20
    assert np.mean(np.not_equal(plain, offset)) < 0.02


def test_levels_weigh_in() -> None:
    """The same score means more far above the noise floor, and more in quiet than in loud surroundings."""

    def probability(level_db: float, floor_db: float) -> float:
        return detector._weighed(0.4, GateFrame((True, level_db, floor_db, 0.0, True)))

    assert probability(-30, -60) > probability(-30, -35) > probability(-10, -15)
    assert probability(-90, -120) == probability(-80, -80)
    assert detector._weighed(0.0, GateFrame((True, -30.0, -60.0, 0.0, True))) < 0.2
    assert detector._weighed(1.0, GateFrame((True, 0.0, 0.0, 0.0, True))) > 0.95


def test_a_loud_word_out_of_digital_silence_is_speech_though_the_detector_doubts() -> None:
    """As a noise gate leaves it; the score is what Silero said of a whole spoken digit."""

    def weighed(floor_db: float) -> float:
        return detector._weighed(0.11, GateFrame((True, -17.0, floor_db, 0.0, True)))

    assert weighed(-75.0) > 0.8 > 0.7 > weighed(-45.0)


def test_the_gate_alone_and_then_the_measure_are_a_push() -> None:
    quiet = np.zeros(1600, np.int16)
    tone = (8000 * np.sin(np.arange(4800) / 5)).astype(np.int16)
    whole, halves = SpeechDetector(), SpeechDetector()
    for samples in (quiet, tone, quiet, tone):
        frames, audio = halves.gate(samples)
        measured = halves.measured(frames, audio) if frames else []
        assert measured == whole.push(samples)
        if audio is None:
            assert all(frame.probability == 0 and not frame.scored for frame in measured)
