"""The full analysis of one live chunk against the same measures in plain NumPy, and whole files against real time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from interleave import Comparison, Contestant

from fastring import Analyzer, analyze

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

TONE_HZ = 440.0
CASES = {"1024 at 44.1 kHz": (44_100, 1024), "320 at 16 kHz": (16_000, 320)}


class NumpyFeatures(NamedTuple):
    """What the rival found in one chunk."""

    rms: float
    zero_crossing_rate: float
    spectral_centroid: float
    novelty: float
    pitch: float


class NumpyAnalyzer:
    """The measures of `Analyzer` without tempo, path search and peak picking: a lower bound of what NumPy costs."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.hop = sample_rate // 100
        self.history = np.zeros(8192, np.float32)
        self.pending = 0
        self.n_fft = 1 << round(np.log2(0.0464 * sample_rate))
        self.window = np.hanning(self.n_fft).astype(np.float32)
        self.hz = np.fft.rfftfreq(self.n_fft, 1 / sample_rate)
        centres = np.unique(np.round(30 * 2 ** (np.arange(212) / 24) * self.n_fft / sample_rate).astype(int))
        self.edges = centres[(centres > 0) & (centres < self.n_fft // 2)]
        self.bands = [np.zeros(len(self.edges), np.float32)] * 2
        self.last = NumpyFeatures(0, 0, 0, 0, 0)

    def push(self, chunk: np.ndarray) -> NumpyFeatures:
        """Measure one chunk; frames come every 10 ms."""
        self.history = np.concatenate((self.history[len(chunk) :], chunk))
        self.pending += len(chunk)
        while self.pending >= self.hop:
            self.pending -= self.hop
            self.frame(self.history[: len(self.history) - self.pending])
        rms = float(np.sqrt(np.mean(chunk * chunk)))
        crossings = float(np.count_nonzero(np.diff(np.signbit(chunk)))) / len(chunk)
        return self.last._replace(rms=rms, zero_crossing_rate=crossings)

    def frame(self, samples: np.ndarray) -> None:
        """Spectrum, novelty and pitch of the window that ends here."""
        frame = samples[-self.n_fft :] * self.window
        spectrum = np.fft.rfft(frame, 2 * self.n_fft)
        magnitude = np.abs(spectrum[::2])
        bands = np.log10(1 + 2 * np.add.reduceat(magnitude, self.edges))
        before = self.bands.pop(0)
        before = np.maximum(before, np.maximum(np.roll(before, 1), np.roll(before, -1)))
        self.bands.append(bands)
        correlation = np.fft.irfft(np.abs(spectrum) ** 2)
        low, high = self.sample_rate // 2000, self.sample_rate // 50
        self.last = NumpyFeatures(
            0.0,
            0.0,
            float(magnitude @ self.hz / max(1e-9, float(magnitude.sum()))),
            float(np.maximum(0, bands - before).mean()),
            self.sample_rate / float(low + np.argmax(correlation[low:high])),
        )


def contestants(sample_rate: int, n: int) -> list[Contestant]:
    """Both, on the same chunk of a tone in noise, warm."""
    t = np.arange(n * 64) / sample_rate
    audio = 0.3 * np.sin(2 * np.pi * TONE_HZ * t) + 0.01 * np.random.default_rng(1).standard_normal(len(t))
    chunks = audio.astype(np.float32).reshape(-1, n)
    ours, theirs = Analyzer(sample_rate), NumpyAnalyzer(sample_rate)
    for chunk in chunks:
        ours.push(chunk)
        theirs.push(chunk)
    names = {"ours": ours.push, "theirs": theirs.push, "chunk": chunks[-1]}
    return [
        Contestant("fastring", "ours(chunk)", "ours(chunk)", names),
        Contestant("NumPy", "theirs(chunk)", "theirs(chunk)", names),
    ]


def comparisons() -> list[Comparison]:
    """Claims of this file: how many times faster than NumPy."""
    return [
        Comparison(f"full analysis, {title}", contestants(*case), "fastring", "NumPy", 8.0)
        for title, case in CASES.items()
    ]


@pytest.mark.benchmark(group="analyzer")
@pytest.mark.parametrize("who", ["fastring", "NumPy"])
@pytest.mark.parametrize("title", list(CASES))
def test_full_analysis(benchmark: BenchmarkFixture, title: str, who: str) -> None:
    rivals = {c.name: c for c in contestants(*CASES[title])}
    answer, expected = rivals[who].run(), rivals["NumPy"].run()
    assert answer.rms == pytest.approx(expected.rms, rel=1e-4)
    assert answer.zero_crossing_rate == pytest.approx(expected.zero_crossing_rate, abs=3 / CASES[title][1])
    assert answer.pitch == pytest.approx(TONE_HZ, rel=0.02)
    names = rivals[who].names
    benchmark(names["ours" if who == "fastring" else "theirs"], names["chunk"])


def test_faster_than_numpy() -> None:
    for comparison in comparisons():
        ratio, figures = comparison.measure()
        assert ratio >= comparison.goal, f"{comparison.title}: {ratio:.1f}x, wanted {comparison.goal}x: {figures}"


def test_whole_files_run_a_thousand_times_faster_than_real_time(benchmark: BenchmarkFixture) -> None:
    audio = np.concatenate([contestants(44_100, 1024)[0].names["chunk"]] * 430)
    tracks = benchmark(analyze, audio, 44_100)
    assert np.median(tracks.pitch) == pytest.approx(TONE_HZ, rel=0.05)
    if benchmark.stats is not None:
        assert tracks.duration_s / benchmark.stats.stats.min > 1000
