"""The picture of a recording: waveform with onsets, spectrogram, pitch, level and tempo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastring.analysis.batch import Tracks

__all__ = ["plot_tracks", "spectrogram"]

_PAPER = "#0f1419"
_INK = "#d9dee4"
_FAINT = "#39434f"
_WAVE = "#4fb3d9"
_ONSET = "#ffb454"
_PITCH = "#f7f7f7"
_LEVEL = "#7fd962"
_COLUMNS = 1800  # what a picture of this width can show
_RANGE_DB = 70.0


def spectrogram(samples: NDArray[np.float32], sample_rate: float) -> tuple[NDArray[np.float64], float]:
    """Power of a mono recording in decibels under its maximum, for a picture.

    Args:
        samples: float32, shape (n,).
        sample_rate: in Hz.

    Returns:
        float64, shape (n_fft // 2 + 1, columns), -70..0; and the time between two columns in seconds. Windows are Hann
        of about 32 ms; there are at most 1800 columns.
    """
    n_fft = 1 << max(round(np.log2(0.032 * sample_rate)), 5)
    hop = max(n_fft // 4, -(-len(samples) // _COLUMNS))
    padded = np.pad(samples, (n_fft // 2, n_fft))
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[: len(samples) + 1 : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(n_fft), axis=1)).T ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    return np.clip(decibels - max(float(decibels.max(initial=-120.0)), -100.0), -_RANGE_DB, 0.0), hop / sample_rate


def plot_tracks(samples: Any, tracks: Tracks, *, title: str, path: Path) -> None:
    """Draw a recording and what was found in it.

    Args:
        samples: int16 or float32, shape (n,) or (n, channels).
        tracks: of the same recording.
        title: above the picture.
        path: file to write; its suffix is the format (.png, .svg, .pdf).

    Raises:
        ValueError: a suffix that is not known.
        OSError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mono = _mono(samples)
    style: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.facecolor": _PAPER,
        "axes.edgecolor": _FAINT,
        "axes.labelcolor": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "text.color": _INK,
        "svg.hashsalt": "fastring",  # the same picture is the same file
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(12, 7), facecolor=_PAPER, layout="constrained")
        wave, spectrum, pitch, level = figure.subplots(4, 1, sharex=True, height_ratios=[2, 4, 2, 2])
        figure.suptitle(_headline(title, tracks), fontsize=12, x=0.01, ha="left", color=_INK)
        _draw_wave(wave, mono, tracks)
        _draw_spectrogram(spectrum, mono, tracks)
        _draw_pitch(pitch, tracks)
        _draw_level(level, tracks)
        level.set_xlabel("seconds")
        level.set_xlim(0, max(tracks.duration_s, 1e-3))
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=100, facecolor=_PAPER, metadata=metadata)


def _headline(title: str, tracks: Tracks) -> str:
    tempo = f"{tracks.tempo:.1f} BPM" if tracks.tempo else "no regular beat"
    onsets = len(tracks.onset_time_s)
    return f"{title}   ·   {tracks.duration_s:.2f} s at {tracks.sample_rate:g} Hz   ·   {onsets} onsets   ·   {tempo}"


def _draw_wave(axes: Any, mono: NDArray[np.float32], tracks: Tracks) -> None:
    width = max(1, -(-len(mono) // _COLUMNS))
    columns = np.pad(mono, (0, -len(mono) % width)).reshape(-1, width)
    times_s = np.arange(len(columns)) * width / tracks.sample_rate
    axes.fill_between(times_s, columns.min(axis=1), columns.max(axis=1), color=_WAVE, linewidth=0)
    for time_s in tracks.onset_time_s:
        axes.axvline(time_s, color=_ONSET, linewidth=0.9, alpha=0.9)
    limit = max(float(np.abs(mono).max(initial=0.0)), 1e-3) * 1.05
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("wave, onsets")


def _draw_spectrogram(axes: Any, mono: NDArray[np.float32], tracks: Tracks) -> None:
    decibels, step_s = spectrogram(mono, tracks.sample_rate)
    top_hz = tracks.sample_rate / 2
    hertz = np.linspace(0, top_hz, decibels.shape[0])
    times_s = np.arange(decibels.shape[1]) * step_s
    axes.pcolormesh(times_s, hertz, decibels, cmap="magma", shading="nearest", rasterized=True)
    if len(tracks.frame_time_s):
        loud = tracks.rms > 0.02 * tracks.rms.max(initial=0.0)
        centroid = np.where(loud, tracks.spectral_centroid, np.nan)
        axes.plot(tracks.frame_time_s, centroid, color=_LEVEL, linewidth=1.1, alpha=0.9)
        axes.text(0.995, 0.95, "centroid", color=_LEVEL, ha="right", va="top", transform=axes.transAxes, fontsize=8)
    axes.set_ylim(0, min(top_hz, 10_000))
    axes.set_ylabel("spectrum, Hz")


def _draw_pitch(axes: Any, tracks: Tracks) -> None:
    voiced = tracks.pitch > 0
    axes.scatter(tracks.pitch_time_s[voiced], tracks.pitch[voiced], c=_PITCH, s=5, linewidths=0)
    axes.set_yscale("log", base=2)
    low, high = (float(f(tracks.pitch[voiced])) for f in (np.min, np.max)) if voiced.any() else (80.0, 400.0)
    axes.set_ylim(low / 1.2, high * 1.2)
    axes.yaxis.set_major_formatter(lambda hz, _: f"{hz:g}")
    axes.grid(visible=True, axis="y", color=_FAINT, linewidth=0.5)
    axes.set_ylabel("pitch, Hz")


def _draw_level(axes: Any, tracks: Tracks) -> None:
    level_db = 20 * np.log10(np.maximum(tracks.rms, 1e-4))
    axes.fill_between(tracks.frame_time_s, -80, level_db, color=_LEVEL, alpha=0.25, linewidth=0)
    axes.plot(tracks.frame_time_s, level_db, color=_LEVEL, linewidth=1.0)
    axes.set_ylim(-80, 0)
    axes.set_ylabel("level, dBFS")
    beats = tracks.tempo_track > 0
    if beats.any():
        tempo = axes.twinx()
        tempo.plot(tracks.tempo_time_s[beats], tracks.tempo_track[beats], "o-", color=_ONSET, markersize=3, linewidth=1)
        tempo.set_ylim(30, 250)
        tempo.set_ylabel("tempo, BPM", color=_ONSET)
        tempo.spines["top"].set_visible(False)


def _mono(samples: Any) -> NDArray[np.float32]:
    audio = samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples
    mono: NDArray[np.float32] = audio if audio.ndim == 1 else audio.mean(axis=1, dtype=np.float32)
    return np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)
