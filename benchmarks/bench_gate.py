"""What a 20 ms message costs while the energy gate is closed: the gate alone, and the whole speech detector."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from interleave import Comparison, Contestant

from fastring.analysis.detector import Frame, SpeechDetector
from fastring.analysis.gate import FRAME_SAMPLES, EnergyGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MESSAGE_SAMPLES = 320  # 20 ms at 16 kHz
MESSAGES = 8  # five frames: what a message costs on average
CLOSED_LIMIT_NS = 2_000
NOISE = (np.random.default_rng(1).standard_normal((MESSAGES, MESSAGE_SAMPLES)) * 10).astype(np.int16)


class NumpyGate:
    """The same frames, levels and decisions in NumPy and plain Python."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._lowest: deque[tuple[int, float]] = deque()
        self._frame = 0

    def push(self, samples: NDArray[np.int16]) -> list[Frame]:
        """Take a chunk; the frames it completes."""
        samples = np.concatenate((self._rest, samples))
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        self._rest = samples[whole:].copy()
        frames = samples[:whole].astype(np.float32) * np.float32(1 / 32768)
        return [self._measure(frame) for frame in frames.reshape(-1, FRAME_SAMPLES)]

    def _measure(self, frame: NDArray[np.float32]) -> Frame:
        level = 10 * math.log10(max(float(np.dot(frame, frame)) / FRAME_SAMPLES, 1e-12))
        while self._lowest and self._lowest[-1][1] >= level:
            self._lowest.pop()
        self._lowest.append((self._frame, level))
        if self._lowest[0][0] <= self._frame - 94:
            self._lowest.popleft()
        self._frame += 1
        rate = np.count_nonzero(np.diff(np.signbit(frame))) / FRAME_SAMPLES
        above = level - self._lowest[0][1]
        is_open = level > -65 and (level > -20 or above > (2 if rate > 0.25 else 4))
        return Frame(level, float(is_open), False)


class NeverAsked:
    """A voice detector that the gate keeps from being asked."""

    def score(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Fails: nothing here is loud enough."""
        raise AssertionError(f"{len(frames)} frames of faint noise were scored")

    def skip(self, samples: NDArray[np.float32]) -> None:
        """Fails likewise."""
        raise AssertionError(f"{len(samples)} samples were skipped")


def contestant(name: str, push: Callable[[NDArray[np.int16]], Any], messages: NDArray[Any] = NOISE) -> Contestant:
    """Eight messages at a time; the answer is the frames they completed."""
    names = {"push": push, "messages": list(messages)}
    return Contestant(name, "for message in messages: push(message)", "[push(message) for message in messages]", names)


def contestants() -> list[Contestant]:
    """New streams each time, so that their answers can be compared."""
    as_float = NOISE.astype(np.float32) / 32768
    return [
        contestant("fastring detector", SpeechDetector(NeverAsked()).push),
        contestant("fastring gate", EnergyGate(hold_frames=10).push_with_audio),
        contestant("fastring gate, float32", EnergyGate(hold_frames=10).push_with_audio, as_float),
        contestant("NumPy", NumpyGate().push),
    ]


COMPARISONS = [
    Comparison("8 × 20 ms behind a closed gate, detector", contestants(), "fastring detector", "NumPy", 4),
    Comparison("8 × 20 ms behind a closed gate, gate alone", contestants(), "fastring gate", "NumPy", 8),
]


def levels(answer: list[Any]) -> list[float]:
    """The levels of all frames, whether they come as frames or with their audio."""
    frames = [frame for message in answer for frame in (message[0] if isinstance(message, tuple) else message)]
    return [frame.level_db for frame in frames]


@pytest.mark.parametrize("comparison", COMPARISONS, ids=[c.title for c in COMPARISONS])
def test_ratio(comparison: Comparison) -> None:
    expected = levels(contestants()[-1].run())
    assert len(expected) == MESSAGES * MESSAGE_SAMPLES // FRAME_SAMPLES
    for fresh in contestants():
        assert levels(fresh.run()) == pytest.approx(expected, abs=0.05)  # the detector takes away what lies under 5 Hz
    ratio, figures = comparison.measure()
    assert ratio >= comparison.goal, figures


def test_a_closed_gate_costs_less_than_two_microseconds_a_message() -> None:
    figures = COMPARISONS[0].measure()[1]
    assert figures["fastring detector"].min_ns / MESSAGES <= CLOSED_LIMIT_NS, figures
