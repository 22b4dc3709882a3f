"""From samples to measured frames: level, gate and speech probability of every 32 ms.

Frames lie at multiples of 512 samples of the stream, wherever the chunks that bring them begin and end. The energy
gate decides which frames the voice detector is run on: those it passes, and a third of a second after them. That rule
looks at levels alone, so neither chunking nor what the rest of the session does can change a score.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastring.analysis.gate import EnergyGate, GateFrame

__all__ = ["FRAME_SAMPLES", "Frame", "FrameScorer", "SpeechDetector"]

FRAME_SAMPLES: Final = 512
_LEAST_DB: Final = -80.0
_MOST_ABOVE_DB: Final = 30.0
_SCORED_AFTER_GATE: Final = 10  # frames: as long as the endpointer listens for trailing silence


class Frame(NamedTuple):
    """One measured frame: its level, how probably it is speech, and whether the voice detector was run on it."""

    level_db: float
    probability: float
    scored: bool


class FrameScorer(Protocol):
    """A voice detector with state: Silero, or a script in tests."""

    def score(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of speech in each of the next frames, shape (n, 512) -> (n,)."""
        ...

    def skip(self, frames: NDArray[np.float32]) -> None:
        """Take note that frames passed unscored, of which these are the last."""
        ...


class SpeechDetector:
    """Measures the frames of one stream.

    Args:
        scorer: the voice detector of this stream; None leaves it to the energy gate.
    """

    def __init__(self, scorer: FrameScorer | None = None) -> None:
        self._scorer = scorer
        self._gate = EnergyGate()
        self._rest = np.zeros(0, np.int16)
        self._unscored: NDArray[np.float32] | None = None  # the last frame, if it was not scored
        self._since_open = _SCORED_AFTER_GATE + 1

    def push(self, samples: NDArray[np.int16]) -> list[Frame]:
        """Take any number of samples (int16, shape (n,)) and return the frames they complete."""
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
        whole = len(samples) - len(samples) % FRAME_SAMPLES
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
        frames = pcm.astype(np.float32)
        frames *= np.float32(1 / 32768)
        measured: list[Frame] = []
        waiting: list[GateFrame] = []  # frames to be scored in one call, the last of which is frames[i - 1]
        for i, (frame, gate) in enumerate(zip(frames, self._gate.push(pcm.reshape(-1)), strict=True)):
            self._since_open = 0 if gate.is_open else self._since_open + 1
            if self._scorer is None:
                measured.append(Frame(gate.level_db, float(gate.is_open), False))
            elif self._since_open <= _SCORED_AFTER_GATE:
                waiting.append(gate)
            else:
                measured += self._score(frames[i - len(waiting) : i], waiting)
                waiting = []
                measured.append(Frame(gate.level_db, 0.0, False))
                self._unscored = frame
        return measured + self._score(frames[len(frames) - len(waiting) :], waiting)

    def _score(self, frames: NDArray[np.float32], gates: list[GateFrame]) -> list[Frame]:
        if not gates or self._scorer is None:
            return []
        if self._unscored is not None:
            self._scorer.skip(self._unscored)
            self._unscored = None
        scores = self._scorer.score(frames).tolist()
        return [Frame(gate.level_db, _weighed(p, gate), True) for p, gate in zip(scores, gates, strict=True)]


def _weighed(probability: float, gate: GateFrame) -> float:
    """The detector's probability, weighed with what the level says.

    Silero is shy of quiet speech in quiet surroundings (it misses a quarter of a meeting at 0.5) and easily led by loud
    noise. Both show in the levels: at the same score, a frame far above the noise floor is more likely speech, and a
    loud one less likely than a quiet one. The weights are a logistic regression over meetings, read speech, mixtures
    with noise at 0 to 20 dB, and music, animals and weather; each recording left out in turn, they hold for it too.
    """
    bounded = min(max(probability, 1e-3), 1 - 1e-3)
    level = max(gate.level_db, _LEAST_DB)
    above = min(level - max(gate.floor_db, _LEAST_DB), _MOST_ABOVE_DB)
    odds = math.log(bounded / (1 - bounded)) + 0.5 + 0.125 * above - 0.035 * (level + 50)
    return 1 / (1 + math.exp(-odds))
