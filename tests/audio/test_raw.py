from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.audio.format import AudioFormat
from fastring.audio.raw import PcmDecoder
from fastring.errors import AudioFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mulaw(code: int) -> int:
    """ITU-T G.711, word for word: invert, then sign, exponent, mantissa, bias 132."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << ((code & 0x70) >> 4)) - 132
    return -magnitude if code & 0x80 else magnitude


def alaw(code: int) -> int:
    """ITU-T G.711: even bits inverted, then sign, exponent, mantissa."""
    code ^= 0x55
    exponent, mantissa = (code & 0x70) >> 4, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else (mantissa << 4) + 264 << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def reference(data: bytes, encoding: str) -> NDArray[np.float64]:
    """What the bytes say, in float64, full scale 1."""
    match encoding:
        case "linear16":
            return np.frombuffer(data, "<i2") / 32768.0
        case "float32":
            samples = np.frombuffer(data, "<f4").astype(np.float64)
            return np.clip(np.nan_to_num(samples, nan=0.0), -1, 1)
        case "mulaw":
            return np.array([mulaw(code) for code in data]) / 32768.0
        case _:
            return np.array([alaw(code) for code in data]) / 32768.0


def to_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def pushed(decoder: Any, data: bytes, cuts: list[int]) -> NDArray[np.int16]:
    edges = sorted(cut % (len(data) + 1) for cut in cuts)
    parts = [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]
    return np.concatenate([*(decoder.push(part) for part in parts), decoder.flush()])


ENCODINGS = ["linear16", "float32", "mulaw", "alaw"]
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.binary(max_size=400), channels=st.integers(1, 3), cuts=CUTS)
def test_any_bytes_in_any_chunks_are_what_the_standard_says(
    encoding: Any, data: bytes, channels: int, cuts: list[int]
) -> None:
    audio = AudioFormat(encoding, 16_000, channels)
    whole = data[: len(data) - len(data) % audio.frame_bytes]
    expected = to_int16(reference(whole, encoding).reshape(-1, channels).mean(axis=1))
    heard = pushed(PcmDecoder(audio), data, cuts)
    assert heard.dtype == np.int16
    # A mean of int16 may fall between two values, and may be rounded either way.
    np.testing.assert_allclose(heard, expected, atol=0 if channels == 1 else 1)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("encoding", ENCODINGS)
@given(cuts=CUTS, channels=st.integers(1, 2))
def test_resampling_does_not_see_the_chunks(encoding: Any, rate: int, cuts: list[int], channels: int) -> None:
    data = np.random.default_rng(1).integers(0, 255, 6_000, dtype=np.uint8).tobytes()
    if encoding == "float32":
        data = np.random.default_rng(1).uniform(-1, 1, 1_500).astype("<f4").tobytes()
    decoder = PcmDecoder(AudioFormat(encoding, rate, channels))
    np.testing.assert_array_equal(pushed(decoder, data, cuts), pushed(decoder, data, []))


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_resampled_speech_keeps_its_level_and_length(rate: int) -> None:
    t = np.arange(rate) / rate
    tone = 0.4 * np.sin(2 * np.pi * 300 * t)
    heard = pushed(PcmDecoder(AudioFormat("linear16", rate)), to_int16(tone).tobytes(), [777, 5_001])
    assert len(heard) == 16_000
    expected = to_int16(0.4 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000))
    np.testing.assert_allclose(heard[500:-500], expected[500:-500], atol=30)


def test_not_a_number_does_not_spread_through_the_filter() -> None:
    samples = np.zeros(4_800, np.float32)
    samples[100:110] = [np.nan, np.inf, -np.inf, 1e38, -1e38, 0, 0, 0, 0, 0]
    heard = pushed(PcmDecoder(AudioFormat("float32", 48_000)), samples.tobytes(), [])
    assert len(heard) == 1_600
    assert not heard[400:].any()


def test_channels_can_be_kept_or_picked() -> None:
    frames = np.array([[1, -2], [3, -4]], "<i2")
    stereo = AudioFormat("linear16", 16_000, 2)
    np.testing.assert_array_equal(PcmDecoder(stereo, channels="keep").push(frames.tobytes()), frames)
    np.testing.assert_array_equal(PcmDecoder(stereo, channels=1).push(frames.tobytes()), [-2, -4])
    with pytest.raises(AudioFormatError, match=r"channels 0\.\.1"):
        PcmDecoder(stereo, channels=2)


@pytest.mark.parametrize("view", [bytes, bytearray, memoryview])
def test_all_kinds_of_bytes_will_do(view: Any) -> None:
    buffer = bytearray(b"\x01\x00\x02\x00")
    heard = PcmDecoder(AudioFormat()).push(view(buffer))
    buffer[0] = 9
    np.testing.assert_array_equal(heard, [1, 2])


def test_after_a_flush_a_new_stream_begins() -> None:
    decoder = PcmDecoder(AudioFormat())
    decoder.push(b"\x01\x00\x05")
    assert len(decoder.flush()) == 0
    np.testing.assert_array_equal(decoder.push(b"\x02\x00"), [2])


def test_containers_are_not_raw() -> None:
    with pytest.raises(AudioFormatError, match="container"):
        PcmDecoder(AudioFormat("container"))
