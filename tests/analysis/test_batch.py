from __future__ import annotations

import numpy as np
import pytest

import fastring
from fastring.errors import AudioFormatError, ConfigError


def test_a_recording_gives_the_tracks_of_its_chunks() -> None:
    sample_rate = 22050
    rng = np.random.default_rng(3)
    x = (0.1 * rng.standard_normal(sample_rate * 3)).astype(np.float32)
    x[:: sample_rate // 2] = 1.0
    tracks = fastring.analyze(x, sample_rate)
    assert tracks.duration_s == pytest.approx(3.0)
    analyzer = fastring.Analyzer(sample_rate)
    onsets = [o[0] for c in np.split(x, 30) for o in analyzer.push(c).onsets]
    np.testing.assert_allclose(tracks.onset_time_s, np.array(onsets) / sample_rate)
    assert len(tracks.rms) == len(tracks.frame_time_s) == len(tracks.spectral_centroid)
    assert len(tracks.pitch) == len(tracks.pitch_time_s) == len(tracks.pitch_confidence)
    step = round((tracks.frame_time_s[1] - tracks.frame_time_s[0]) * sample_rate)
    end = round(tracks.frame_time_s[5] * sample_rate)
    assert tracks.rms[5] == pytest.approx(np.sqrt(np.mean(x[end - step : end] ** 2)), rel=1e-4)


def test_stereo_is_mixed_down() -> None:
    t = np.arange(16000) / 16000
    left = (0.4 * np.sin(2 * np.pi * 200 * t)).astype(np.float32)
    tracks = fastring.analyze(np.stack([left, left], 1), 16000)
    assert np.median(tracks.pitch) == pytest.approx(200, rel=1e-3)
    assert tracks.tempo is None


def test_short_and_wrong_recordings() -> None:
    assert len(fastring.analyze(np.zeros(10, np.float32), 44100).rms) == 0
    with pytest.raises(AudioFormatError, match="float64"):
        fastring.analyze(np.zeros(10), 44100)  # type: ignore[arg-type]
    with pytest.raises(AudioFormatError, match="shape"):
        fastring.analyze(np.zeros((2, 2, 2), np.float32), 44100)
    with pytest.raises(AudioFormatError, match=r"1000 channels, not 1 to 32: pass np\.ascontiguousarray\(samples\.T\)"):
        fastring.analyze(np.zeros((2, 1000), np.float32), 44100)
    with pytest.raises(AudioFormatError, match=r"\(1000, 40\) have 40 channels, not 1 to 32$"):
        fastring.analyze(np.zeros((1000, 40), np.float32), 44100)
    with pytest.raises(ConfigError, match="sample_rate"):
        fastring.analyze(np.zeros(10, np.float32), 1000)
