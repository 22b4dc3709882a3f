from __future__ import annotations

import threading
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.analysis.gate import CONTEXT_SAMPLES, FRAME_SAMPLES, EnergyGate, GateFrame
from fastring.errors import AudioFormatError, BusyError, ConfigError


def noise(level_db: float, frames: int, seed: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal((frames, FRAME_SAMPLES))
    return (samples * 10 ** (level_db / 20)).astype(np.float32).reshape(-1)


def pushed(gate: EnergyGate, samples: np.ndarray) -> list[GateFrame]:
    return gate.push(samples)


def share_open(frames: list[GateFrame]) -> float:
    return sum(frame.is_open for frame in frames) / len(frames)


def by_definition(samples: np.ndarray, hold_frames: int) -> list[tuple[bool, float, float, float, bool]]:
    """Frame by frame in double precision, as the docstring has it."""
    frames = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels = 10 * np.log10(np.maximum((frames.astype(np.float64) ** 2).mean(axis=1), 1e-12))
    negative = np.concatenate((samples[:1], samples)) < 0
    crossings = np.abs(np.diff(negative.astype(int)))[: frames.size].reshape(frames.shape)
    result, since_open = [], hold_frames + 1
    for i, level in enumerate(levels):
        floor = levels[max(0, i - 93) : i + 1].min()  # 94 frames of 32 ms: 3 s
        wanted = 2 if crossings[i].mean() > 0.25 else 4
        is_open = bool(level > -65 and (level > -20 or level > floor + wanted))
        since_open = 0 if is_open else since_open + 1
        result.append((is_open, level, floor, crossings[i].mean(), since_open <= hold_frames))
    return result


LEVELS_DB = st.lists(st.tuples(st.floats(-100, 0), st.integers(1, 60_000)), min_size=1, max_size=6)


def stretches(parts: list[tuple[float, int]]) -> np.ndarray:
    rng = np.random.default_rng(len(parts))
    audio = np.concatenate([rng.standard_normal(n) * 10 ** (level / 20) for level, n in parts])
    return (audio * 32768).clip(-32768, 32767).astype(np.int16)


@given(LEVELS_DB, st.integers(0, 12))
def test_frames_are_what_the_docstring_says(parts: list[tuple[float, int]], hold_frames: int) -> None:
    samples = stretches(parts)
    got = pushed(EnergyGate(hold_frames=hold_frames), samples)
    expected = by_definition(samples / 32768, hold_frames)
    assert len(got) == len(expected)
    for frame, (is_open, level, floor, rate, is_held) in zip(got, expected, strict=True):
        assert frame[1:4] == pytest.approx((level, floor, rate), abs=1e-4)
        if min(abs(level - edge) for edge in (-65, -20, floor + 2, floor + 4)) > 1e-4:
            assert (frame.is_open, frame.is_held) == (is_open, is_held)


@given(LEVELS_DB, st.lists(st.integers(0, 3000), max_size=20), st.sampled_from([np.int16, np.float32]))
def test_chunks_and_dtype_do_not_matter(parts: list[tuple[float, int]], cuts: list[int], dtype: type) -> None:
    samples = stretches(parts)
    whole = EnergyGate(hold_frames=3)
    expected = whole.push(samples) + whole.flush()
    signal = np.concatenate((np.zeros(CONTEXT_SAMPLES), samples / 32768, np.zeros(FRAME_SAMPLES)))
    gate, frames = EnergyGate(hold_frames=3), []
    given_as = samples if dtype is np.int16 else (samples / 32768).astype(np.float32)
    parts_given = np.split(given_as, np.minimum(np.cumsum(cuts), len(samples)))
    for some, audio in chain(map(gate.push_with_audio, parts_given), (gate.flush_with_audio() for _ in range(2))):
        assert (audio is not None) == any(frame.is_held for frame in some)
        if audio is not None:
            start = len(frames) * FRAME_SAMPLES
            assert audio.dtype == np.float32
            np.testing.assert_array_equal(audio, signal[start : start + len(audio)])
            assert len(audio) == CONTEXT_SAMPLES + len(some) * FRAME_SAMPLES
        frames += some
    assert frames == expected


def test_levels_are_dbfs() -> None:
    t = np.arange(4 * FRAME_SAMPLES) / 16_000
    frames = pushed(EnergyGate(), np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert len(frames) == 4
    for frame in frames:
        assert frame.level_db == pytest.approx(-3.01, abs=0.01)


def test_zero_crossings_are_counted_over_the_seams_of_frames() -> None:
    alternating = np.tile(np.array([100, -100], np.int16), 2 * FRAME_SAMPLES)
    first, second, *_ = pushed(EnergyGate(), alternating)
    assert (first.zero_crossing_rate, second.zero_crossing_rate) == (511 / 512, 1.0)  # nothing came before


def test_digital_silence_never_opens_it() -> None:
    frames = pushed(EnergyGate(), np.zeros(50 * FRAME_SAMPLES, np.float32))
    assert set(frames) == {GateFrame((False, -120.0, -120.0, 0.0, False))}


def test_steady_noise_closes_it_and_speech_above_it_opens_it() -> None:
    gate = EnergyGate()
    assert share_open(pushed(gate, noise(-45, 100))[10:]) < 0.02
    assert share_open(pushed(gate, noise(-30, 10))) == 1


def test_the_floor_is_the_least_level_of_three_seconds() -> None:
    gate = EnergyGate()
    pushed(gate, noise(-60, 5))
    assert pushed(gate, noise(-40, 80))[-1].floor_db == pytest.approx(-60, abs=1)
    assert pushed(gate, noise(-40, 30))[-1].floor_db == pytest.approx(-40, abs=1)


def test_it_opens_again_after_loud_noise_has_gone() -> None:
    gate = EnergyGate()
    pushed(gate, noise(-30, 200))
    pushed(gate, noise(-60, 100))
    assert share_open(pushed(gate, noise(-45, 5))) == 1


def test_nan_is_silence_that_is_counted() -> None:
    gate = EnergyGate()
    frames = pushed(gate, np.full(2 * FRAME_SAMPLES, np.nan, np.float32))
    assert [frame.level_db for frame in frames] == [-120, -120]
    assert gate.non_finite_samples == 2 * FRAME_SAMPLES
    assert pushed(gate, noise(-30, 1))[0].is_open


def test_a_reset_gate_is_a_new_one() -> None:
    gate = EnergyGate(hold_frames=5)
    gate.push(noise(-10, 3)[:-7])
    gate.reset()
    assert pushed(gate, noise(-50, 8)) == pushed(EnergyGate(hold_frames=5), noise(-50, 8))


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(512),
        np.zeros((512, 2), np.float32),
        np.zeros(1024, np.int16)[::2],
        np.zeros(512, ">i2"),
        b"\0" * 1024,
        [0.0] * 512,
        None,
    ],
    ids=["float64", "two channels", "strided", "big-endian", "bytes", "list", "None"],
)
def test_what_is_no_mono_audio_is_refused_and_not_taken(samples: object) -> None:
    gate = EnergyGate()
    with pytest.raises(AudioFormatError):
        gate.push(samples)  # type: ignore[arg-type]
    with pytest.raises(AudioFormatError):
        gate.push_with_audio(samples)  # type: ignore[arg-type]
    assert gate.flush_with_audio() == ([], None)


def test_arguments_are_checked() -> None:
    with pytest.raises(ConfigError, match="frame_samples must be 320 to 4096, not 100"):
        EnergyGate(frame_samples=100)
    with pytest.raises(ConfigError, match="hold_frames must be 0 to 1000, not -1"):
        EnergyGate(hold_frames=-1)
    with pytest.raises(ConfigError, match="sample_rate"):
        EnergyGate(4000)
    with pytest.raises(ConfigError, match=r"high_pass_hz must be in 0\.\.200, not 300"):
        EnergyGate(high_pass_hz=300)
    with pytest.raises(TypeError, match="exactly one argument"):
        EnergyGate().push()  # type: ignore[call-arg]


def test_a_quiet_fricative_passes_closer_to_the_floor_than_a_hum() -> None:
    def ratio_open(signal: np.ndarray) -> float:
        gate = EnergyGate()
        gate.push(noise(-50, 100))
        return share_open(gate.push(signal.astype(np.float32)))

    t = np.arange(20 * FRAME_SAMPLES) / 16_000
    hum = 10 ** (-47.2 / 20) * np.sqrt(2) * np.sin(2 * np.pi * 120 * t)
    assert ratio_open(noise(-47.2, 20)) == 1
    assert ratio_open(hum) == 0


def without_offset(samples: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """The high pass as the header has it, sample by sample in double precision."""
    keep = np.exp(-2 * np.pi * cutoff_hz / 16_000)
    offset, out = samples[:FRAME_SAMPLES].mean(dtype=np.float64), []
    for sample in samples.astype(np.float64):
        out.append(sample - offset)
        offset = keep * offset + (1 - keep) * sample
    return np.array(out)


def test_the_high_pass_is_what_the_header_says() -> None:
    samples = noise(-18, 6) + np.float32(0.25)
    gate = EnergyGate(high_pass_hz=20)
    frames, audio = gate.push_with_audio(samples)
    assert audio is not None
    np.testing.assert_allclose(audio[CONTEXT_SAMPLES:], without_offset(samples, 20), atol=1e-6)
    assert [frame.level_db for frame in frames] == pytest.approx([-18] * 6, abs=1)
    assert EnergyGate().push(samples)[0].level_db == pytest.approx(-11.1, abs=0.5)


@given(LEVELS_DB, st.lists(st.integers(0, 3000), max_size=20))
def test_chunks_do_not_matter_to_the_high_pass(parts: list[tuple[float, int]], cuts: list[int]) -> None:
    samples = stretches(parts) // 2 + 2000
    whole, gate = EnergyGate(high_pass_hz=20), EnergyGate(high_pass_hz=20)
    expected = whole.push(samples) + whole.flush()
    pieces = np.split(samples, np.minimum(np.cumsum(cuts), len(samples)))
    assert [frame for piece in pieces for frame in gate.push(piece)] + gate.flush() == expected


def test_behind_the_high_pass_an_offset_that_ends_in_a_frame_is_still_silence() -> None:
    gate = EnergyGate(high_pass_hz=20)
    frames = gate.push(np.full(10 * FRAME_SAMPLES + 100, 2000, np.int16)) + gate.flush()
    assert len(frames) == 11
    assert not any(frame.is_open for frame in frames)
    gate.push(np.full(FRAME_SAMPLES, np.nan, np.float32))
    assert gate.non_finite_samples == FRAME_SAMPLES


def test_frames_are_32_ms_at_every_rate() -> None:
    assert [EnergyGate(rate).frame_samples for rate in (8000, 16000, 44100)] == [256, 512, 1411]
    assert EnergyGate(frame_samples=320).frame_samples == 320


def test_many_frames_at_once_are_those_of_one_at_a_time() -> None:
    samples = np.concatenate([noise(level, 70) for level in (-70, -40, -55)])
    gate = EnergyGate(hold_frames=2)
    one_by_one = [frame for start in range(0, len(samples), 512) for frame in gate.push(samples[start : start + 512])]
    assert EnergyGate(hold_frames=2).push(samples) == one_by_one


def test_the_state_is_small() -> None:
    assert EnergyGate().state_bytes <= 1024 + 4 * FRAME_SAMPLES


def test_two_threads_in_one_gate_get_an_error() -> None:
    gate = EnergyGate()
    audio = np.zeros(1 << 22, np.float32)  # long enough that the GIL is released
    refused: list[BusyError] = []
    start = threading.Barrier(4)

    def push() -> None:
        start.wait()
        for _ in range(100):  # a busy machine may run the threads one after another
            try:
                gate.push(audio)
            except BusyError as error:
                refused.append(error)
            if refused:
                return

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused
    assert "EnergyGate" in str(refused[0])
    assert len(gate.push(audio)) == len(audio) // FRAME_SAMPLES


def test_a_gate_without_init_says_so() -> None:
    gate = EnergyGate.__new__(EnergyGate)
    for use in (lambda: gate.push(np.zeros(512, np.float32)), gate.flush, gate.reset, lambda: gate.frame_samples):
        with pytest.raises(TypeError, match=r"EnergyGate\.__init__\(\) was not called$"):
            use()


def test_a_wrong_type_is_named_in_one_line() -> None:
    with pytest.raises(TypeError, match=r"^hold_frames must be a whole number, not 1\.5$"):
        EnergyGate(hold_frames=1.5)  # type: ignore[arg-type]


def test_a_gate_shows_what_it_is() -> None:
    assert repr(EnergyGate(16000, hold_frames=8)) == "<EnergyGate frames of 512 samples, held for 8>"
