"""Sample conversions against their definitions, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastring import float32_to_pcm16, pcm16_to_float32
from fastring.audio.pcm import (
    alaw_to_float32,
    alaw_to_pcm16,
    deinterleave,
    mixdown,
    mulaw_to_float32,
    mulaw_to_pcm16,
)
from fastring.errors import AudioFormatError, ConfigError

EVERY_INT16 = np.arange(-32768, 32768, dtype=np.int16)


def expected_pcm16(audio: Any) -> Any:
    scaled = np.nan_to_num(audio.astype(np.float64) * 32768, nan=0.0, posinf=1e9, neginf=-1e9)
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def test_every_int16_survives_both_ways() -> None:
    wide = pcm16_to_float32(EVERY_INT16)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, EVERY_INT16 / 32768)
    np.testing.assert_array_equal(float32_to_pcm16(wide), EVERY_INT16)


@settings(max_examples=300, deadline=None)
@given(hnp.arrays(np.float32, st.integers(0, 70), elements=st.floats(width=32)))
def test_any_float32_is_rounded_and_saturated(audio: Any) -> None:
    np.testing.assert_array_equal(float32_to_pcm16(audio), expected_pcm16(audio))


def test_ties_go_to_even() -> None:
    ties = (np.arange(-200, 200) + 0.5).astype(np.float32) / 32768
    np.testing.assert_array_equal(float32_to_pcm16(ties), np.rint(np.arange(-200, 200) + 0.5))


@pytest.mark.parametrize("samples", [*range(40), 1024, 70_000])
def test_every_length_and_address(samples: int) -> None:
    raw = np.random.default_rng(samples).integers(0, 256, 2 * samples + 1, np.uint8).tobytes()
    unaligned = np.frombuffer(raw, "<i2", offset=1)
    expected = unaligned.astype(np.float32) / np.float32(32768)
    np.testing.assert_array_equal(pcm16_to_float32(unaligned), expected)
    np.testing.assert_array_equal(pcm16_to_float32(memoryview(raw)[1:]), expected)
    np.testing.assert_array_equal(float32_to_pcm16(expected), unaligned)


def test_out_is_filled_and_returned_and_shapes_are_kept() -> None:
    audio = EVERY_INT16.reshape(256, 128, 2)
    out = np.empty(audio.shape, np.float32)
    assert pcm16_to_float32(audio, out) is out
    assert pcm16_to_float32(audio, out=out) is out
    np.testing.assert_array_equal(out, audio / 32768)
    assert pcm16_to_float32(audio, None).shape == audio.shape
    assert float32_to_pcm16(out).shape == audio.shape
    assert pcm16_to_float32(np.int16(-32768).reshape(())) == -1.0


@pytest.mark.parametrize(
    ("audio", "out", "message"),
    [
        (np.zeros(4), None, "not an array of float64"),
        (np.zeros(4, np.float32), None, "expected int16"),
        (np.zeros(8, np.int16)[::2], None, "C-contiguous"),
        (b"abc", None, "3 bytes"),
        ([1, 2], None, "list"),
        (np.zeros(4, np.int16), np.zeros(5, np.float32), r"out has shape \(5,\), the audio has shape \(4,\)"),
        (np.zeros((2, 2), np.int16), np.zeros(4, np.float32), r"shape \(4,\), the audio has shape \(2, 2\)"),
        (np.zeros((2, 3), np.int16), np.zeros((3, 2), np.float32), r"\(3, 2\), the audio has shape \(2, 3\)"),
        (np.zeros(4, np.int16), np.zeros(4), "not an array of float64"),
        (np.zeros(4, np.int16), np.zeros(8, np.float32)[::2], "C-contiguous"),
        (np.zeros(4, np.int16), np.frombuffer(bytes(16), np.float32), "read-only"),
    ],
)
def test_bad_arguments_are_named(audio: Any, out: Any, message: str) -> None:
    with pytest.raises(AudioFormatError, match=message):
        pcm16_to_float32(audio, out)


def test_overlapping_memory_is_refused() -> None:
    memory = np.zeros(100, np.float32)
    with pytest.raises(AudioFormatError, match="overlaps"):
        pcm16_to_float32(memory.view(np.int16)[:100], memory)
    with pytest.raises(AudioFormatError, match="overlaps"):
        float32_to_pcm16(memory, memory.view(np.int16)[100:])


def test_wrong_calls_are_type_errors() -> None:
    calls: list[Any] = [
        lambda: pcm16_to_float32(),  # type: ignore[call-arg]
        lambda: pcm16_to_float32(b"", None, None),  # type: ignore[call-arg]
        lambda: pcm16_to_float32(b"", into=None),  # type: ignore[call-arg]
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()


# --- G.711, decoded here by the text of the standard ----------------------------------------------------------------


def mulaw_reference(code: int) -> int:
    """Table 2a: segment s, step q, of the complemented code; 14-bit values (33 + 2 q) 2^s - 33, times 4."""
    code = ~code & 0xFF
    segment, step = code >> 4 & 7, code & 15
    value = ((33 + 2 * step) << segment) - 33
    return (-value if code & 0x80 else value) * 4


def alaw_reference(code: int) -> int:
    """Table 1a: even bits inverted; 13-bit values 2 q + 1 in the first segment, (2 q + 33) 2^(s-1) above, times 8."""
    code ^= 0x55
    segment, step = code >> 4 & 7, code & 15
    value = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return (value if code & 0x80 else -value) * 8


def test_g711_by_the_standard() -> None:
    codes = np.arange(256, dtype=np.uint8)
    mulaw = [mulaw_reference(code) for code in range(256)]
    alaw = [alaw_reference(code) for code in range(256)]
    assert (min(mulaw), max(mulaw), min(alaw), max(alaw)) == (-32124, 32124, -32256, 32256)
    assert mulaw_to_pcm16(codes).tolist() == mulaw_to_pcm16(bytes(codes)).tolist() == mulaw
    assert alaw_to_pcm16(codes).tolist() == alaw_to_pcm16(bytes(codes)).tolist() == alaw
    np.testing.assert_array_equal(mulaw_to_float32(codes), np.array(mulaw) / 32768)
    np.testing.assert_array_equal(alaw_to_float32(codes), np.array(alaw) / 32768)
    with pytest.raises(AudioFormatError, match="expected uint8"):
        mulaw_to_pcm16(np.zeros(3, np.int8))


# --- channels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 32])
def test_mixdown_and_deinterleave(channels: int) -> None:
    audio = np.random.default_rng(1).integers(-32768, 32768, (321, channels)).astype(np.int16)
    wide = pcm16_to_float32(audio)
    mean = np.rint(audio.astype(np.float64).mean(axis=1))
    np.testing.assert_array_equal(mixdown(audio), mean)
    np.testing.assert_array_equal(mixdown(audio.tobytes(), channels), mean)
    np.testing.assert_allclose(mixdown(wide), wide.astype(np.float64).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(deinterleave(audio), audio.T)
    np.testing.assert_array_equal(deinterleave(wide.ravel(), channels=channels), wide.T)
    assert deinterleave(audio).flags.c_contiguous


def test_channels_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="channels must be 1 to 32, not 0"):
        mixdown(b"\0\0", 0)
    with pytest.raises(AudioFormatError, match="3 samples"):
        mixdown(bytes(6), 2)
    with pytest.raises(AudioFormatError):
        deinterleave(np.zeros((4, 3), np.float32), 2)
