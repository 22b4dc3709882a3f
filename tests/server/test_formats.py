"""Real speech in every form a client may send, through the real server and the real model: the same words come back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from serving import BASE, chunks, listen, serving, speech, texts

from fastring.asr.engines import create_transcriber
from fastring.audio.resample import Resampler
from fastring.config import AsrSettings, ServerSettings, Settings
from fastring.recordings import recording

pytest.importorskip("faster_whisper")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from numpy.typing import NDArray
    from serving import Running

    from fastring.asr.transcriber import Transcriber

NAME = "seen_2"
ASR = AsrSettings(model="digits", workers=1, threads=1)
MONO = np.frombuffer(speech(NAME), "<i2")


class Shared:
    """One loaded model for all tests of this file: a server closes its engine, this one stays open."""

    def __init__(self, engine: Transcriber) -> None:
        self.engine = engine
        self.capabilities = engine.capabilities
        self.transcribe = engine.transcribe
        self.forget = engine.forget

    def close(self) -> None:
        """Not yet."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Shared]:
    shared = Shared(create_transcriber(ASR))
    yield shared
    shared.engine.close()


@pytest.fixture
async def digits(engine: Shared) -> AsyncIterator[Running]:
    async with serving(Settings(server=ServerSettings(port=0), asr=ASR), engine) as running:  # type: ignore[arg-type]
        yield running


def at_rate(rate: int) -> NDArray[np.float32]:
    if rate == 16_000:
        return MONO.astype(np.float32) / 32768
    resampler = Resampler(16_000, rate)
    return np.concatenate([resampler.push(MONO.astype(np.float32) / 32768), resampler.flush()])


def linear16(samples: NDArray[np.float32]) -> bytes:
    return (samples * 32767).clip(-32768, 32767).astype("<i2").tobytes()


def mulaw(samples: NDArray[np.float32]) -> bytes:
    """G.711 by its formula: the logarithm in eight segments of sixteen steps."""
    value = np.minimum(np.abs(samples * 32768).astype(np.int32), 32_635) + 132
    segment = np.floor(np.log2(value)).astype(np.int32) - 7
    step = (value >> (segment + 3)) & 0x0F
    return (~((samples < 0) << 7 | segment << 4 | step) & 0xFF).astype(np.uint8).tobytes()


def alaw(samples: NDArray[np.float32]) -> bytes:
    value = np.minimum(np.abs(samples * 32768).astype(np.int32), 32_767) >> 3
    segment = np.where(value < 32, 0, np.floor(np.log2(np.maximum(value, 1))).astype(np.int32) - 4)
    step = np.where(segment < 2, value >> 1, value >> segment) & 0x0F
    code = (samples >= 0) << 7 | segment << 4 | step
    return (code ^ 0x55).astype(np.uint8).tobytes()


def stereo(samples: NDArray[np.float32], other: float) -> NDArray[np.float32]:
    """The voice on the left, and a share of it on the right."""
    return np.stack([samples, other * samples], axis=1).reshape(-1)


def container(kind: str, codec: str, rate: int = 48_000) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.layout = "mono"  # type: ignore[attr-defined]
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(linear16(at_rate(rate)), "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:  # type: ignore[attr-defined]
            out.mux(packet)
    return file.getvalue()


RAW = {
    "linear16 16 kHz": ("", lambda: MONO.tobytes(), 2 * 1600),
    "linear16 8 kHz": ("sample_rate=8000", lambda: linear16(at_rate(8_000)), 2 * 800),
    "linear16 48 kHz": ("sample_rate=48000", lambda: linear16(at_rate(48_000)), 2 * 960),
    "linear16 44.1 kHz stereo": (
        "sample_rate=44100&channels=2",
        lambda: linear16(stereo(at_rate(44_100), 0.8)),
        4 * 441,
    ),
    "linear16 one silent channel": ("channels=2", lambda: linear16(stereo(at_rate(16_000), 0.0)), 4 * 1600),
    "float32 48 kHz stereo": (
        "encoding=float32&sample_rate=48000&channels=2",
        lambda: stereo(at_rate(48_000), 1.0).astype("<f4").tobytes(),
        8 * 4800,
    ),
    "mulaw 8 kHz": ("encoding=mulaw&sample_rate=8000", lambda: mulaw(at_rate(8_000)), 160),
    "alaw 8 kHz": ("encoding=alaw&sample_rate=8000", lambda: alaw(at_rate(8_000)), 160),
    "mulaw 16 kHz stereo": (
        "encoding=mulaw&channels=2",
        lambda: mulaw(stereo(at_rate(16_000), 1.0)),
        2 * 1600,
    ),
}

CONTAINERS = [
    ("webm", "libopus", 48_000),
    ("ogg", "libopus", 48_000),
    ("flac", "flac", 16_000),
    ("wav", "pcm_s16le", 16_000),
    ("wav", "pcm_mulaw", 8_000),
    ("mp3", "mp3", 44_100),
]


async def heard(server: Running, query: str, data: bytes, size: int) -> str:
    async with server.connect(f"{BASE}voice/a?{query}") as ws:
        for chunk in chunks(data, size):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        return " ".join(filter(None, texts(await listen(ws))))


@pytest.mark.parametrize("name", RAW)
async def test_raw_audio_is_understood(digits: Running, name: str) -> None:
    query, make, size = RAW[name]
    assert await heard(digits, query, make(), size) == recording(NAME).text


@pytest.mark.parametrize(("kind", "codec", "rate"), CONTAINERS, ids=lambda it: str(it))
async def test_a_container_is_understood_as_it_comes(digits: Running, kind: str, codec: str, rate: int) -> None:
    assert await heard(digits, "encoding=container", container(kind, codec, rate), 700) == recording(NAME).text


@pytest.mark.parametrize("encode", [mulaw, alaw])
def test_our_own_g711_is_the_inverse_of_the_servers(encode: object) -> None:
    """The tests' encoders are checked against the decoder of the core, so that two errors cannot cancel out."""
    from fastring.audio.decode import open_decoder
    from fastring.audio.format import AudioFormat

    samples = np.linspace(-0.99, 0.99, 4001, dtype=np.float32)
    name = "mulaw" if encode is mulaw else "alaw"
    decoded = open_decoder(AudioFormat(name, 16_000, 1), 16_000).push(encode(samples))  # type: ignore[operator,arg-type]
    assert np.max(np.abs(decoded / 32768 - samples) / (np.abs(samples) + 0.02)) < 0.05
