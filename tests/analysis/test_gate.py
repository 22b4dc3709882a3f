from __future__ import annotations

import numpy as np
import pytest

from fastring.analysis.gate import FRAME_SAMPLES, EnergyGate


def noise(level_db: float, frames: int, seed: int = 1) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal((frames, FRAME_SAMPLES))
    return (samples * 10 ** (level_db / 20)).astype(np.float32)


def test_levels_are_dbfs() -> None:
    t = np.arange(4 * FRAME_SAMPLES) / 16_000
    sine = np.sin(2 * np.pi * 1000 * t).astype(np.float32).reshape(-1, FRAME_SAMPLES)
    _, levels, _ = EnergyGate().push(sine)
    assert levels == pytest.approx(-3.01, abs=0.01)


def test_digital_silence_never_opens_it() -> None:
    is_open, levels, _ = EnergyGate().push(np.zeros((50, FRAME_SAMPLES), np.float32))
    assert not is_open.any()
    assert (levels == -120).all()


def test_steady_noise_closes_it_and_speech_above_it_opens_it() -> None:
    gate = EnergyGate()
    is_open, _, _ = gate.push(noise(-45, 100))
    assert is_open[10:].mean() < 0.02
    is_open, _, _ = gate.push(noise(-30, 10))
    assert is_open.all()


def test_it_opens_again_after_loud_noise_has_gone() -> None:
    gate = EnergyGate()
    gate.push(noise(-30, 200))
    gate.push(noise(-60, 100))
    is_open, _, _ = gate.push(noise(-45, 5))
    assert is_open.all()


def test_chunks_do_not_matter() -> None:
    frames = np.concatenate([noise(-50, 20), noise(-25, 20, 2), noise(-50, 120, 3)])
    gate, pieces = EnergyGate(), EnergyGate()
    whole, _, _ = gate.push(frames)
    parts = [pieces.push(part)[0] for part in np.split(frames, [1, 7, 30, 31, 100])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
