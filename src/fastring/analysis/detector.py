"""From samples to measured frames: level, gate and speech probability of every 32 ms.

Frames lie at multiples of 512 samples of the stream, wherever the chunks that bring them begin and end. The energy
gate decides which frames the voice detector is run on: those it passes, and a third of a second after them. That rule
looks at the sound alone, so neither chunking nor what the rest of the session does can change a score.
"""

from __future__ import annotations

import math
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from fastring.analysis.gate import CONTEXT_SAMPLES, FRAME_SAMPLES, EnergyGate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fastring.analysis.gate import GateFrame

__all__ = ["FRAME_SAMPLES", "Frame", "FrameScorer", "SpeechDetector"]

_LEAST_DB: Final = -80.0
_MOST_ABOVE_DB: Final = 34.0  # 30 lost words between stretches of digital silence; more makes speech of music
_SCORED_AFTER_GATE: Final = 10  # frames: as long as the endpointer listens for trailing silence
_HIGH_PASS_HZ: Final = 5.0  # an offset of the converter hides quiet speech; 20 Hz cost two of a hundred ends
_IS_HELD: Final = attrgetter("is_held")


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

    def skip(self, samples: NDArray[np.float32]) -> None:
        """Take note that audio passed unscored, of which these are the last samples, shape (64,)."""
        ...


class SpeechDetector:
    """Measures the frames of one stream. One owner at a time.

    Args:
        scorer: the voice detector of this stream; None leaves it to the energy gate.
    """

    def __init__(self, scorer: FrameScorer | None = None) -> None:
        self._scorer = scorer
        self._gate = EnergyGate(hold_frames=_SCORED_AFTER_GATE, high_pass_hz=_HIGH_PASS_HZ)
        self._unscored = False  # whether the last frame was not scored

    def push(self, samples: NDArray[np.int16] | NDArray[np.float32]) -> list[Frame]:
        """Take any number of samples, shape (n,), and return the frames they complete.

        Raises:
            AudioFormatError: if they are not int16 or float32, or not of that shape; nothing is taken.
        """
        frames, audio = self._gate.push_with_audio(samples)
        return self.measured(frames, audio) if frames else []

    def gate(
        self, samples: NDArray[np.int16] | NDArray[np.float32]
    ) -> tuple[Sequence[GateFrame], NDArray[np.float32] | None]:
        """The first half of `push`: the frames that these samples complete, and their audio for `measured`.

        No audio means that no frame is held: they are measured as they are, at their level, with a probability of 0.

        Raises:
            AudioFormatError: as `push`.
        """
        frames, audio = self._gate.push_with_audio(samples)
        if audio is None and frames:
            self._unscored = True
        return frames, audio

    def flush(self) -> list[Frame]:
        """Measure what is left, filled up with silence: at most one frame."""
        frames, audio = self._gate.flush_with_audio()
        return self.measured(frames, audio) if frames else []

    def measured(self, frames: Sequence[GateFrame], audio: NDArray[np.float32] | None) -> list[Frame]:
        """The second half of `push`."""
        if audio is not None and self._scorer is not None:
            return self._scored(frames, audio, self._scorer)
        self._unscored = True
        return [Frame(frame.level_db, float(frame.is_open), False) for frame in frames]

    def _scored(self, frames: Sequence[GateFrame], audio: NDArray[np.float32], scorer: FrameScorer) -> list[Frame]:
        """Each run of held frames in one call; `audio` is as the gate gave it."""
        rows = audio[CONTEXT_SAMPLES:].reshape(-1, FRAME_SAMPLES)
        measured: list[Frame] = []
        for is_held, run in groupby(frames, _IS_HELD):
            first, gated = len(measured), list(run)
            if is_held:
                if self._unscored:
                    scorer.skip(audio[first * FRAME_SAMPLES :][:CONTEXT_SAMPLES])
                scores = scorer.score(rows[first : first + len(gated)]).tolist()
                measured += [Frame(g.level_db, _weighed(p, g), True) for p, g in zip(scores, gated, strict=True)]
            else:
                measured += [Frame(g.level_db, 0.0, False) for g in gated]
            self._unscored = not is_held
        return measured


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
