"""Streaming conversion of sample rate (libsoxr) and of channels; any chunking gives the same samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastring.audio.format import MAX_CHANNELS
from fastring.audio.pcm import mixdown
from fastring.errors import AudioFormatError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Channels", "Resampler", "StreamConverter", "select_channels"]

Channels = Literal["mix", "keep"] | int
"""What becomes of several channels: their mean, all of them, or the one with that number (from 0)."""


class Resampler:
    """One stream from one sample rate to another, with libsoxr's HQ filter; nothing happens where they agree.

    What it gives lags behind what it gets by some 10 to 20 ms; `flush` gives the rest, so that `n` samples in are
    `n * to_rate / from_rate` samples out, rounded. One owner at a time.

    Args:
        from_rate: of what comes in, in Hz.
        to_rate: of what goes out, in Hz.
        channels: in both.

    Raises:
        ConfigError: if the rates differ and soxr is not installed.
    """

    def __init__(self, from_rate: int, to_rate: int, channels: int = 1) -> None:
        self.from_rate = from_rate
        self.to_rate = to_rate
        self.channels = channels
        self._stream: Any = None if from_rate == to_rate else _open_stream(from_rate, to_rate, channels)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What can be said of the output so far; float32 of shape (n,), or (n, channels) if there are several."""
        if self._stream is None:
            return samples
        resampled: NDArray[np.float32] = self._stream.resample_chunk(samples)
        return resampled

    def flush(self) -> NDArray[np.float32]:
        """The rest; a new stream may begin after it."""
        nothing = np.zeros((0, self.channels) if self.channels > 1 else 0, np.float32)
        if self._stream is None:
            return nothing
        rest: NDArray[np.float32] = self._stream.resample_chunk(nothing, last=True)
        self._stream = _open_stream(self.from_rate, self.to_rate, self.channels)
        return rest


class StreamConverter:
    """One stream from whatever rate and channel count its chunks have, which may change, to those that are wanted.

    Args:
        sample_rate: of what goes out, in Hz; None: the rate of the first chunk.
        channels: what becomes of several channels.
    """

    def __init__(self, sample_rate: int | None, channels: Channels = "mix") -> None:
        self.sample_rate = sample_rate
        self._channels = channels
        self._resampler: Resampler | None = None

    def push(self, samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """Convert float32 of shape (n, channels); gives (n,), or (n, channels) if several are kept."""
        selected = select_channels(samples, self._channels)
        kept = selected.shape[1] if selected.ndim == 2 else 1
        if self.sample_rate is None:
            self.sample_rate = sample_rate
        resampler = self._resampler
        if resampler is None or resampler.from_rate != sample_rate or resampler.channels != kept:
            if resampler is not None and resampler.channels != kept:
                raise AudioFormatError(f"the stream changes from {resampler.channels} to {kept} channels")
            self._resampler = Resampler(sample_rate, self.sample_rate, kept)
            if resampler is not None:
                return np.concatenate([resampler.flush(), self._resampler.push(selected)])
        assert self._resampler is not None
        return self._resampler.push(selected)

    def flush(self) -> NDArray[np.float32]:
        """What is left at the end."""
        return np.zeros(0, np.float32) if self._resampler is None else self._resampler.flush()


def select_channels(samples: NDArray[Any], channels: Channels) -> NDArray[Any]:
    """From shape (n, channels) to (n,), or to (n, channels) where several are kept; int16 or float32.

    Raises:
        AudioFormatError: if there is no channel of that number, or there are more than 32 to mix.
    """
    n_channels = samples.shape[1]
    if n_channels == 1:
        return samples[:, 0]
    if channels == "mix":
        if n_channels > MAX_CHANNELS:
            raise AudioFormatError(f"{n_channels} channels: at most {MAX_CHANNELS} can be mixed; or choose one of them")
        mixed: NDArray[Any] = mixdown(np.ascontiguousarray(samples), n_channels)
        return mixed.reshape(-1)
    if channels == "keep":
        return samples
    if not 0 <= channels < n_channels:
        raise AudioFormatError(f"channels = {channels}: there are channels 0..{n_channels - 1}")
    return np.ascontiguousarray(samples[:, channels])


def _open_stream(from_rate: int, to_rate: int, channels: int) -> Any:
    try:
        import soxr
    except ImportError as error:
        raise ConfigError(
            f"from {from_rate} to {to_rate} Hz needs a resampler: pip install 'fastring[files]'"
        ) from error
    return soxr.ResampleStream(from_rate, to_rate, channels, dtype="float32", quality="HQ")
