"""The energy gate: which 32 ms frames are loud enough, above the noise around them, to be worth a look.

It stands in front of voice detection, so that silence and steady noise cost no inference. It is generous: what it
closes for is surely not speech; what it lets through may be anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from fastring import _native

if TYPE_CHECKING:
    from fastring.analysis.analyzer import Samples

__all__ = ["FRAME_SAMPLES", "EnergyGate", "GateFrame"]

FRAME_SAMPLES: Final = 512  # at 16 kHz


class GateFrame(NamedTuple):
    """A frame at the gate: whether it is let through, its level and the noise floor in dBFS (RMS; -120 is silence)."""

    is_open: bool
    level_db: float
    floor_db: float
    zero_crossing_rate: float = 0.0


class EnergyGate:
    """Follows level and noise floor of one stream, in frames of 32 ms, natively and in any chunking.

    A frame passes when it is above -65 dBFS and either above -20 dBFS, or 4 dB above the floor, or 2 dB above it with
    more than one zero crossing in four samples (an s or an f: Rabiner & Sambur, BSTJ 1975). The floor is the least
    level of the last 3 s (minimum statistics: R. Martin, "Noise power spectral density estimation based on optimal
    smoothing and minimum statistics", 2001, in its simplest form).

    Args:
        sample_rate: of the stream, 8000..192000 Hz.

    Raises:
        ValueError: the sample rate is out of range.
    """

    def __init__(self, sample_rate: float = 16000) -> None:
        self._native = _native.EnergyGate(sample_rate)

    @property
    def frame_samples(self) -> int:
        """Samples per frame: 512 at 16 kHz."""
        return self._native.frame_samples

    def push(self, samples: Samples) -> list[GateFrame]:
        """Take any number of mono samples.

        Args:
            samples: int16, or float32 in [-1, 1]; shape (n,).

        Returns:
            One `GateFrame` for each frame these samples completed, in order.

        Raises:
            AudioFormatError: wrong dtype, shape or layout; nothing was taken.
        """
        return [GateFrame(*frame) for frame in self._native.push(samples)]

    def reset(self) -> None:
        """Forget the stream."""
        self._native.reset()
