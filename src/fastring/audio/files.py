"""Audio files of any kind that FFmpeg reads: all at once, or chunk by chunk at the pace of their reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from fastring.audio.ffmpeg import decoded_frames, open_container
from fastring.audio.pcm import float32_to_pcm16
from fastring.audio.resample import StreamConverter
from fastring.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fastring.audio.resample import Channels

__all__ = ["AudioFile", "read_audio", "stream_audio"]


def read_audio(
    path: str | os.PathLike[str] | BinaryIO, sample_rate: int | None = None, channels: Literal["mix", "keep"] = "mix"
) -> tuple[NDArray[np.float32], int]:
    """A whole file.

    Args:
        path: of the file; or the file itself, open for reading bytes and able to seek.
        sample_rate: wanted, in Hz; None: the file's own.
        channels: `mix` gives their mean, `keep` all of them.

    Returns:
        The samples, float32 in [-1, 1], shape (n,), or (n, channels) if several are kept; and their sample rate.

    Raises:
        OSError: if the file cannot be opened (`FileNotFoundError`, `IsADirectoryError`, …).
        DecodeError: if it holds no audio that can be decoded.
        ConfigError: if PyAV, or soxr where it is needed, is not installed.
    """
    converter = StreamConverter(sample_rate, channels)
    with _open(path) as container:
        chunks = [converter.push(samples, rate) for samples, rate in decoded_frames(container)]
    chunks.append(converter.flush())
    if converter.sample_rate is None:
        raise _holds_nothing(path)
    return np.concatenate(chunks), converter.sample_rate


def stream_audio(
    path: str | os.PathLike[str] | BinaryIO,
    chunk_s: float = 0.1,
    sample_rate: int = 16_000,
    channels: Channels = "mix",
) -> AudioFile:
    """Read a file as a stream, in chunks that a loop takes. See `AudioFile`, and `read_audio` for the errors."""
    return AudioFile(path, chunk_s=chunk_s, sample_rate=sample_rate, channels=channels)


class AudioFile:
    """A file that is read chunk by chunk; memory does not grow with its length.

    Args:
        path: of the file; or the file itself, open for reading bytes and able to seek.
        chunk_s: length of a chunk in seconds; the last may be shorter.
        sample_rate: of the chunks, in Hz.
        channels: `mix` gives their mean, `keep` all of them, a number that one.

    Attributes:
        path: of the file, or the file itself.
        sample_rate: of the chunks, in Hz.
        file_channels: channels in the file.
        duration_s: of the whole file as its header says, for a progress bar; None if it does not say.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        chunk_s: float,
        sample_rate: int,
        channels: Channels = "mix",
    ) -> None:
        if not chunk_s * sample_rate >= 1:
            raise ConfigError(f"chunk_s = {chunk_s}: must be at least one sample (1/{sample_rate} s)")
        self.path = Path(path) if isinstance(path, str | os.PathLike) else path
        self.sample_rate = sample_rate
        self._chunk_samples = round(chunk_s * sample_rate)
        self._channels = channels
        with _open(self.path) as container:
            self.file_channels = int(container.streams.audio[0].codec_context.channels)
            self.duration_s = _duration_s(container)

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        """The chunks, int16 of shape (n,), or (n, channels) if several are kept; from the beginning each time.

        Raises:
            DecodeError: if the file holds no audio, or breaks off in a way that cannot be read.
        """
        held: list[NDArray[np.int16]] = []
        n_held, empty = 0, True
        for samples in self._converted():
            held.append(samples)
            n_held += len(samples)
            empty = empty and not n_held
            if n_held >= self._chunk_samples:
                joined = np.concatenate(held)
                whole = n_held - n_held % self._chunk_samples
                for begin in range(0, whole, self._chunk_samples):
                    yield joined[begin : begin + self._chunk_samples]
                held, n_held = [joined[whole:]], n_held - whole
        if n_held:
            yield np.concatenate(held)
        if empty:
            raise _holds_nothing(self.path)

    def _converted(self) -> Iterator[NDArray[np.int16]]:
        converter = StreamConverter(self.sample_rate, self._channels)
        with _open(self.path) as container:
            for samples, rate in decoded_frames(container):
                yield float32_to_pcm16(np.ascontiguousarray(converter.push(samples, rate)))
        rest = converter.flush()
        if len(rest):
            yield float32_to_pcm16(np.ascontiguousarray(rest))


def _holds_nothing(path: str | os.PathLike[str] | BinaryIO) -> DecodeError:
    name = path if isinstance(path, str | os.PathLike) else "the file"
    return DecodeError(f"{name} holds no audio that can be decoded")


def _open(path: str | os.PathLike[str] | BinaryIO) -> Any:
    if not isinstance(path, str | os.PathLike):
        path.seek(0)
        return open_container(path, "the audio")
    with Path(path).open("rb"):  # the system's own words for a file that is not there or not ours
        pass
    return open_container(str(path), str(path))


def _duration_s(container: Any) -> float | None:
    stream = container.streams.audio[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else None
