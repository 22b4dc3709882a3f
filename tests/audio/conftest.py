"""Containers made on the spot, by FFmpeg itself."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# name: (container format, codec, sample rate)
CONTAINERS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "wav24": ("wav", "pcm_s24le", 44_100),
    "flac": ("flac", "flac", 44_100),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "mp4": ("mp4", "aac", 44_100),
    "adts": ("adts", "aac", 16_000),
    "fmp4": ("mp4", "aac", 44_100),
    "fmp4-opus": ("mp4", "libopus", 48_000),
    "mp4-faststart": ("mp4", "aac", 44_100),
}
# As browsers record: an index without samples in front, then fragments of a quarter of a second.
FRAGMENTED = {"movflags": "empty_moov+default_base_moof+delay_moov", "frag_duration": "250000"}
OPTIONS = {"fmp4": FRAGMENTED, "fmp4-opus": FRAGMENTED, "mp4-faststart": {"moov_size": "8192"}}


def chirp(rate: int, seconds: float, channels: int = 1) -> NDArray[np.float32]:
    """A sweep from 200 to 1200 Hz that fades in and out, shape (n, channels); the second channel is quieter."""
    t = np.arange(int(rate * seconds)) / rate
    sweep = 0.5 * np.sin(2 * np.pi * (200 * t + 500 * t**2 / seconds)) * np.sin(np.pi * t / seconds)
    return np.stack([sweep * (1 - 0.5 * k) for k in range(channels)], axis=1).astype(np.float32)


@cache
def encoded(name: str, seconds: float = 2.0, channels: int = 1) -> bytes:
    """The chirp in a container."""
    import av  # only here: the tests of the core need NumPy alone

    container_format, codec, rate = CONTAINERS[name]
    samples = np.rint(chirp(rate, seconds, channels) * 32767).astype(np.int16)
    layout = "mono" if channels == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=container_format, options=OPTIONS.get(name, {})) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@pytest.fixture(params=list(CONTAINERS))
def container_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def make_container() -> Callable[..., bytes]:
    return encoded


@pytest.fixture(scope="session")
def make_chirp() -> Callable[..., NDArray[np.float32]]:
    return chirp
