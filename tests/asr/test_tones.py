from __future__ import annotations

import numpy as np
import pytest
from speech_corpus import at_level, nobodys_sounds, pcm, phrases

from fastring.asr.tones import is_tones
from fastring.recordings import recordings

RATE = 16_000


def as_floats(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 32768


def keys(seconds: float) -> np.ndarray:
    """Telephone keys: two tones at once for 50 ms, then 50 ms of nothing."""
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    low, high = (np.repeat(rng.choice(each, n // 1600 + 1), 1600)[:n] for each in ([697, 941.0], [1209, 1477.0]))
    sounding = np.arange(n) // 800 % 2 == 0
    return sum(np.sin(2 * np.pi * np.cumsum(hz) / RATE) for hz in (low, high)) * sounding * 0.05


@pytest.mark.parametrize("level_db", [-60, -40, -20])
@pytest.mark.parametrize("sound", ["a tone", "tones"])
def test_tones_are_tones_at_any_level(sound: str, level_db: float) -> None:
    samples = as_floats(at_level(nobodys_sounds(10.0)[sound], level_db))
    assert is_tones(samples)
    assert is_tones(samples[2 * RATE : 4 * RATE])


def test_so_are_telephone_keys() -> None:
    assert is_tones(keys(3.0).astype(np.float32))


@pytest.mark.parametrize("name", [item.name for item in recordings() if item.text])
def test_speech_is_not(name: str) -> None:
    samples = as_floats(pcm(name))
    assert not any(is_tones(samples[start : start + RATE]) for start in range(0, len(samples), RATE // 2))


def test_nor_is_a_word_of_it() -> None:
    spoken = phrases(60.0, seed=3)
    assert not any(is_tones(as_floats(spoken.samples[begin:end])) for _, begin, end in spoken.words)


@pytest.mark.parametrize("sound", ["white noise", "pink noise", "hum", "clicks", "silence"])
def test_other_sounds_are_not_its_business(sound: str) -> None:
    assert not is_tones(as_floats(at_level(nobodys_sounds(5.0)[sound], -30)))


@pytest.mark.parametrize("n", [0, 1, 511, 1023])
def test_too_little_to_tell(n: int) -> None:
    assert not is_tones(np.ones(n, np.float32))
