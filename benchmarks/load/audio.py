"""What the crowd sends: real digits with the share of speech that is asked for, and how much of it the gate lets in."""

from __future__ import annotations

import wave

import numpy as np
import numpy.typing as npt

from fastring.analysis.gate import EnergyGate
from fastring.recordings import Recording, recording, recordings

__all__ = ["held_share", "loop_of"]

RATE = 16_000
LOOP_S = 30
TURN_S = 3.0  # of speech at a time, words back to back
Samples = npt.NDArray[np.int16]


def loop_of(speech_share: float) -> Samples:
    """Half a minute to be sent over and over: turns of speech between stretches of a quiet room, int16 at 16 kHz."""
    quiet = _samples(recording("silence"))
    words = np.concatenate([_words(item) for item in recordings() if item.words])
    length = LOOP_S * RATE
    if speech_share >= 1:
        return np.resize(words, length)
    out = np.resize(quiet, length)
    turn = round(TURN_S * RATE)
    turns = round(speech_share * length / turn)
    for k in range(turns):
        start = (2 * k + 1) * length // (2 * turns) - turn // 2
        out[start : start + turn] = np.roll(words, -k * turn)[:turn]
    return out


def held_share(samples: Samples) -> float:
    """Share of the frames that the voice detector is run on."""
    frames = EnergyGate(hold_frames=10, high_pass_hz=5.0).push(samples)
    return sum(frame.is_held for frame in frames) / len(frames)


def _words(item: Recording) -> Samples:
    samples = _samples(item)
    return np.concatenate([samples[round(w.start_s * RATE) : round(w.end_s * RATE)] for w in item.words])


def _samples(item: Recording) -> Samples:
    with wave.open(str(item.path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")
