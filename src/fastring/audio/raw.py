"""From raw samples in a declared format to int16 at the rate that is wanted; any chunking gives the same samples."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from fastring.audio.pcm import alaw_to_pcm16, float32_to_pcm16, mulaw_to_pcm16, pcm16_to_float32
from fastring.audio.resample import Resampler, select_channels
from fastring.errors import AudioFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastring.audio.format import AudioFormat
    from fastring.audio.resample import Channels

__all__ = ["PcmDecoder"]


class PcmDecoder:
    """Decodes raw samples. A frame that is cut by the end of a message is completed by the next. One owner at a time.

    Args:
        audio_format: what comes in; no container.
        sample_rate: of what goes out, in Hz.
        channels: what becomes of several channels.

    Raises:
        AudioFormatError: if the format is a container, or has no channel of that number.
        ConfigError: if the rates differ and soxr is not installed.
    """

    def __init__(self, audio_format: AudioFormat, sample_rate: int = 16_000, channels: Channels = "mix") -> None:
        if audio_format.encoding == "container":
            raise AudioFormatError("encoding = 'container': ContainerDecoder reads containers")
        self.format = audio_format
        self.sample_rate = sample_rate
        self._channels = channels
        self._frame_bytes = audio_format.frame_bytes
        self._carry = b""
        kept = select_channels(np.zeros((0, audio_format.channels), np.int16), channels)
        self._resampler: Resampler | None = None
        self._as_it_is = (
            (audio_format.encoding, audio_format.channels, audio_format.sample_rate) == ("linear16", 1, sample_rate)
            and sys.byteorder == "little"
            and kept.ndim == 1
        )
        if audio_format.sample_rate != sample_rate:
            self._resampler = Resampler(audio_format.sample_rate, sample_rate, kept.shape[1] if kept.ndim == 2 else 1)

    def push(self, data: bytes | bytearray | memoryview) -> NDArray[np.int16]:
        """The samples these bytes complete: int16 of shape (n,), or (n, channels) if several are kept.

        What is not a number is silence, and what is too loud is clipped.
        """
        if self._as_it_is and not self._carry and not len(data) & 1 and isinstance(data, bytes):
            return np.frombuffer(data, np.int16)
        data = self._whole_frames(data)
        if self._resampler is None:
            return self._selected(self._as_int16(data))
        return float32_to_pcm16(self._resampler.push(self._selected(self._as_float32(data))))

    def flush(self) -> NDArray[np.int16]:
        """What is left at the end; an incomplete frame is dropped. A new stream may begin after it."""
        self._carry = b""
        if self._resampler is None:
            return self.push(b"")
        return float32_to_pcm16(self._resampler.flush())

    def _whole_frames(self, data: bytes | bytearray | memoryview) -> bytes:
        whole = self._carry + bytes(data)
        cut = len(whole) - len(whole) % self._frame_bytes
        self._carry = whole[cut:]
        return whole[:cut]

    def _as_int16(self, data: bytes) -> NDArray[np.int16]:
        match self.format.encoding:
            case "linear16":
                return np.frombuffer(data, "<i2").astype(np.int16, copy=False)
            case "float32":
                return float32_to_pcm16(data)
            case "mulaw":
                return mulaw_to_pcm16(data)
            case _:
                return alaw_to_pcm16(data)

    def _as_float32(self, data: bytes) -> NDArray[np.float32]:
        if self.format.encoding != "float32":
            return pcm16_to_float32(self._as_int16(data))
        # A filter would smear what is not finite over its neighbours.
        samples = np.frombuffer(data, "<f4").astype(np.float32)
        return np.clip(np.nan_to_num(samples, copy=False, nan=0.0), -1.0, 1.0, out=samples)

    def _selected(self, samples: NDArray[Any]) -> NDArray[Any]:
        return select_channels(samples.reshape(-1, self.format.channels), self._channels)
