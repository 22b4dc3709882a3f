from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import RATES, coloured, metronome, noise, tone

import fastring
from fastring import Analyzer, analyze_many
from fastring.errors import AudioFormatError, ConfigError


def joined(analyzer: Analyzer, chunks: list[np.ndarray]) -> dict[str, np.ndarray]:
    parts = [analyzer.push_tracks(c) for c in chunks]
    return {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def cut(x: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    chunks, at, i = [], 0, 0
    while at < len(x):
        chunks.append(x[at : at + lengths[i % len(lengths)]])
        at += lengths[i % len(lengths)]
        i += 1
    return chunks


# --- any cut gives the same ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 64, 160, 441, 512, 1024, 4096])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_chunk_length_changes_nothing(chunk: int, sample_rate: int) -> None:
    x = metronome(132, sample_rate, 3.0) + tone(311, sample_rate, 3.0, 0.1) + noise(sample_rate * 3, 0.003)
    whole = Analyzer(sample_rate).push_tracks(x)
    assert len(whole["onset_sample_index"]) > 4
    assert_same(whole, joined(Analyzer(sample_rate), cut(x, [chunk])))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=20),
    sample_rate=st.sampled_from(RATES),
    channels=st.integers(1, 3),
    as_int16=st.booleans(),
)
def test_random_cuts_change_nothing(lengths: list[int], sample_rate: int, channels: int, as_int16: bool) -> None:
    n = int(0.7 * sample_rate)
    x = np.stack([metronome(150 + c, sample_rate, 0.7) + noise(n, 0.01, c) for c in range(channels)], 1)
    x = (x * 32000).astype(np.int16) if as_int16 else x
    x = np.ascontiguousarray(x[:, 0] if channels == 1 else x)
    whole = Analyzer(sample_rate, channels).push_tracks(x)
    assert_same(whole, joined(Analyzer(sample_rate, channels), cut(x, lengths)))


def test_reset_is_a_new_stream() -> None:
    x = metronome(100, 16000, 2.5)
    analyzer = Analyzer(16000)
    first = analyzer.push_tracks(x)
    analyzer.push(noise(5000))
    analyzer.reset()
    assert analyzer.samples_pushed == 0
    assert_same(first, analyzer.push_tracks(x))


# --- against plain NumPy ------------------------------------------------------------------------------------------


def zero_crossing_rate(x: np.ndarray) -> float:
    negative = x < 0
    return float(np.count_nonzero(negative[1:] != negative[:-1])) / len(x)


@pytest.mark.parametrize("n", [1, 7, 320, 1024, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_levels_equal_numpy(n: int, dtype: type) -> None:
    x = noise(n, 0.2, seed=n)
    x = (x * 32768).astype(np.int16) if dtype is np.int16 else x
    f = Analyzer(44100).push(x)
    y = x.astype(np.float64) / (32768 if dtype is np.int16 else 1)
    assert f.rms == pytest.approx(np.sqrt(np.mean(y**2)), rel=1e-5)
    assert f.energy == pytest.approx(np.sum(y**2), rel=1e-5)
    assert f.peak == pytest.approx(np.max(np.abs(y)), rel=1e-6)
    assert f.dc_offset == pytest.approx(np.mean(y), rel=1e-4, abs=1e-7)
    assert f.zero_crossing_rate == pytest.approx(zero_crossing_rate(y), abs=1e-7)


def test_crossings_at_the_seam_are_counted() -> None:
    x = noise(4000)
    analyzer = Analyzer(16000)
    counted = sum(round(analyzer.push(c).zero_crossing_rate * len(c)) for c in cut(x, [1, 17, 64]))
    assert counted == round(zero_crossing_rate(x) * len(x))


@pytest.mark.parametrize(("samples", "rate"), [([0, 1, 0, -1], 0.25), ([0, 1, 0, -1, 0], 0.4), ([-1, -1, -1], 0.0)])
def test_zero_counts_as_positive(samples: list[float], rate: float) -> None:
    assert Analyzer(16000).push(np.array(samples, np.float32)).zero_crossing_rate == pytest.approx(rate)


def test_channels_have_their_own_levels() -> None:
    left, right = noise(1000, 0.5, 1), noise(1000, 0.1, 2)
    analyzer = Analyzer(44100, 2)
    f = analyzer.push(np.stack([left, right], 1))
    flat = Analyzer(44100, 2)
    assert flat.push(np.stack([left, right], 1).ravel()).rms == f.rms
    (rms_l, peak_l, _, zcr_l), (rms_r, peak_r, _, _) = analyzer.channel_levels()
    assert rms_l == pytest.approx(np.sqrt(np.mean(left**2)), rel=1e-5)
    assert rms_r == pytest.approx(np.sqrt(np.mean(right**2)), rel=1e-5)
    assert (peak_l, peak_r) == pytest.approx((np.abs(left).max(), np.abs(right).max()))
    assert zcr_l == pytest.approx(zero_crossing_rate(left))
    assert f.rms == pytest.approx(np.sqrt((rms_l**2 + rms_r**2) / 2), rel=1e-5)


@pytest.mark.parametrize("sample_rate", RATES)
def test_spectrum_equals_numpy(sample_rate: int) -> None:
    x = noise(sample_rate // 2) + tone(sample_rate / 9, sample_rate, 0.5)[: sample_rate // 2]
    t = Analyzer(sample_rate).push_tracks(x)
    window = round(21.34e-3 * sample_rate)
    n = 64
    while n < window:
        n *= 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    hz = np.fft.rfftfreq(n, 1 / sample_rate)
    before = None
    for i, end in enumerate(t["spectrum_end_index"]):
        if end < n:
            continue
        magnitude = np.abs(np.fft.rfft(x[end - window : end] * hann, n)) * 4 / window
        power = np.maximum(magnitude**2, 1e-10)
        assert t["spectral_centroid"][i] == pytest.approx(np.sum(hz * magnitude) / np.sum(magnitude), rel=1e-4)
        rolloff = hz[np.searchsorted(np.cumsum(magnitude), 0.85 * magnitude.sum())]
        assert t["spectral_rolloff"][i] == pytest.approx(rolloff, abs=1.01 * sample_rate / n)
        assert t["spectral_flatness"][i] == pytest.approx(np.exp(np.mean(np.log(power))) / np.mean(power), rel=1e-3)
        if before is not None:
            assert t["spectral_flux"][i] == pytest.approx(np.sum(np.maximum(0, magnitude - before)), rel=1e-3)
        before = magnitude
    assert before is not None


# --- known truth --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("hz", [55.0, 110.0, 440.0, 987.77, 1900.0])
def test_pitch_of_a_tone(sample_rate: int, hz: float) -> None:
    t = Analyzer(sample_rate).push_tracks(tone(hz, sample_rate, 0.6))
    assert len(t["pitch"]) > 40
    cents = 1200 * np.log2(np.maximum(t["pitch"], 1e-3) / hz)
    assert np.median(np.abs(cents)) < 3
    assert np.mean(np.abs(cents) < 20) > 0.95
    assert t["pitch_confidence"].max() <= 1.0


def test_a_sweep_is_followed_at_the_right_time() -> None:
    sample_rate, seconds = 44100, 3.0
    time = np.arange(int(sample_rate * seconds)) / sample_rate
    f0 = 100 * 2 ** (time * 1.2)
    phase = 2 * np.pi * np.cumsum(f0) / sample_rate
    x = sum(np.sin(k * phase) / k for k in range(1, 6)).astype(np.float32) * np.float32(0.2)
    t = Analyzer(sample_rate).push_tracks(x)
    truth = f0[t["pitch_centre_index"]]
    assert np.median(np.abs(1200 * np.log2(np.maximum(t["pitch"], 1) / truth))) < 5


@pytest.mark.parametrize(
    "x", [np.zeros(64000, np.float32), noise(64000), np.full(64000, 0.5, np.float32)], ids=["silence", "noise", "dc"]
)
def test_nothing_is_invented(x: np.ndarray) -> None:
    t = Analyzer(16000).push_tracks(x)
    assert np.mean(t["pitch"] > 0) < 0.05
    assert np.count_nonzero(t["tempo"]) == 0
    assert len(t["onset_sample_index"]) <= 1


GLIDES = {
    "vibrato 4 Hz": lambda t: 440 * 2 ** (0.1 * np.sin(2 * np.pi * 4 * t)),
    "vibrato 2 Hz": lambda t: 440 * 2 ** (0.06 * np.sin(2 * np.pi * 2 * t)),
    "up": lambda t: 60 * 30 ** (t / 10),
    "down": lambda t: 1900 * 30 ** (-t / 10),
    "siren": lambda t: 600 * 2 ** (0.7 * np.sin(np.pi * t)),
}


@pytest.mark.parametrize("sample_rate", [16000, 44100])
@pytest.mark.parametrize("hz", GLIDES.values(), ids=GLIDES)
def test_a_tone_that_glides_has_no_tempo(hz: Callable[[np.ndarray], np.ndarray], sample_rate: int) -> None:
    phase = 2 * np.pi * np.cumsum(hz(np.arange(10 * sample_rate) / sample_rate)) / sample_rate
    t = Analyzer(sample_rate).push_tracks((0.3 * np.sin(phase)).astype(np.float32))
    assert np.count_nonzero(t["tempo"]) == 0
    assert len(t["onset_sample_index"]) == 0


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
def test_stationary_noise_has_neither_onsets_nor_tempo(sample_rate: int) -> None:
    seconds = 10.0
    onsets = {}
    for exponent in (0, 0.5, 1):
        for level_db in (-10, -35, -60):
            t = Analyzer(sample_rate).push_tracks(
                coloured(exponent, sample_rate, seconds, level_db, seed=level_db + 90)
            )
            onsets[exponent, level_db] = len(t["onset_sample_index"])
            assert np.count_nonzero(t["tempo"]) == 0
    assert sum(onsets.values()) <= 0.3 * seconds * len(onsets), onsets
    assert max(onsets.values()) <= seconds, onsets


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_hum_has_no_tempo(sample_rate: int) -> None:
    x = sum(tone(50 * k, sample_rate, 10.0, 0.1 / k) for k in (1, 2, 3, 5)) + noise(sample_rate * 10, 0.001)
    assert np.count_nonzero(Analyzer(sample_rate).push_tracks(x)["tempo"]) == 0


# --- where a stream begins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("fade_s", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("hz", [50, 137, 440, 3000])
def test_a_stream_may_begin_in_the_middle_of_a_sound(sample_rate: int, fade_s: float, hz: float) -> None:
    x = tone(hz, sample_rate, 1.0)
    if fade_s:
        x *= np.minimum(1, np.arange(len(x), dtype=np.float32) / (fade_s * sample_rate))
    assert len(Analyzer(sample_rate).push_tracks(x)["onset_sample_index"]) == 0


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("silence_ms", [0, 10, 20, 40, 100])
def test_a_stream_may_begin_with_a_strike(sample_rate: int, silence_ms: float) -> None:
    silence = np.zeros(round(sample_rate * silence_ms / 1000), np.float32)
    t = Analyzer(sample_rate).push_tracks(np.concatenate([silence, metronome(60, sample_rate, 0.9)]))
    assert t["onset_sample_index"] / sample_rate == pytest.approx([silence_ms / 1000], abs=0.015)
    assert t["onset_report_index"][0] / sample_rate <= silence_ms / 1000 + 0.031


@pytest.mark.parametrize("silence_s", [0.0, 1.3])
def test_the_first_sound_after_silence_does_not_hide_the_beat(silence_s: float) -> None:
    sample_rate = 16000
    x = 0.1 * metronome(100, sample_rate, 6.0) + noise(6 * sample_rate, 0.003)
    x = np.concatenate([np.zeros(int(silence_s * sample_rate), np.float32), x.astype(np.float32)])
    t = Analyzer(sample_rate).push_tracks(x)
    late = t["tempo_sample_index"] / sample_rate > silence_s + 3.0
    assert t["tempo"][late] == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("sample_rate", RATES)
def test_one_onset_for_one_click(sample_rate: int) -> None:
    seconds = 6.0
    x = metronome(100, sample_rate, seconds) + noise(int(sample_rate * seconds), 0.0003)
    truth = np.arange(0, seconds - 0.05, 0.6)
    t = Analyzer(sample_rate).push_tracks(x)
    found = t["onset_sample_index"] / sample_rate
    reported = t["onset_report_index"] / sample_rate
    assert len(found) == len(truth)
    assert np.abs(found - truth).max() < 0.015
    assert (reported - truth).max() < 0.031
    assert (t["onset_strength"] > 0).all()


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("bpm", [60, 75, 120, 171, 200])
def test_tempo_of_a_metronome(sample_rate: int, bpm: float) -> None:
    t = Analyzer(sample_rate).push_tracks(metronome(bpm, sample_rate, 9.0))
    assert t["tempo"][-1] == pytest.approx(bpm, rel=0.01)
    first = t["tempo_sample_index"][0] / sample_rate
    assert first <= 2.05
    assert np.diff(t["tempo_sample_index"]).max() / sample_rate <= 2.0
    assert (t["tempo"] <= 240).all()
    assert 0 < t["tempo_confidence"][-1] <= 1


@pytest.mark.parametrize(("sample_rate", "kib"), [(8000, 9), (16000, 13), (22050, 16), (44100, 23), (48000, 24)])
def test_a_stream_is_small(sample_rate: int, kib: int) -> None:
    """Server operators multiply this by their streams."""
    analyzer = Analyzer(sample_rate)
    held = analyzer.state_bytes
    assert 4096 < held <= kib * 1024
    analyzer.push(noise(sample_rate * 3))
    assert analyzer.state_bytes == held
    assert Analyzer(sample_rate, tuning={"tempo_history_s": 30.0}).state_bytes > held + 4000


# --- many streams -------------------------------------------------------------------------------------------------


def test_many_streams_in_one_call() -> None:
    chunks = [noise(700, 0.1, seed) for seed in range(5)]
    together = analyze_many([Analyzer(16000) for _ in chunks], chunks)
    apart = [Analyzer(16000).push(c) for c in chunks]
    fields = [name for name in dir(fastring.Features) if not name.startswith("_")]
    for a, b in zip(together, apart, strict=True):
        assert [getattr(a, n) for n in fields] == [getattr(b, n) for n in fields]


def test_one_bad_chunk_moves_no_stream() -> None:
    analyzers = [Analyzer(16000), Analyzer(16000)]
    with pytest.raises(AudioFormatError):
        analyze_many(analyzers, [noise(10), np.zeros(3)])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="analyze_many got 2 analyzers and 1 chunks"):
        analyze_many(analyzers, [noise(10)])
    with pytest.raises(ConfigError, match="the same analyzer twice"):
        analyze_many([*analyzers, analyzers[0]], [noise(10)] * 3)
    assert [a.samples_pushed for a in analyzers] == [0, 0]


@pytest.mark.parametrize(
    "clone", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_features_go_to_another_process(clone: Callable[[Any], Any]) -> None:
    burst = np.concatenate([np.zeros(8000, np.float32), noise(1600, 0.2), tone(220, 16000, 0.5)])
    burst[-1] = np.nan
    features = Analyzer(16000).push(burst)
    assert features.onsets
    assert features.pitch is not None
    assert features.tempo is None
    names = [name for name in dir(features) if not name.startswith("_")]
    assert [getattr(clone(features), n) for n in names] == [getattr(features, n) for n in names]


def test_features_of_another_version_are_refused() -> None:
    rebuild, (fields,) = Analyzer(16000).push(noise(10)).__reduce__()
    with pytest.raises(ValueError, match="18 fields, not 17: pickled by another version"):
        rebuild(fields[:-1])


@pytest.mark.parametrize("hz", [30.0, 45.0, 49.0, 50.0, 60.0, 1900.0, 2000.0, 2050.0, 2150.0, 3000.0])
@pytest.mark.parametrize("rate", [11025, 16000, 44100])
def test_pitch_stays_in_the_range_it_promises(rate: int, hz: float) -> None:
    tone = (0.5 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)).astype(np.float32)
    heard = fastring.analyze(tone, rate).pitch
    voiced = heard[heard > 0]
    assert ((voiced >= 50) & (voiced <= 2000)).all()
    if 60 <= hz <= 1900:
        assert np.median(voiced) == pytest.approx(hz, rel=0.01)


def test_an_analyzer_shows_what_it_is() -> None:
    analyzer = Analyzer(44100, 2)
    analyzer.push(np.zeros((10, 2), np.float32))
    assert repr(analyzer) == "<Analyzer 2 x 44100 Hz, 10 samples pushed>"
