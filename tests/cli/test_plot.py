from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastring import analyze
from fastring.cli.plot import plot_tracks, spectrogram

pytest.importorskip("matplotlib")


def sweep(seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    time_s = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * (200 * time_s + 900 * time_s**2 / seconds))).astype(np.float32)


def test_the_spectrogram_has_its_peak_where_the_tone_is() -> None:
    rate = 16000
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    decibels, step_s = spectrogram(tone, rate)
    n_fft = 2 * (decibels.shape[0] - 1)
    assert n_fft == 512
    assert decibels.shape[1] * step_s == pytest.approx(1.0, abs=0.02)
    assert decibels.max() == 0.0
    middle = decibels[:, decibels.shape[1] // 2]
    assert np.argmax(middle) == round(1000 * n_fft / rate)
    assert decibels.min() == -70.0


@pytest.mark.parametrize("samples", [0, 1, 100, 16000 * 120])
def test_the_spectrogram_of_any_length_is_bounded(samples: int) -> None:
    decibels, _ = spectrogram(np.zeros(samples, np.float32), 16000)
    assert 1 <= decibels.shape[1] <= 1801
    assert np.isfinite(decibels).all()


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_of_each_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    samples = sweep()
    plot_tracks(samples, analyze(samples, 16000), title="sweep", path=path)
    head = path.read_bytes()[:200]
    assert {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix] in head
    assert path.stat().st_size > 5000


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(10, np.float32),
        np.zeros(16000, np.float32),
        np.full(16000, np.nan, np.float32),
        np.zeros((1000, 2), np.int16),
    ],
    ids=["empty", "tiny", "silence", "nan", "stereo"],
)
def test_there_is_a_picture_of_anything(tmp_path: Path, samples: np.ndarray) -> None:
    plot_tracks(samples, analyze(samples, 16000), title="x", path=tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_the_same_recording_gives_the_same_file(tmp_path: Path) -> None:
    samples = sweep()
    tracks = analyze(samples, 16000)
    for name in ("a.svg", "b.svg"):
        plot_tracks(samples, tracks, title="sweep", path=tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="xyz"):
        plot_tracks(sweep(), analyze(sweep(), 16000), title="x", path=tmp_path / "x.xyz")
