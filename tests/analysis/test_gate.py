from __future__ import annotations

import numpy as np
import pytest

from fastring.analysis.gate import FRAME_SAMPLES, EnergyGate, GateFrame


def noise(level_db: float, frames: int, seed: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal((frames, FRAME_SAMPLES))
    return (samples * 10 ** (level_db / 20)).astype(np.float32)


def pushed(gate: EnergyGate, frames: np.ndarray) -> list[GateFrame]:
    return gate.push(frames.reshape(-1))


def share_open(frames: list[GateFrame]) -> float:
    return sum(frame.is_open for frame in frames) / len(frames)


def test_levels_are_dbfs() -> None:
    t = np.arange(4 * FRAME_SAMPLES) / 16_000
    sine = np.sin(2 * np.pi * 1000 * t).astype(np.float32).reshape(-1, FRAME_SAMPLES)
    for frame in pushed(EnergyGate(), sine):
        assert frame.level_db == pytest.approx(-3.01, abs=0.01)


def test_digital_silence_never_opens_it() -> None:
    frames = pushed(EnergyGate(), np.zeros((50, FRAME_SAMPLES), np.float32))
    assert set(frames) == {GateFrame(False, -120.0, -120.0)}


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


def test_any_cut_gives_the_same_frames() -> None:
    x = (noise(-30, 40) * 32768).astype(np.int16).reshape(-1)
    whole = EnergyGate().push(x)
    gate = EnergyGate()
    assert [f for start in range(0, len(x), 333) for f in gate.push(x[start : start + 333])] == whole
    gate.reset()
    assert gate.push(x) == whole


def test_a_quiet_fricative_passes_closer_to_the_floor_than_a_hum() -> None:
    def ratio_open(signal: np.ndarray) -> float:
        gate = EnergyGate()
        gate.push(noise(-50, 100).reshape(-1))
        return share_open(gate.push(signal.astype(np.float32)))

    t = np.arange(20 * FRAME_SAMPLES) / 16_000
    above = 10 ** (-47.2 / 20)
    hiss = noise(-47.2, 20).reshape(-1)
    hum = above * np.sqrt(2) * np.sin(2 * np.pi * 120 * t)
    assert ratio_open(hiss) == 1
    assert ratio_open(hum) == 0


def test_frames_are_32_ms_at_every_rate() -> None:
    assert [EnergyGate(rate).frame_samples for rate in (8000, 16000, 44100)] == [256, 512, 1411]
    with pytest.raises(ValueError, match="sample_rate"):
        EnergyGate(4000)
