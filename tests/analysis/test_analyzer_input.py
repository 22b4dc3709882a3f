"""What an analyzer is given that it should not be: hostile floats, wrong audio, wrong settings, two threads."""

from __future__ import annotations

import array
import inspect
import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import RATES, metronome, noise, tone

import fastring
from fastring import Analyzer
from fastring.errors import AudioFormatError, BusyError, ConfigError

FIELDS = [name for name in dir(fastring.Features) if not name.startswith("_")]
SILENCE = np.zeros(512, np.float32)


def assert_finite(f: fastring.Features) -> None:
    for name in FIELDS:
        value = getattr(f, name)
        if isinstance(value, float):
            assert math.isfinite(value), name


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1, max_size=64),
    repeat=st.integers(1, 200),
    sample_rate=st.sampled_from(RATES),
)
def test_any_float_gives_finite_results(values: list[float], repeat: int, sample_rate: int) -> None:
    x = np.tile(np.array(values, np.float32), repeat)
    f = Analyzer(sample_rate).push(x)
    assert_finite(f)
    assert f.non_finite_samples == np.count_nonzero(~np.isfinite(x))


def test_subnormals_survive_a_push() -> None:
    """They are flushed inside the call only."""
    Analyzer(16000).push(np.full(2000, 1e-40, np.float32))
    assert np.float32(1e-40) * np.float32(1) > 0


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.0])
def test_level_does_not_decide_what_is_an_onset(gain: float) -> None:
    x = metronome(120, 16000, 5.0) * np.float32(gain)
    assert len(Analyzer(16000).push_tracks(x)["onset_sample_index"]) == 10


def test_pitch_is_back_soon_after_a_burst_far_above_full_scale() -> None:
    """As a broken packet of float32 makes it: a voice is not compared with that for minutes."""
    analyzer = Analyzer(16000)
    analyzer.push(np.full(3000, 1e6, np.float32))
    assert analyzer.push(tone(300, 16000, 0.5)).pitch == pytest.approx(300, rel=0.01)


def test_right_again_two_hops_after_nan() -> None:
    sample_rate = 44100
    x = tone(440, sample_rate, 1.0)
    x[20000:20100] = np.nan
    analyzer = Analyzer(sample_rate)
    t = analyzer.push_tracks(x)
    assert analyzer.non_finite_samples == 100
    window = round(0.06 * sample_rate)
    clean = np.abs(t["pitch_centre_index"] - 20050) > window / 2 + 2 * analyzer.hop_samples + 50
    assert np.abs(1200 * np.log2(np.maximum(t["pitch"][clean], 1) / 440)).max() < 20


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros(8), r"array of float64: pass audio\.astype\(np\.float32\)"),
        (np.zeros(8, np.int32), "int32"),
        (b"\0\0", "bytes"),
        ([0.0, 1.0], "list"),
        (None, "NoneType"),
        (np.zeros((2, 2, 2), np.float32), r"\(2, 2, 2\)"),
        (np.zeros((4, 2), np.float32), r"\(4, 2\)"),
        (np.zeros(16, np.float32)[::2], "contiguous"),
        (np.zeros(8, ">f4"), "array of >f4"),
    ],
    ids=["float64", "int32", "bytes", "list", "none", "3-D", "2 channels", "strided", "big-endian"],
)
def test_wrong_audio_is_named(bad: object, says: str) -> None:
    analyzer = Analyzer(16000)
    with pytest.raises(AudioFormatError, match=says):
        analyzer.push(bad)  # type: ignore[arg-type]
    assert analyzer.samples_pushed == 0


def test_typed_buffers_are_audio_too() -> None:
    values = array.array("f", noise(500).tolist())
    assert Analyzer(16000).push(values).rms == Analyzer(16000).push(np.array(values, np.float32)).rms


def test_an_odd_number_of_stereo_samples_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="2 channels"):
        Analyzer(16000, 2).push(np.zeros(7, np.float32))


def test_empty_and_read_only_chunks_are_fine() -> None:
    analyzer = Analyzer(16000)
    assert analyzer.push(np.zeros(0, np.float32)).rms == 0.0
    x = noise(100)
    x.flags.writeable = False
    assert analyzer.push(x).sample_index == 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sample_rate": 7999}, "sample_rate.*8000.*7999"),
        ({"sample_rate": math.nan}, "sample_rate"),
        ({"sample_rate": 16000, "channels": 33}, "channels"),
        ({"sample_rate": 16000, "hop_ms": 0.1}, "hop_ms"),
        ({"sample_rate": 16000, "pitch_min_hz": 500, "pitch_max_hz": 400}, "pitch_max_hz"),
        ({"sample_rate": 16000, "tuning": {"nonsense": 1}}, "nonsense"),
    ],
)
def test_wrong_settings_are_named(arguments: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Analyzer(**arguments)  # type: ignore[arg-type]


def test_defaults_are_the_same_on_both_sides() -> None:
    native = Analyzer.defaults()
    ours = {name: it.default for name, it in inspect.signature(Analyzer.__init__).parameters.items() if name in native}
    assert len(ours) >= 4
    assert ours == {name: native[name] for name in ours}


def test_two_threads_in_one_analyzer_get_an_error() -> None:
    analyzer = Analyzer(8000)
    x = noise(8000 * 60)
    busy: list[BaseException] = []

    def push() -> None:
        try:
            for _ in range(5):
                analyzer.push(x)
        except BusyError as error:
            busy.append(error)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy
    analyzer.push(x[:100])


@pytest.mark.parametrize(
    "use",
    [
        lambda analyzer: analyzer.push(SILENCE),
        lambda analyzer: analyzer.push_tracks(SILENCE),
        lambda analyzer: analyzer.reset(),
        lambda analyzer: analyzer.channel_levels(),
        lambda analyzer: analyzer.sample_rate,
        lambda analyzer: analyzer.state_bytes,
        lambda analyzer: fastring.analyze_many([analyzer], [SILENCE]),
    ],
)
def test_an_analyzer_without_init_says_so(use: Any) -> None:
    with pytest.raises(TypeError, match=r"^Analyzer\.__init__\(\) was not called$"):
        use(fastring.Analyzer.__new__(fastring.Analyzer))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": "x"}, "sample_rate must be a number, not 'x'"),
        ({"sample_rate": 16_000, "channels": 1.5}, "channels must be a whole number, not 1.5"),
        ({"sample_rate": 16_000, "hop_ms": None}, "hop_ms must be a number, not None"),
        ({"sample_rate": 16_000, "tuning": {"onset_lag_hops": 1.5}}, "onset_lag_hops must be a whole number, not 1.5"),
    ],
)
def test_a_wrong_type_is_named_in_one_line(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        fastring.Analyzer(**arguments)
