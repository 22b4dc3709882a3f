"""Whisper's log-mel features in NumPy, without the matrix product that everybody else computes them with.

A BLAS library answers that product with threads of its own, which then spin and take the cores from the engine's
workers: with two workers on two cores the encoder took twice as long. The filters are triangles, so two products per
frequency bin do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LogMel"]


class LogMel:
    """Log-mel spectrogram as Whisper was trained on: Hann window, power, mel filters, log10, 80 dB of range.

    Args:
        filters: float32, shape (n_mels, n_fft // 2 + 1), each row not 0 in one run of bins.
        n_fft: window length in samples.
        hop_length: in samples.

    Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, section 2.2.
    """

    def __init__(self, filters: NDArray[Any], *, n_fft: int, hop_length: int) -> None:
        self._n_fft = n_fft
        self._hop_length = hop_length
        self._window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
        bins = [np.flatnonzero(row) if row.any() else np.array([0]) for row in filters]
        self._bins = np.concatenate(bins)
        self._weights = np.concatenate([row[chosen] for row, chosen in zip(filters, bins, strict=True)])[:, None]
        self._weights = self._weights.astype(np.float32)
        self._begins = np.cumsum([0, *(len(chosen) for chosen in bins[:-1])])

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of float32 samples in [-1, 1], less their mean.

        An offset of the converter would be the loudest sound there is, and what lies 80 dB below that is cut off.

        Args:
            samples: shape (n,), n above n_fft // 2.

        Returns:
            float32, shape (n_mels, n // hop_length).
        """
        mel: NDArray[np.float32] = np.add.reduceat(
            self._power(samples - samples.mean())[self._bins] * self._weights, self._begins, axis=0
        )
        log_mel = np.log10(np.maximum(mel, 1e-10))
        np.maximum(log_mel, log_mel.max() - 8.0, out=log_mel)
        features: NDArray[np.float32] = (log_mel + np.float32(4)) / np.float32(4)
        return features[:, : len(samples) // self._hop_length]

    def _power(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power spectrum, shape (bins, frames); the frames are centred, the edges mirrored."""
        padded = np.pad(samples, (0, self._hop_length))  # as faster-whisper does
        padded = np.pad(padded, self._n_fft // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_fft)[:: self._hop_length]
        spectrum = np.fft.rfft(frames[:-1] * self._window, axis=1).T
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        return np.ascontiguousarray(power, np.float32)
