"""Where a client's audio comes from: arrays, files of any kind, a microphone, any iterator; all become int16 chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastring.errors import AudioFormatError, FastringError

__all__ = ["Chunk", "Source", "as_bytes", "chunks_of", "microphone"]

Chunk = bytes | bytearray | memoryview | NDArray[np.int16] | NDArray[np.float32]
Source = str | Path | Chunk | Iterable[Chunk] | AsyncIterable[Chunk]

_END = object()


async def chunks_of(source: Source, sample_rate: int) -> AsyncGenerator[Chunk, None]:
    """The chunks of any source, in order.

    Args:
        source: a path (decoded, mixed down to mono and resampled in a thread), one array or bytes, or an iterator or
            async iterator of such chunks.
        sample_rate: that files are resampled to, in Hz.

    Raises:
        AudioFormatError: the source is none of these.
        FastringError: the file cannot be read.
        ModuleNotFoundError: a file needs more than is installed: `pip install "fastring[files]"`.
    """
    if isinstance(source, str | Path):
        async for chunk in _file(Path(source), sample_rate):
            yield chunk
    elif isinstance(source, bytes | bytearray | memoryview | np.ndarray):
        yield bytes(source) if isinstance(source, bytearray | memoryview) else source
    elif isinstance(source, AsyncIterable):
        async for chunk in source:
            yield chunk
    elif isinstance(source, Iterable):
        for chunk in source:
            yield chunk
            await asyncio.sleep(0)
    else:
        raise AudioFormatError(
            f"source of type {type(source).__name__}: must be a path, audio, or an iterator of audio"
        )


async def _file(path: Path, sample_rate: int) -> AsyncGenerator[Chunk, None]:
    from fastring.audio.files import stream_audio

    try:
        chunks = iter(await asyncio.to_thread(stream_audio, path, sample_rate=sample_rate))
    except OSError as error:
        raise FastringError(f"{path}: {error.strerror or error}") from error
    while (chunk := await asyncio.to_thread(next, chunks, _END)) is not _END:
        yield chunk  # type: ignore[misc]


async def microphone(
    sample_rate: int = 16_000, *, block_s: float = 0.1, device: int | str | None = None
) -> AsyncGenerator[NDArray[np.int16], None]:
    """The default microphone, or another one: int16 mono, shape (n,), until the iteration is left.

    Args:
        sample_rate: in Hz; the sound system converts.
        block_s: length of a chunk.
        device: number or name, as `python -m sounddevice` lists them.

    Raises:
        FastringError: there is no such microphone, or no sound system to ask for one.
        ModuleNotFoundError: `pip install "fastring[mic]"`.
    """
    try:
        import sounddevice
    except OSError as error:  # on Linux its wheel comes without the library it calls
        raise FastringError(f"no microphone: {error} (Debian, Ubuntu: apt-get install libportaudio2)") from error

    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[NDArray[np.int16]] = asyncio.Queue()

    def take(block: NDArray[np.int16], _frames: int, _time: Any, _status: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, block[:, 0].copy())

    options = {"samplerate": sample_rate, "blocksize": round(block_s * sample_rate), "channels": 1, "dtype": "int16"}
    try:
        stream = sounddevice.InputStream(callback=take, device=device, **options)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise FastringError(f"no microphone: {error}") from error
    with stream:
        while True:
            yield await heard.get()


def as_bytes(audio: Chunk, encoding: str, channels: int = 1) -> bytes:
    """A chunk as the wire wants it: bytes as they are, arrays converted to linear16 or float32.

    Args:
        audio: bytes, or int16 or float32 samples: interleaved, or of shape (frames, channels).
        encoding: of the stream.
        channels: of the stream.

    Raises:
        AudioFormatError: it is no audio, of another dtype or shape, or the encoding takes bytes alone.
    """
    if isinstance(audio, bytes | bytearray | memoryview):
        return bytes(audio)
    if not isinstance(audio, np.ndarray):
        raise AudioFormatError(f"audio of type {type(audio).__name__}: must be an int16 or float32 array, or bytes")
    if audio.ndim > 1 and (audio.ndim != 2 or audio.shape[1] != channels):
        raise AudioFormatError(
            f"audio of shape {audio.shape}: the stream has channels={channels}, so (frames, {channels}) is wanted"
        )
    if encoding == "linear16" and audio.dtype == np.int16:
        return audio.astype("<i2", copy=False).tobytes()
    if encoding in ("linear16", "float32") and audio.dtype == np.float32:
        if encoding == "float32":
            return audio.astype("<f4", copy=False).tobytes()
        from fastring.audio.pcm import float32_to_pcm16

        samples: NDArray[np.float32] = np.ascontiguousarray(audio, np.float32).ravel()
        return float32_to_pcm16(samples).astype("<i2", copy=False).tobytes()
    raise AudioFormatError(f"audio: {audio.dtype} does not go into {encoding}; int16 and float32 go into linear16")
