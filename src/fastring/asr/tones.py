"""Whether audio is nothing but tones: signals, beeps and melodies, in which engines like to hear words.

A tone that comes and goes passes the energy gate, and voice detectors take it for a vowel. But its energy lies in one
or two lines of the spectrum, as that of a voice never does for long: a voice has more harmonics, and breath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_tones"]

_N_FFT: Final = 512
_HOP: Final = 256
_LINES: Final = 2  # telephone keys sound two tones at once
_HALF_WIDTH: Final = 2  # bins on either side that a line spreads to through the Hann window
_PURE: Final = 0.998  # share of a frame's energy in the lines: tones have it unless noise is less than 27 dB below
# Share of the frames. Signals have .34 (keys of 50 ms) to .93; of 1,000 segments of meetings, read speech, telephone
# speech and singing none has more than .13.
_MANY: Final = 0.25
_SOUNDING: Final = 1e-3  # frames that are quieter than the loudest by more than 30 dB do not count


def is_tones(samples: NDArray[np.float32]) -> bool:
    """Whether a segment of float32 samples at 16 kHz, shape (n,), holds tones and nothing else."""
    if len(samples) < 2 * _N_FFT:
        return False
    frames = np.lib.stride_tricks.sliding_window_view(samples, _N_FFT)[::_HOP]
    spectrum = np.fft.rfft(frames * np.hanning(_N_FFT + 1)[:-1].astype(np.float32), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    power[:, :2] = 0.0  # DC and rumble
    energy = power.sum(axis=1)
    sounding = energy > _SOUNDING * energy.max()
    share = _energy_in_lines(power[sounding]) / energy[sounding] if sounding.any() else np.zeros(1)
    return bool(np.mean(share > _PURE) > _MANY)


def _energy_in_lines(power: NDArray[Any]) -> NDArray[Any]:
    """Energy of each frame in its strongest lines; `power`, shape (frames, bins), is used up."""
    found = np.zeros(len(power))
    rows = np.arange(len(power))[:, None]
    for _ in range(_LINES):
        peaks = power.argmax(axis=1)[:, None]
        bins = np.clip(peaks + np.arange(-_HALF_WIDTH, _HALF_WIDTH + 1), 0, power.shape[1] - 1)
        found += power[rows, bins].sum(axis=1)
        power[rows, bins] = 0.0
    return found
