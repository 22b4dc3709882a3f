"""The energy gate: which 32 ms frames are loud enough, above the noise around them, to be worth a look.

It stands in front of voice detection, so that silence and steady noise cost no inference. It is generous: what it
closes for is surely not speech; what it lets through may be anything.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FRAME_SAMPLES", "SILENCE_DB", "EnergyGate"]

FRAME_SAMPLES: Final = 512
SILENCE_DB: Final = -120.0

_ABSOLUTE_DB: Final = -65.0
_ABOVE_NOISE_DB: Final = 4.0
_CERTAIN_DB: Final = -20.0
_NOISE_FRAMES: Final = 94  # 3 s: longer than speech goes on without a dip between words


class EnergyGate:
    """Follows level and noise floor of one stream, frame by frame.

    The floor is the least level of the last 3 s (minimum statistics: R. Martin, "Noise power spectral density
    estimation based on optimal smoothing and minimum statistics", 2001, in its simplest form).
    """

    def __init__(self) -> None:
        self._lowest: deque[tuple[int, float]] = deque()  # (frame, level), levels rising: a sliding minimum
        self._frame = 0

    def push(self, frames: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Judge the next frames.

        Args:
            frames: float32 in [-1, 1], shape (n, 512), consecutive in time.

        Returns:
            Three arrays of shape (n,): whether the gate is open, the level and the noise floor in dBFS (RMS; -120 is
            silence).
        """
        power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / FRAME_SAMPLES
        levels = (10.0 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
        floors = np.array([self._floor(float(level)) for level in levels], np.float32)
        is_open = (levels > _ABSOLUTE_DB) & ((levels > _CERTAIN_DB) | (levels > floors + _ABOVE_NOISE_DB))
        return is_open, levels, floors

    def _floor(self, level: float) -> float:
        lowest = self._lowest
        while lowest and lowest[-1][1] >= level:
            lowest.pop()
        lowest.append((self._frame, level))
        if lowest[0][0] <= self._frame - _NOISE_FRAMES:
            lowest.popleft()
        self._frame += 1
        return lowest[0][1]
