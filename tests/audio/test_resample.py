from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.audio.resample import Resampler, StreamConverter, select_channels
from fastring.errors import AudioFormatError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tone(rate: int, seconds: float = 0.5, channels: int = 1, hz: float = 440.0) -> NDArray[np.float32]:
    t = np.arange(int(rate * seconds)) / rate
    columns = [0.5 * np.sin(2 * np.pi * hz * (k + 1) * t) for k in range(channels)]
    return np.stack(columns, axis=1).astype(np.float32)


def resampled(samples: NDArray[np.float32], cuts: list[int], resampler: Resampler) -> NDArray[np.float32]:
    parts = np.split(samples, sorted(cuts))
    return np.concatenate([*(resampler.push(part) for part in parts), resampler.flush()])


@given(
    st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000]),
    st.integers(1, 2),
    st.lists(st.integers(0, 4_000), max_size=20),
)
def test_any_chunking_gives_the_same_samples(rate: int, channels: int, cuts: list[int]) -> None:
    samples = tone(rate, 0.1, channels)
    samples = samples[:, 0] if channels == 1 else samples
    resampler = Resampler(rate, 16_000, channels)
    whole = resampled(samples, [], resampler)
    chunked = resampled(samples, [cut % len(samples) for cut in cuts], resampler)
    np.testing.assert_array_equal(whole, chunked)
    assert abs(len(whole) - len(samples) * 16_000 / rate) <= 1


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 192_000])
def test_a_tone_stays_the_tone_it_was(rate: int) -> None:
    out = resampled(tone(rate)[:, 0], [1000], Resampler(rate, 16_000))
    expected = tone(16_000)[: len(out), 0]
    np.testing.assert_allclose(out[800:-800], expected[800 : len(out) - 800], atol=1e-3)


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(16_000, 16_000)
    samples = tone(16_000)[:, 0]
    assert resampler.push(samples) is samples
    assert len(resampler.flush()) == 0


def test_without_soxr_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(ConfigError, match=r"44100 to 16000 Hz.*fastring\[files\]"):
        Resampler(44_100, 16_000)
    Resampler(16_000, 16_000)


def test_channels_are_mixed_kept_or_picked() -> None:
    samples = np.array([[0.5, -0.25], [1.0, 0.5]], np.float32)
    np.testing.assert_array_equal(select_channels(samples, "mix"), np.array([0.125, 0.75], np.float32))
    np.testing.assert_array_equal(select_channels(samples, "keep"), samples)
    np.testing.assert_array_equal(select_channels(samples, 1), samples[:, 1])
    with pytest.raises(AudioFormatError, match=r"channels 0\.\.1"):
        select_channels(samples, 2)


def test_a_stream_may_change_its_rate() -> None:
    converter = StreamConverter(16_000)
    first = converter.push(tone(48_000), 48_000)
    second = converter.push(tone(8_000), 8_000)
    assert abs(len(first) + len(second) + len(converter.flush()) - 16_000) <= 2


def test_the_first_rate_is_kept_where_none_is_asked_for() -> None:
    converter = StreamConverter(None, "keep")
    assert len(converter.push(tone(22_050, channels=2), 22_050)) == 11_025
    assert converter.sample_rate == 22_050


def test_kept_channels_cannot_change() -> None:
    converter = StreamConverter(16_000, "keep")
    converter.push(tone(16_000, channels=2), 16_000)
    with pytest.raises(AudioFormatError, match="from 2 to 3 channels"):
        converter.push(tone(16_000, channels=3), 16_000)
