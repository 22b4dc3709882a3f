"""Measures how long after a sound each feature is known, and prints it as the docs show it.

    python scripts/feature_latency.py

Latency is counted in samples of the stream, from the sound to the end of the sample that makes it known: processing
time comes on top, and so does the length of the chunks the audio is pushed in.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastring import Analyzer
from fastring.analysis.gate import EnergyGate

Samples = npt.NDArray[np.float32]

SAMPLE_RATES = (44_100, 16_000)
CLICKS = 40


class Latency(NamedTuple):
    """Samples of the stream: the least, the median and the most."""

    least: int
    median: int
    most: int


def click_train(sample_rate: int, count: int, interval_s: float) -> tuple[Samples, npt.NDArray[np.int64]]:
    """Bursts of noise that decay in 20 ms, at every place of a hop alike, on a faint bed of noise; and their starts."""
    rng = np.random.default_rng(1)
    starts = ((np.arange(count) + 1) * interval_s * sample_rate + rng.integers(0, sample_rate // 50, count)).astype(int)
    samples = rng.normal(0, 1e-4, int((count + 2) * interval_s * sample_rate))
    length = sample_rate // 10
    burst = np.exp(-np.arange(length) / (0.02 * sample_rate))
    for start in starts:
        samples[start : start + length] += 0.3 * rng.normal(size=length) * burst
    return samples.astype(np.float32), starts


def onset_latency(sample_rate: int) -> Latency:
    """From the first sample of a burst to the report of its onset; every burst must be found, and nothing else.

    That the stream itself begins is an onset too, and not counted.
    """
    samples, starts = click_train(sample_rate, CLICKS, 0.5)
    reports = Analyzer(sample_rate).push_tracks(samples)["onset_report_index"]
    reports = reports[reports > starts[0]]
    if len(reports) != len(starts):
        raise AssertionError(f"{len(reports)} onsets reported for {len(starts)} bursts at {sample_rate} Hz")
    late = np.sort(reports - starts)
    return Latency(int(late[0]), int(np.median(late)), int(late[-1]))


def pitch_latency(sample_rate: int) -> Latency:
    """From the middle of a pitch window to the sample that settles it, from the indices of the track itself."""
    analyzer = Analyzer(sample_rate)
    hop = analyzer.hop_samples
    samples = np.zeros(sample_rate, np.float32)
    late = []
    for start in range(0, len(samples) - hop, hop):
        centres = analyzer.push_tracks(samples[start : start + hop])["pitch_centre_index"]
        late += [start + hop - int(centre) for centre in centres]
    return Latency(min(late), int(np.median(late)), max(late))


def spectrum_latency(sample_rate: int) -> Latency:
    """From the middle of a spectral frame to its end, where it is known."""
    window = round(Analyzer.defaults()["spectrum_window_ms"] * sample_rate / 1000)
    return Latency(window // 2, window // 2, window // 2)


def tempo_latency(sample_rate: int) -> Latency:
    """From the start of a stream with a steady beat to its first tempo."""
    samples, _ = click_train(sample_rate, 10, 0.5)
    tracks = Analyzer(sample_rate).push_tracks(samples)
    first = int(tracks["tempo_sample_index"][tracks["tempo"] > 0][0])
    return Latency(first, first, first)


def gate_latency(sample_rate: int) -> Latency:
    """From the middle of a gate frame to its end, where it is judged."""
    half = EnergyGate(sample_rate).frame_samples // 2
    return Latency(half, half, half)


MEASURES = {
    "spectrum": spectrum_latency,
    "onset": onset_latency,
    "pitch": pitch_latency,
    "tempo": tempo_latency,
    "gate": gate_latency,
}


def cell(latency: Latency, sample_rate: int) -> str:
    """As a page shows it: `2662 samples, 60.4 ms`, with the range where there is one."""
    median_ms = 1000 * latency.median / sample_rate
    if latency.least == latency.most:
        return f"{latency.median} samples, {median_ms:.1f} ms"
    least_ms, most_ms = 1000 * latency.least / sample_rate, 1000 * latency.most / sample_rate
    return f"{latency.median} samples, {median_ms:.1f} ms ({least_ms:.1f} to {most_ms:.1f})"


def row(feature: str) -> str:
    """The line of a feature's page."""
    cells = [cell(MEASURES[feature](sample_rate), sample_rate) for sample_rate in SAMPLE_RATES]
    return f"| latency | {' | '.join(cells)} |"


if __name__ == "__main__":
    for name in MEASURES:
        print(f"{name:9}{row(name)}")
