"""The energy gate: which 32 ms frames are loud enough, above the noise around them, to be worth a look.

It stands in front of voice detection, so that silence and steady noise cost no inference. It is generous: what it
closes for is surely not speech; what it lets through may be anything.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_SAMPLES", "EnergyGate", "GateFrame"]

FRAME_SAMPLES: Final = 512

_LEAST_POWER: Final = 1e-12  # -120 dBFS
_ABSOLUTE_DB: Final = -65.0
_ABOVE_NOISE_DB: Final = 4.0
_CERTAIN_DB: Final = -20.0
_NOISE_FRAMES: Final = 94  # 3 s: longer than speech goes on without a dip between words


class GateFrame(NamedTuple):
    """A frame at the gate: whether it is let through, its level and the noise floor in dBFS (RMS; -120 is silence)."""

    is_open: bool
    level_db: float
    floor_db: float


class EnergyGate:
    """Follows level and noise floor of one stream, frame by frame.

    The floor is the least level of the last 3 s (minimum statistics: R. Martin, "Noise power spectral density
    estimation based on optimal smoothing and minimum statistics", 2001, in its simplest form).
    """

    def __init__(self) -> None:
        self._lowest: deque[tuple[int, float]] = deque()  # (frame, level), levels rising: a sliding minimum
        self._frame = 0

    def push(self, frame: NDArray[np.float32]) -> GateFrame:
        """Judge the next frame: float32 in [-1, 1], shape (512,)."""
        level = 10.0 * math.log10(max(float(np.dot(frame, frame)) / FRAME_SAMPLES, _LEAST_POWER))
        floor = self._floor(level)
        is_open = level > _ABSOLUTE_DB and (level > _CERTAIN_DB or level > floor + _ABOVE_NOISE_DB)
        return GateFrame(is_open, level, floor)

    def _floor(self, level: float) -> float:
        lowest = self._lowest
        while lowest and lowest[-1][1] >= level:
            lowest.pop()
        lowest.append((self._frame, level))
        if lowest[0][0] <= self._frame - _NOISE_FRAMES:
            lowest.popleft()
        self._frame += 1
        return lowest[0][1]
