"""The door to the decoders: which one reads a format, from the bytes of a client to int16 at the session's rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.audio.container import ContainerDecoder
from fastring.audio.raw import PcmDecoder

if TYPE_CHECKING:
    from fastring.audio.decoder_process import DecoderProcess
    from fastring.audio.format import AudioFormat
    from fastring.audio.resample import Channels

__all__ = ["ContainerDecoder", "PcmDecoder", "open_decoder"]


def open_decoder(
    audio_format: AudioFormat,
    sample_rate: int = 16_000,
    channels: Channels = "mix",
    *,
    process: DecoderProcess | None = None,
) -> PcmDecoder | ContainerDecoder:
    """The decoder for a format: raw samples, or a container, which is decoded in that process if there is one."""
    if audio_format.encoding == "container":
        return ContainerDecoder(sample_rate=sample_rate, channels=channels, process=process)
    return PcmDecoder(audio_format, sample_rate, channels)
