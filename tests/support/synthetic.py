"""Audio that is made, not recorded: tones, noise, clicks, and samples that say where they belong."""

from __future__ import annotations

from typing import Any

import numpy as np

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000]


def tone(hz: float, sample_rate: float, seconds: float, level: float = 0.3) -> np.ndarray:
    t = np.arange(int(sample_rate * seconds)) / sample_rate
    return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def noise(n: int, level: float = 0.1, seed: int = 1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def metronome(bpm: float, sample_rate: float, seconds: float, click_hz: float = 1500) -> np.ndarray:
    x = np.zeros(int(sample_rate * seconds), np.float32)
    t = np.arange(int(0.03 * sample_rate)) / sample_rate
    click = (0.8 * np.exp(-t * 120) * np.sin(2 * np.pi * click_hz * t)).astype(np.float32)
    for k in range(int(seconds * bpm / 60) + 1):
        start = round(k * 60 / bpm * sample_rate)
        room = min(len(click), len(x) - start)
        if room > 0:
            x[start : start + room] += click[:room]
    return x


def coloured(exponent: float, sample_rate: float, seconds: float, level_db: float, seed: int) -> np.ndarray:
    """Noise whose magnitude falls with frequency to this power: 0 white, 0.5 pink, 1 brown."""
    n = int(sample_rate * seconds)
    hz = np.maximum(np.fft.rfftfreq(n, 1 / sample_rate), 20)
    x = np.fft.irfft(np.fft.rfft(np.random.default_rng(seed).standard_normal(n)) * hz**-exponent, n)
    return (x * (10 ** (level_db / 20) / np.std(x))).astype(np.float32)


def numbered(start: int, frames: int, channels: int = 1, dtype: str = "int16") -> Any:
    """Audio whose every sample follows from its index and channel, so that a wrong one shows."""
    index = (np.arange(start, start + frames, dtype=np.uint64)[:, None] * np.uint64(7919)) + np.arange(
        channels, dtype=np.uint64
    ) * np.uint64(131)
    audio = index.astype(np.uint16).view(np.int16)
    if dtype == "float32":
        audio = audio.astype(np.float32) / np.float32(32768)
    return audio[:, 0].copy() if channels == 1 else np.ascontiguousarray(audio)
