"""From samples to measured frames: level, gate and speech probability of every 32 ms.

Frames lie at multiples of 512 samples of the stream, wherever the chunks that bring them begin and end. The energy
gate decides which frames the voice detector is run on: those it passes, and a third of a second after them. That rule
looks at levels alone, so neither chunking nor what the rest of the session does can change a score.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from fastring.analysis.gate import EnergyGate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FRAME_SAMPLES", "Frame", "FrameScorer", "SpeechDetector"]

FRAME_SAMPLES: Final = 512
_LEAST_DB: Final = -80.0
_MOST_ABOVE_DB: Final = 30.0
_SCORED_AFTER_GATE: Final = 10  # frames: as long as the endpointer listens for trailing silence


class FrameScorer(Protocol):
    """A voice detector with state: Silero, or a script in tests."""

    def score(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of speech in each of the next frames, shape (n, 512) -> (n,)."""
        ...

    def skip(self, frames: NDArray[np.float32]) -> None:
        """Take note that these frames passed unscored."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One measured frame: its level, how probably it is speech, and whether the voice detector was run on it."""

    level_db: float
    probability: float
    scored: bool


class SpeechDetector:
    """Measures the frames of one stream.

    Args:
        scorer: the voice detector of this stream; None leaves it to the energy gate.
    """

    def __init__(self, scorer: FrameScorer | None = None) -> None:
        self._scorer = scorer
        self._gate = EnergyGate()
        self._rest = np.zeros(0, np.int16)
        self._since_open = _SCORED_AFTER_GATE + 1

    def push(self, samples: NDArray[np.int16]) -> list[Frame]:
        """Take any number of samples (int16, shape (n,)) and return the frames they complete."""
        if len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = samples[whole:].copy()
        return self._measure(samples[:whole].reshape(-1, FRAME_SAMPLES)) if whole else []

    def flush(self) -> list[Frame]:
        """Measure what is left, filled up with silence: at most one frame."""
        if not len(self._rest):
            return []
        last = np.zeros((1, FRAME_SAMPLES), np.int16)
        last[0, : len(self._rest)] = self._rest
        self._rest = self._rest[:0]
        return self._measure(last)

    def _measure(self, pcm: NDArray[np.int16]) -> list[Frame]:
        frames = pcm.astype(np.float32) / np.float32(32768)
        is_open, levels, floors = self._gate.push(frames)
        if self._scorer is None:
            return [Frame(float(lv), float(on), False) for lv, on in zip(levels, is_open, strict=True)]
        wanted = self._wanted(is_open)
        probabilities = np.zeros(len(frames), np.float32)
        for start, stop in _runs(wanted):
            if wanted[start]:
                probabilities[start:stop] = self._scorer.score(frames[start:stop])
            else:
                self._scorer.skip(frames[start:stop])
        probabilities = np.where(wanted, _weighed(probabilities, levels, floors), np.float32(0))
        return [
            Frame(float(lv), float(p), bool(scored))
            for lv, p, scored in zip(levels, probabilities, wanted, strict=True)
        ]

    def _wanted(self, is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
        wanted = np.zeros(len(is_open), np.bool_)
        for i, on in enumerate(is_open):
            self._since_open = 0 if on else self._since_open + 1
            wanted[i] = self._since_open <= _SCORED_AFTER_GATE
        return wanted


def _weighed(
    probabilities: NDArray[np.float32], levels: NDArray[np.float32], floors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The detector's probabilities, weighed with what levels say.

    Silero is shy of quiet speech in quiet surroundings (it misses a quarter of a meeting at 0.5) and easily led by loud
    noise. Both show in the levels: at the same score, a frame far above the noise floor is more likely speech, and a
    loud one less likely than a quiet one. The weights are a logistic regression over meetings, read speech, mixtures
    with noise at 0 to 20 dB, and music, animals and weather, each left out in turn.
    """
    bounded = np.clip(probabilities, 1e-3, 1 - 1e-3)
    above = np.clip(np.maximum(levels, _LEAST_DB) - np.maximum(floors, _LEAST_DB), 0, _MOST_ABOVE_DB)
    odds = np.log(bounded / (1 - bounded)) + 0.5 + 0.125 * above - 0.035 * (np.maximum(levels, _LEAST_DB) + 50)
    weighed: NDArray[np.float32] = (1 / (1 + np.exp(-odds))).astype(np.float32)
    return weighed


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist(), len(flags)]
    return list(itertools.pairwise(edges))
