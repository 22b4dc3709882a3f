from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastring.config import AnalysisSettings
from fastring.errors import AudioFormatError, BufferClosedError, ConfigError
from fastring.events import Analysis
from fastring.session.analysis import AnalysisSession

RATE = 44_100


def clicks(seconds: float, every_s: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A decaying burst of noise every `every_s`: clear onsets at known times."""
    rng = np.random.default_rng(7)
    samples = np.zeros(round(seconds * rate), np.float32)
    burst = (rng.standard_normal(rate // 20) * np.exp(-np.arange(rate // 20) / (rate / 100))).astype(np.float32) * 0.5
    for start in range(round(0.25 * rate), len(samples) - len(burst), round(every_s * rate)):
        samples[start : start + len(burst)] += burst
    return samples


def tone(seconds: float, hz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def play(session: AnalysisSession, samples: np.ndarray, chunk: int) -> list[tuple[float, Analysis]]:
    """Feed in real time; take whenever the session says that it is due."""
    taken: list[tuple[float, Analysis]] = []

    def take_until(now: float) -> None:
        while (due := session.next_deadline()) is not None and due <= now:
            analysis = session.take_analysis(due)
            assert analysis is not None
            taken.append((due, analysis))

    for begin in range(0, len(samples), chunk):
        arrives = (begin + chunk) / session.sample_rate
        take_until(arrives)
        session.receive_audio(samples[begin : begin + chunk], arrives)
        take_until(arrives)
    return taken


def test_the_rate_is_kept_exactly() -> None:
    times = [now for now, _ in play(AnalysisSession("a", sample_rate=RATE), tone(5.0), 1024)]
    assert 50 <= len(times) <= 51
    assert np.diff(times) == pytest.approx(0.1)


@pytest.mark.parametrize("update_hz", [1.0, 10.0, 100.0])
def test_audio_is_answered_within_one_interval(update_hz: float) -> None:
    session = AnalysisSession("a", sample_rate=RATE, settings=AnalysisSettings(update_hz=update_hz))
    for index in range(200):
        now = index * 0.003
        session.receive_audio(tone(0.003), now)
        due = session.next_deadline()
        assert due is not None
        assert due <= now + 1 / update_hz + 1e-9
        if due <= now:
            assert session.take_analysis(now) is not None


def test_a_late_timer_does_not_slow_the_rate_and_a_long_delay_is_not_made_up_for() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(tone(0.02), 0.0)
    assert session.take_analysis(0.0) is not None
    for turn in range(1, 5):  # each timer 20 ms late
        session.receive_audio(tone(0.02), turn * 0.1 - 0.05)
        assert session.next_deadline() == pytest.approx(turn * 0.1)
        assert session.take_analysis(turn * 0.1 + 0.02) is not None
    session.receive_audio(tone(0.02), 0.45)
    assert session.take_analysis(3.0) is not None
    session.receive_audio(tone(0.02), 3.01)
    assert session.next_deadline() == pytest.approx(3.1)


def test_one_chunk_and_its_answer_again_and_again() -> None:
    """A client that waits for each answer before it sends the next chunk, slower than real time."""
    session = AnalysisSession("a", sample_rate=RATE)
    now = 0.0
    for index in range(10):
        now += 0.7
        session.receive_audio(tone(1024 / RATE), now)
        assert session.next_deadline() == now
        analysis = session.take_analysis(now)
        assert analysis is not None
        assert analysis.end == (index + 1) * 1024
        assert session.next_deadline() is None
        assert session.take_analysis(now + 10) is None


def test_nothing_is_due_before_its_time() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(tone(0.02), 5.0)
    assert session.take_analysis(5.0) is not None
    session.receive_audio(tone(0.02), 5.02)
    assert session.next_deadline() == pytest.approx(5.1)
    assert session.take_analysis(5.09) is None
    assert session.take_analysis(5.1001) is not None


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 9000), min_size=1, max_size=40), update_hz=st.sampled_from([1.0, 10.0, 100.0]))
def test_no_onset_is_lost_or_told_twice_however_it_is_cut(cuts: list[int], update_hz: float) -> None:
    samples = clicks(3.0)
    whole = AnalysisSession("a", sample_rate=RATE)
    whole.receive_audio(samples, 0.0)
    expected = whole.take_pending()
    assert expected is not None
    assert len(expected.onsets) == 6

    session = AnalysisSession("b", sample_rate=RATE, settings=AnalysisSettings(update_hz=update_hz))
    told: list[int] = []
    position = index = 0
    while position < len(samples):
        chunk = samples[position : position + cuts[index % len(cuts)]]
        position, index = position + len(chunk), index + 1
        now = position / RATE
        session.receive_audio(chunk, now)
        analysis = session.take_analysis(now)
        told.extend(analysis.onsets if analysis else ())
    rest = session.take_pending()
    told.extend(rest.onsets if rest else ())
    assert tuple(told) == expected.onsets


def test_levels_cover_all_audio_since_the_last_message() -> None:
    samples = (np.random.default_rng(1).standard_normal(4410) * 0.1).astype(np.float32)
    session = AnalysisSession("a", sample_rate=RATE)
    for chunk in np.split(samples, [100, 1000, 1001, 4000]):
        session.receive_audio(chunk, 0.0)
    analysis = session.take_analysis(0.0)
    assert analysis is not None
    assert analysis.rms == pytest.approx(np.sqrt(np.mean(samples.astype(np.float64) ** 2)), rel=1e-5)
    assert analysis.energy == pytest.approx(np.sum(samples.astype(np.float64) ** 2), rel=1e-5)
    assert analysis.peak == pytest.approx(np.abs(samples).max())
    signs = np.signbit(samples)
    assert analysis.zero_crossing_rate * len(samples) == pytest.approx(np.sum(signs[1:] != signs[:-1]), abs=1)


def test_a_tone_is_measured() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(tone(1.0), 0.0)
    analysis = session.take_analysis(0.0)
    assert analysis is not None
    assert analysis.pitch == pytest.approx(440, rel=0.01)
    assert analysis.tempo is None
    assert analysis.rms == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    assert analysis.spectral_centroid == pytest.approx(440, rel=0.2)


def test_int16_and_channels_give_the_same_measurements() -> None:
    mono = tone(0.5)
    pcm = np.round(mono * 32767).astype(np.int16)
    stereo = np.repeat(pcm, 2)
    for samples, channels in ((pcm, 1), (stereo, 2), (stereo.reshape(-1, 2), 2)):
        session = AnalysisSession("a", sample_rate=RATE, channels=channels)
        session.receive_audio(samples, 0.0)
        result = session.take_analysis(0.0)
        assert result is not None
        assert result.end == len(mono)
        assert result.rms == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
        assert result.pitch == pytest.approx(440, rel=0.01)


def test_a_chunk_longer_than_the_ring_is_measured_whole() -> None:
    samples = clicks(3.0)
    small = AnalysisSession("a", sample_rate=RATE, settings=AnalysisSettings(ring_bytes=4096))
    small.receive_audio(samples, 0.0)
    analysis = small.take_analysis(0.0)
    assert analysis is not None
    assert (analysis.end, len(analysis.onsets), analysis.dropped) == (len(samples), 6, 0)


@pytest.mark.parametrize(
    ("samples", "channels"),
    [
        (np.zeros(3, np.float64), 1),
        (np.zeros(3, np.float32), 2),
        (np.zeros((4, 3), np.float32), 2),
        (np.zeros((2, 2, 2), np.float32), 2),
    ],
)
def test_bad_audio_is_refused_and_changes_nothing(samples: np.ndarray, channels: int) -> None:
    session = AnalysisSession("a", sample_rate=RATE, channels=channels)
    with pytest.raises(AudioFormatError):
        session.receive_audio(samples, 0.0)
    assert session.stats()["messages"] == 0
    assert session.next_deadline() is None


def test_empty_audio_is_no_news() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(np.zeros(0, np.float32), 0.0)
    assert session.next_deadline() is None
    assert session.take_pending() is None


def test_pause_lets_audio_pass_and_resume_goes_on_with_the_clock() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(tone(0.5), 0.0)
    session.pause()
    assert session.paused
    assert session.next_deadline() is None
    session.receive_audio(clicks(1.0), 0.5)
    assert session.take_pending() is None
    session.resume()
    session.resume()
    session.receive_audio(tone(0.5, 220.0), 1.5)
    analysis = session.take_analysis(1.5)
    assert analysis is not None
    assert (analysis.end, analysis.dropped) == (round(2.0 * RATE), 0)
    assert analysis.pitch == pytest.approx(220, rel=0.01)


def test_reset_forgets_the_measurements_but_not_the_time() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.receive_audio(clicks(1.0), 0.0)
    session.reset()
    assert session.take_pending() is None
    session.receive_audio(clicks(1.0), 1.0)
    analysis = session.take_analysis(1.0)
    assert analysis is not None
    assert analysis.end == 2 * RATE
    assert all(onset >= RATE for onset in analysis.onsets)
    assert len(analysis.onsets) == 2


def test_stats_have_the_fields_of_the_protocol() -> None:
    ticks = iter(np.arange(0, 1, 0.0001))
    session = AnalysisSession("mic", sample_rate=RATE, timer=lambda: float(next(ticks)))
    assert session.stats()["uptime_s"] == 0.0
    for index in range(10):
        session.receive_audio(tone(0.01), 100.0 + index)
    stats = session.stats(now=120.0)
    assert {"stream_id", "sample_rate", "channels", "buffer", "messages", "bytes", "analysis", "uptime_s"} <= set(stats)
    names = {"capacity_samples", "used_samples", "usage", "written", "read", "dropped", "overflows"}
    assert set(stats["buffer"]) == names
    assert stats["buffer"]["written"] == stats["buffer"]["read"] == 4410
    assert (stats["messages"], stats["bytes"], stats["uptime_s"]) == (10, 4410 * 4, 20.0)
    assert stats["analysis"]["count"] == 10
    assert stats["analysis"]["latency_us"] == {"p50": pytest.approx(100), "p99": pytest.approx(100)}
    assert session.stats()["uptime_s"] == 9.0


def test_closed_takes_no_more() -> None:
    session = AnalysisSession("a", sample_rate=RATE)
    session.close()
    with pytest.raises(BufferClosedError):
        session.receive_audio(tone(0.1), 0.0)


@pytest.mark.parametrize("rate", [0, 100, 1_000_000])
def test_a_bad_rate_is_refused(rate: int) -> None:
    with pytest.raises(ConfigError, match="rate"):
        AnalysisSession("a", sample_rate=rate)
