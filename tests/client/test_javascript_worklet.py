"""The microphone's recorder in Node: any rate of a device becomes the stream's, held against the tones themselves."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_clients import run_node

import fastring

WORKLET = Path(fastring.__file__).parent / "js" / "fastring-worklet.js"
LOWER = [(48_000, 16_000), (44_100, 16_000), (96_000, 16_000), (48_000, 44_100), (44_101, 16_000), (22_050, 15_999)]
HIGHER = [(16_000, 24_000), (44_100, 48_000), (8_000, 16_000), (15_999, 16_000)]
RATES = [*LOWER, *HIGHER]
QUANTUM = [128]
"""Samples that a browser hands over at once."""


def record(*cases: dict[str, Any]) -> list[tuple[np.ndarray[Any, np.dtype[np.float64]], dict[str, Any]]]:
    """What the recorder makes of each: samples in [-1, 1], and how they came."""
    common = {"to": 16_000, "blockSamples": 1600, "cuts": QUANTUM, "tones": []}
    order = {"file": str(WORKLET), "cases": [{**common, **case} for case in cases]}
    told = json.loads(run_node("worklet.mjs", json.dumps(order)))
    return [(np.frombuffer(base64.b64decode(one.pop("pcm")), "<i2") / 32768.0, one) for one in told]


def tone(hz: float, level: float, sample_rate: int, samples: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return level * np.sin(2 * np.pi * hz * np.arange(samples) / sample_rate)


def db(samples: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


def settled(samples: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Without the ends, where the filter reaches into silence."""
    return samples[len(samples) // 8 : -len(samples) // 8]


@pytest.mark.parametrize(("rate", "to"), RATES)
def test_a_voice_comes_through_where_and_when_it_was(rate: int, to: int) -> None:
    nyquist_hz = min(rate, to) / 2
    shares = (0.01, 0.1, 0.5, 0.88)
    kept = record(
        *({"rate": rate, "to": to, "samples": rate, "tones": [{"hz": nyquist_hz * it, "level": 0.5}]} for it in shares)
    )
    for share, (samples, _) in zip(shares, kept, strict=True):
        assert len(samples) == to
        expected = settled(tone(nyquist_hz * share, 0.5, to, to))
        assert abs(db(settled(samples)) - db(expected)) < 0.01, share
        # Of the same frequency and at the same time: nothing is left when the tone itself is taken away.
        assert db(settled(samples) - expected) - db(expected) < -50, share


@pytest.mark.parametrize(("rate", "to"), LOWER)
def test_what_the_new_rate_cannot_hold_does_not_fold_back(rate: int, to: int) -> None:
    heights = [hz for hz in (to / 2 * it for it in (1.005, 1.05, 1.2, 1.7, 2.5)) if hz < rate / 2]
    loud = {"rate": rate, "to": to, "samples": rate}
    heard = record(*({**loud, "tones": [{"hz": hz, "level": 0.9}]} for hz in heights))
    assert len(heard) == len(heights) > 0
    for samples, _ in heard:
        assert db(settled(samples)) - db(tone(1000, 0.9, to, to)) < -70


@pytest.mark.parametrize(("rate", "to"), HIGHER)
def test_a_higher_rate_has_no_mirror_of_the_voice(rate: int, to: int) -> None:
    hz = 0.8 * rate / 2  # its image is just above the old Nyquist frequency, where the filter is weakest
    ((samples, _),) = record({"rate": rate, "to": to, "samples": rate, "tones": [{"hz": hz, "level": 0.9}]})
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    above = power[int(rate / 2 * len(samples) / to) :]
    assert 10 * np.log10(above.sum() / power.sum() + 1e-12) < -70


@pytest.mark.parametrize(("rate", "to"), [(16_000, 16_000), *RATES])
def test_it_does_not_matter_how_the_sound_is_cut(rate: int, to: int) -> None:
    tones = [{"hz": 440, "level": 0.4}, {"hz": 0.4 * min(rate, to), "level": 0.3}]
    case = {"rate": rate, "to": to, "samples": 20_011, "tones": tones}
    (whole, _), *cut = record({**case, "cuts": [20_011]}, case, {**case, "cuts": [1, 2, 977, 64]})
    assert len(whole) == -(-20_011 * to // rate)  # as many as have their time before the end of the input
    for samples, _ in cut:
        np.testing.assert_array_equal(samples, whole)


@pytest.mark.parametrize("rate", [44_100, 44_101, 48_000])
def test_no_sample_is_lost_or_made_in_a_minute(rate: int) -> None:
    ((samples, told),) = record({"rate": rate, "samples": 60 * rate, "blockSamples": 777})
    assert len(samples) == 60 * 16_000
    *full, last = told["blocks"]
    assert set(full) == {777}
    assert last < 777


def test_blocks_are_full_but_for_the_last_and_nothing_follows_the_end() -> None:
    for rate in (16_000, 48_000):
        ((samples, told),) = record({"rate": rate, "samples": rate + 48, "blockSamples": 512})
        assert told["blocks"] == [512] * (len(samples) // 512) + [len(samples) % 512]
        assert told["states"] == [True, False, None]


def test_what_is_too_loud_is_clipped() -> None:
    tones = [{"hz": 1000, "level": 3.0}]
    (plain, _), (resampled, _) = record(*({"rate": it, "samples": it, "tones": tones} for it in (16_000, 48_000)))
    for samples in (plain, resampled):
        assert (samples.min(), samples.max()) == (-1.0, 32767 / 32768)
        loud = np.abs(tone(1000, 3.0, 16_000, 16_000)) > 1.5
        # No sample has gone round to the other side.
        assert (np.sign(settled(samples)) == np.sign(settled(tone(1000, 3.0, 16_000, 16_000))))[settled(loud)].all()


def test_at_the_rate_of_the_device_samples_are_left_as_they_are() -> None:
    ((samples, _),) = record({"rate": 16_000, "samples": 5000, "tones": [{"hz": 7900, "level": 0.8}]})
    np.testing.assert_allclose(samples, tone(7900, 0.8, 16_000, 5000), atol=0.6 / 32768)
