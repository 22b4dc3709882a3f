"""Speech whose words are known, of any length: the digits of the bundled recordings, cut out and put together anew."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from fastring.recordings import recording_path, recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

RATE = 16_000
_EDGE_S = 0.02  # kept around a word


@dataclass(frozen=True)
class Spoken:
    """Audio (int16, 16 kHz) and its words: text, begin and end in samples."""

    samples: NDArray[np.int16]
    words: list[tuple[str, int, int]]

    @property
    def text(self) -> str:
        """What is said."""
        return " ".join(text for text, _, _ in self.words)


def pcm(name: str) -> NDArray[np.int16]:
    """A bundled recording."""
    with wave.open(str(recording_path(name))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


@cache
def digits() -> list[tuple[str, NDArray[np.float32]]]:
    """Every digit of the bundled recordings, and what it is."""
    found = []
    for item in recordings():
        audio = pcm(item.name).astype(np.float32) if item.words else None
        for word in item.words:
            assert audio is not None
            begin, end = round((word.start_s - _EDGE_S) * RATE), round((word.end_s + _EDGE_S) * RATE)
            found.append((word.text, audio[max(0, begin) : end]))
    return found


def speak(pauses_s: Iterable[float], rng: np.random.Generator, *, snr_db: float = 30.0) -> Spoken:
    """A digit after each pause, drawn at random, at changing levels, in white noise."""
    parts: list[NDArray[np.float32]] = []
    words: list[tuple[str, int, int]] = []
    at = 0
    for pause_s in pauses_s:
        text, audio = digits()[int(rng.integers(len(digits())))]
        gap = round(pause_s * RATE)
        parts += [np.zeros(gap, np.float32), audio * 10 ** (rng.uniform(-6, 3) / 20)]
        words.append((text, at + gap, at + gap + len(audio)))
        at = words[-1][2]
    parts.append(np.zeros(RATE // 2, np.float32))
    clean = np.concatenate(parts)
    power = np.mean(clean[clean != 0] ** 2)
    noisy = clean + rng.standard_normal(len(clean)) * np.sqrt(power * 10 ** (-snr_db / 10))
    return Spoken(noisy.clip(-32768, 32767).astype(np.int16), words)


def phrases(seconds: float, seed: int) -> Spoken:
    """Phrases of one to six digits with short pauses, and longer ones between them: about `seconds` of it."""
    rng = np.random.default_rng(seed)
    pauses: list[float] = []
    while sum(pauses) + 0.45 * len(pauses) < seconds:
        pauses += [rng.uniform(0.7, 2.0), *rng.uniform(0.05, 0.15, int(rng.integers(0, 6)))]
    return speak(pauses, rng)


def clips(count: int, seed: int) -> list[Spoken]:
    """Clips of one to eight digits, SNR 12 to 40 dB."""
    rng = np.random.default_rng(seed)
    return [
        speak([0.3, *rng.uniform(0.08, 0.5, int(rng.integers(0, 8)))], rng, snr_db=rng.uniform(12, 40))
        for _ in range(count)
    ]


def hesitant(seed: int) -> Spoken:
    """Bundled recordings one after another, 6 to 25 s, with pauses of 0.3 to 1.5 s put between some of their words."""
    rng = np.random.default_rng(seed)
    items = [item for item in recordings() if len(item.words) > 1]
    longest = round(rng.uniform(6, 25) * RATE)
    parts: list[NDArray[np.float32]] = [np.zeros(RATE // 3, np.float32)]
    words: list[tuple[str, int, int]] = []
    at = len(parts[0])
    while at < longest:
        item = items[int(rng.integers(len(items)))]
        audio = pcm(item.name).astype(np.float32)
        begin = round((item.words[0].start_s - 0.1) * RATE)
        for word, after in zip(item.words, [*item.words[1:], None], strict=True):
            near = after is not None and after.start_s - word.end_s < 0.2
            end = round(((word.end_s + after.start_s) / 2 if near and after else word.end_s + 0.1) * RATE)
            words.append((word.text, at + round(word.start_s * RATE) - begin, at + round(word.end_s * RATE) - begin))
            pause_s = rng.uniform(0.3, 1.5) if rng.random() < 0.4 else rng.uniform(0.02, 0.15)
            parts += [audio[max(0, begin) : end], np.zeros(round(pause_s * RATE), np.float32)]
            at += len(parts[-2]) + len(parts[-1])
            begin = end if near or after is None else round((after.start_s - 0.1) * RATE)
            if at > longest:
                break
    clean = np.concatenate([*parts, np.zeros(3 * RATE, np.float32)])
    noisy = clean + rng.standard_normal(len(clean)) * rng.choice([3, 20, 80])
    return Spoken(noisy.clip(-32768, 32767).astype(np.int16), words)


def word_errors(truth: list[str], heard: list[str]) -> int:
    """Least number of substitutions, deletions and insertions."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(truth, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(diagonal + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def nobodys_sounds(seconds: float, seed: int = 11) -> dict[str, NDArray[np.float64]]:
    """What is no speech, of unit power: noises, hum, tones that come and go, clicks; and digital silence."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    t = np.arange(n) / RATE
    spectrum = np.fft.rfft(rng.standard_normal(n))
    clicks = np.zeros(n)
    clicks[rng.integers(0, n, max(1, n // 8000))] = 1
    ringing = np.exp(-np.arange(400) / 60) * rng.standard_normal(400)
    pitches = np.repeat(rng.choice([220.0, 440.0, 523.25, 697.0, 1000.0, 1336.0, 3000.0], n // 4000 + 1), 4000)[:n]
    sounding = np.repeat(rng.random(n // 4000 + 1) < 0.6, 4000)[:n]
    sounds = {
        "white noise": rng.standard_normal(n),
        "pink noise": np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), n),
        "hum": np.sum([np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5, 7)], axis=0),
        "a tone": np.sin(2 * np.pi * 1000 * t),
        "tones": np.sin(2 * np.pi * np.cumsum(pitches) / RATE) * sounding,
        "clicks": np.convolve(clicks, ringing)[:n],
    }
    scaled = {name: sound / np.sqrt(np.mean(sound**2)) for name, sound in sounds.items()}
    return scaled | {"silence": np.zeros(n)}


def at_level(sound: NDArray[np.float64], level_db: float) -> NDArray[np.int16]:
    """A sound of unit power at a level in dBFS."""
    return (sound * 10 ** (level_db / 20) * 32767).clip(-32768, 32767).astype(np.int16)
