"""Draws the pictures of `docs/topics` from the bundled recordings: each is what the feature says of real audio.

python scripts/topic_pictures.py [NAME ...]
"""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from drawing import BLUE, FAINT, GREEN, INK, ORANGE, PICTURES, RED, VIOLET, save, styled
from matplotlib.figure import Figure

from fastring import Analyzer, RingBuffer, analyze
from fastring.analysis.detector import SpeechDetector
from fastring.analysis.gate import FRAME_SAMPLES, EnergyGate
from fastring.analysis.silero import SileroStream
from fastring.cli.plot import spectrogram
from fastring.recordings import recording

TOPICS = PICTURES / "topics"
RATE = 16_000
Samples = npt.NDArray[np.float32]


def speech(name: str = "seen_8") -> Samples:
    """A bundled recording, float32 at 16 kHz."""
    with wave.open(str(recording(name).path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return pcm.astype(np.float32) / 32768


def panels(count: int, height: float, ratios: list[float] | None = None) -> tuple[Figure, list[Any]]:
    """A figure with `count` panels under each other on one time axis."""
    figure = Figure(figsize=(8.4, height), layout="constrained")
    axes = figure.subplots(count, 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    return figure, list(axes)


def label(axes: Any, text: str, color: str, x: float = 0.995, y: float = 0.97) -> None:
    """A word in the panel instead of a legend."""
    axes.text(x, y, text, color=color, ha="right", va="top", transform=axes.transAxes)


def draw_wave(axes: Any, samples: Samples, sample_rate: int = RATE, alpha: float = 0.55) -> None:
    """The waveform as its least and greatest value in each of 450 columns."""
    width = -(-len(samples) // 450)
    columns = np.pad(samples, (0, -len(samples) % width)).reshape(-1, width)
    times_s = (np.arange(len(columns)) + 0.5) * width / sample_rate
    axes.fill_between(times_s, columns.min(axis=1), columns.max(axis=1), color=INK, alpha=alpha, linewidth=0)
    limit = 1.05 * float(np.abs(samples).max())
    axes.set_ylim(-limit, limit)
    axes.set_xlim(0, len(samples) / sample_rate)
    axes.set_yticks([])


def draw_words(axes: Any, name: str) -> None:
    """The words of a recording above the panel, each in the middle of its time."""
    for word in recording(name).words:
        middle_s = (word.start_s + word.end_s) / 2
        axes.text(middle_s, 1.04, word.text, ha="center", transform=axes.get_xaxis_transform(), fontsize=9)


def level() -> Figure:
    """RMS and peak of 20 ms of speech."""
    samples = speech()
    tracks = analyze(samples, RATE)
    figure, (wave_axes, db_axes) = panels(2, 3.6)
    draw_wave(wave_axes, samples)
    draw_words(wave_axes, "seen_8")
    wave_axes.plot(tracks.frame_time_s, tracks.rms, color=BLUE, linewidth=1.3)
    wave_axes.plot(tracks.frame_time_s, tracks.peak, color=ORANGE, linewidth=1.0)
    label(wave_axes, "peak", ORANGE)
    label(wave_axes, "RMS", BLUE, x=0.95)
    for values, color in ((tracks.rms, BLUE), (tracks.peak, ORANGE)):
        db_axes.plot(tracks.frame_time_s, 20 * np.log10(np.maximum(values, 1e-4)), color=color, linewidth=1.1)
    db_axes.set_ylim(-80, 0)
    db_axes.set_ylabel("dBFS")
    db_axes.set_xlabel("seconds")
    return figure


def zero_crossings() -> Figure:
    """The rate tells the hissing of an s or x from the vowel beside it."""
    samples = speech()[int(1.8 * RATE) :]
    tracks = analyze(samples, RATE)
    figure, (wave_axes, axes) = panels(2, 3.4, [1, 1.3])
    draw_wave(wave_axes, samples)
    for word in recording("seen_8").words:
        if word.start_s > 1.8:
            middle_s = (word.start_s + word.end_s) / 2 - 1.8
            wave_axes.text(middle_s, 1.04, word.text, ha="center", transform=wave_axes.get_xaxis_transform())
    rate = tracks.zero_crossing_rate
    axes.fill_between(tracks.frame_time_s, 0, rate, color=VIOLET, alpha=0.2, linewidth=0)
    axes.plot(tracks.frame_time_s, rate, color=VIOLET, linewidth=1.2)
    axes.set_ylim(0, 0.4)
    axes.set_ylabel("crossings per sample")
    axes.set_xlabel("seconds")
    return figure


def spectrum() -> Figure:
    """Centroid and rolloff on the spectrogram; flux and flatness below."""
    samples = speech()
    tracks = analyze(samples, RATE)
    figure, (axes, flux_axes, flat_axes) = panels(3, 5.0, [3, 1, 1])
    decibels, step_s = spectrogram(samples, RATE)
    shown = decibels[:256, : decibels.shape[1] // 3 * 3].reshape(128, 2, -1, 3).mean(axis=(1, 3))
    extent = (0.0, shown.shape[1] * 3 * step_s, 0.0, RATE / 2)
    axes.imshow(shown, aspect="auto", origin="lower", extent=extent, cmap="magma", interpolation="none")
    loud = tracks.rms > 0.03 * tracks.rms.max()
    for values, color, name, y in (
        (tracks.spectral_rolloff, "#ffb454", "rolloff", 0.97),
        (tracks.spectral_centroid, "#8fe388", "centroid", 0.88),
    ):
        axes.plot(tracks.frame_time_s, np.where(loud, values, np.nan), color=color, linewidth=1.3)
        label(axes, name, color, y=y)
    draw_words(axes, "seen_8")
    axes.set_ylabel("Hz")
    flux_axes.fill_between(tracks.frame_time_s, 0, tracks.spectral_flux, color=BLUE, linewidth=0, alpha=0.8)
    flux_axes.set_ylabel("flux")
    flux_axes.set_ylim(0, None)
    flat_axes.plot(tracks.frame_time_s, tracks.spectral_flatness, color=VIOLET, linewidth=1.1)
    flat_axes.set_ylabel("flatness")
    flat_axes.set_ylim(0, 0.6)
    flat_axes.set_xlabel("seconds")
    flat_axes.set_xlim(0, len(samples) / RATE)
    return figure


def onsets() -> Figure:
    """The novelty, and where the picker found an onset."""
    samples = speech()
    raw = Analyzer(RATE).push_tracks(samples)
    figure, (wave_axes, axes) = panels(2, 3.8, [1, 1.3])
    draw_wave(wave_axes, samples)
    draw_words(wave_axes, "seen_8")
    times_s = raw["novelty_end_index"] / RATE
    axes.fill_between(times_s, 0, raw["novelty"], color=BLUE, alpha=0.6, linewidth=0)
    for panel in (wave_axes, axes):
        for index in raw["onset_sample_index"]:
            panel.axvline(index / RATE, color=ORANGE, linewidth=1.2)
    reports = raw["onset_report_index"]
    heights = raw["novelty"][np.searchsorted(raw["novelty_end_index"], reports)]
    axes.plot(reports / RATE, heights, "o", color=ORANGE, markersize=3.5)
    label(axes, "onset, and its report", ORANGE, y=1.15)
    axes.set_ylabel("novelty, octaves per band")
    axes.set_ylim(0, None)
    axes.set_xlabel("seconds")
    return figure


def pitch() -> Figure:
    """Pitch where it is voiced, and how sure it is."""
    samples = speech()
    tracks = analyze(samples, RATE)
    figure, (wave_axes, axes, sure_axes) = panels(3, 4.4, [1, 2, 1])
    draw_wave(wave_axes, samples)
    draw_words(wave_axes, "seen_8")
    pitch_hz = np.where(tracks.pitch > 0, tracks.pitch, np.nan)
    axes.plot(tracks.pitch_time_s, pitch_hz, color=GREEN, linewidth=2.4)
    axes.set_ylabel("pitch, Hz")
    axes.grid(visible=True, axis="y", color=FAINT, linewidth=0.5)
    sure_axes.fill_between(tracks.pitch_time_s, 0, tracks.pitch_confidence, color=GREEN, alpha=0.25, linewidth=0)
    sure_axes.set_ylabel("confidence")
    sure_axes.set_ylim(0, 1)
    sure_axes.set_xlabel("seconds")
    return figure


def word_beat(bpm: float, seconds: float) -> Samples:
    """The word "two" of a bundled recording, said again on every beat."""
    word = recording("seen_8").words[0]
    said = speech()[int((word.start_s - 0.03) * RATE) : int((word.start_s + 0.35) * RATE)]
    out = np.zeros(int(seconds * RATE), np.float32)
    for beat in np.arange(0, seconds - 60 / bpm, 60 / bpm):
        start = int(beat * RATE)
        out[start : start + len(said)] += said
    return out


def tempo() -> Figure:
    """A word repeated at 126, then at 92 beats per minute, then silence."""
    parts = ((126.0, 8.0), (92.0, 12.0))
    samples = np.concatenate([word_beat(*part) for part in parts] + [np.zeros(8 * RATE, np.float32)])
    tracks = analyze(samples, RATE)
    figure, (wave_axes, axes) = panels(2, 3.6, [1, 1.8])
    draw_wave(wave_axes, samples)
    edges_s = np.cumsum([0.0] + [seconds for _, seconds in parts])
    for (bpm, _), left, right in zip(parts, edges_s, edges_s[1:], strict=False):
        axes.plot([left, right], [bpm, bpm], color=FAINT, linewidth=7)
        axes.text(left + 0.1, bpm + 6, f"{bpm:g} BPM played", fontsize=9)
    known = tracks.tempo_track > 0
    axes.plot(tracks.tempo_time_s[known], tracks.tempo_track[known], "o", color=ORANGE, markersize=4)
    axes.plot(tracks.tempo_time_s[~known], np.full((~known).sum(), 66.0), "|", color=INK, markersize=6)
    label(axes, "tempo given", ORANGE, y=0.93)
    label(axes, "None", INK, y=0.12)
    axes.set_ylim(62, 150)
    axes.set_ylabel("BPM")
    axes.set_xlabel("seconds")
    return figure


def gate() -> Figure:
    """Speech over noise: level, floor, what the gate lets through, and what the voice detector says of it."""
    voice = speech("stream")[: 7 * RATE]
    noise = np.random.default_rng(2).normal(0, 0.004, len(voice)).astype(np.float32)
    samples = (voice + noise).astype(np.float32)
    frames = EnergyGate(RATE).push(samples)
    scored = SpeechDetector(SileroStream()).push(samples)
    times_s = (np.arange(len(frames)) + 0.5) * FRAME_SAMPLES / RATE
    figure, (wave_axes, axes, voice_axes) = panels(3, 4.6, [1, 2, 1])
    draw_wave(wave_axes, samples)
    for word in recording("stream").words:
        if word.end_s < 7:
            middle_s = (word.start_s + word.end_s) / 2
            wave_axes.text(middle_s, 1.04, word.text, ha="center", transform=wave_axes.get_xaxis_transform())
    is_open = [frame.is_open for frame in frames]
    axes.fill_between(times_s, -60, 0, where=is_open, step="mid", color=GREEN, alpha=0.18, linewidth=0)
    axes.plot(times_s, [frame.level_db for frame in frames], color=BLUE, linewidth=1.2)
    axes.plot(times_s, [frame.floor_db for frame in frames], color=ORANGE, linewidth=1.2)
    for name, color, y in (("level", BLUE, 0.97), ("floor", ORANGE, 0.86), ("gate open", GREEN, 0.75)):
        label(axes, name, color, x=0.72, y=y)
    axes.set_ylim(-60, 0)
    axes.set_ylabel("dBFS")
    probability = np.array([frame.probability if frame.scored else np.nan for frame in scored])
    voice_axes.plot(times_s, probability, color=VIOLET, linewidth=1.2)
    voice_axes.axhline(0.7, color=FAINT, linewidth=1)
    voice_axes.set_ylim(0, 1.05)
    voice_axes.set_ylabel("speech")
    voice_axes.set_xlabel("seconds")
    return figure


def ring() -> Figure:
    """A ring of 4000 frames after 5200 were written: one reader keeps up, one has lost 1200."""
    buffer = RingBuffer(4000, dtype="int16")
    keeps_up, slow = buffer.reader(), buffer.reader()
    for size, reads in ((2600, 2400), (1400, 1100), (1200, 1000)):
        buffer.write(np.zeros(size, np.int16))
        keeps_up.read(reads)
    figure = Figure(figsize=(8.4, 2.7))
    axes = figure.add_axes((0.06, 0.02, 0.32, 0.96), projection="polar")
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)

    def turn(index: int) -> float:
        return 2 * np.pi * (index % buffer.capacity) / buffer.capacity

    cells = 80
    ages = (np.arange(cells) * buffer.capacity / cells - buffer.write_index) % buffer.capacity / buffer.capacity
    width = 2 * np.pi / cells
    for cell, age in enumerate(ages):
        axes.bar((cell + 0.5) * width, 0.3, width * 0.86, bottom=0.7, color=BLUE, alpha=0.15 + 0.75 * age, linewidth=0)
    marks = (
        (buffer.write_index, f"the next frame written: {buffer.write_index}", ORANGE, (0.94, 1.12)),
        (keeps_up.position, f"reader A: next {keeps_up.position}, lost {keeps_up.dropped}", GREEN, (0.62, 1.08)),
        (slow.position, f"reader B: next {slow.position}, the oldest held; lost {slow.dropped}", RED, (0.62, 0.76)),
    )
    for line, (index, text, color, radii) in enumerate(marks):
        axes.plot([turn(index)] * 2, radii, color=color, linewidth=2.6)
        axes.text(1.12, 0.64 - 0.13 * line, text, color=color, transform=axes.transAxes, fontsize=10)
    axes.text(1.12, 0.77, f"{buffer.capacity} frames", transform=axes.transAxes, fontsize=10)
    axes.set_ylim(0, 1.15)
    axes.axis("off")
    return figure


def chunking() -> Figure:
    """The same recording in five cuts: every onset is the same sample, each report within one chunk."""
    samples = speech()
    rng = np.random.default_rng(3)
    cuts = {"all at once": [len(samples)], "4096": [4096] * 21, "1024": [1024] * 81, "160": [160] * 520}
    cuts["random, 1 to 3000"] = [int(size) for size in rng.integers(1, 3000, 200)]
    figure, (wave_axes, axes) = panels(2, 3.8, [1, 1.8])
    draw_wave(wave_axes, samples)
    draw_words(wave_axes, "seen_8")
    for row, sizes in enumerate(cuts.values()):
        analyzer, start, found = Analyzer(RATE), 0, []
        for size in sizes:
            found += [onset[0] for onset in analyzer.push(samples[start : start + size]).onsets] if size else []
            start += size
            if start >= len(samples):
                break
        ends_s = np.minimum(np.cumsum(sizes), len(samples)) / RATE
        if len(sizes) < 300:
            lines = np.repeat(ends_s, 3), np.tile([row - 0.32, row + 0.32, np.nan], len(ends_s))
            axes.plot(*lines, color=FAINT, linewidth=0.6)
        axes.plot(np.array(found) / RATE, np.full(len(found), row), "o", color=ORANGE, markersize=4)
    axes.set_yticks(range(len(cuts)), [*cuts])
    axes.set_ylim(len(cuts) - 0.5, -0.5)
    axes.set_ylabel("samples a chunk")
    axes.set_xlabel("seconds")
    return figure


DRAWN: dict[str, Callable[[], Figure]] = {
    "level": level,
    "zero_crossings": zero_crossings,
    "spectrum": spectrum,
    "onsets": onsets,
    "pitch": pitch,
    "tempo": tempo,
    "gate": gate,
    "ring": ring,
    "chunking": chunking,
}


def draw_topics(names: list[str]) -> None:
    """Write the pictures called `names`, all of them if there are none."""
    with styled():
        for name in names or DRAWN:
            save(DRAWN[name](), TOPICS / f"{name}.svg")


if __name__ == "__main__":
    draw_topics(sys.argv[1:])
