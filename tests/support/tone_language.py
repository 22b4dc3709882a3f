"""A language of tones: each word a burst at a pitch of its own, so that an honest listener is thirty lines of NumPy.

Tests of engines and services need speech whose words are certain, and a listener that hears the audio it is given and
nothing else: what is lost, doubled or out of order on the way shows in the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastring.asr.transcriber import Capabilities, Hypothesis
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastring.asr.transcriber import Job

RATE = 16_000
WORDS = [f"{a}{b}" for a in ("ba", "de", "ki", "lo", "mu") for b in ("na", "po", "ri", "se", "tu")]
WORD_S = 0.2
GAP_S = 0.05
_FRAME = 160
_LOUD = 0.02
_SHORTEST_FRAMES = 6


def _pitch(number: int) -> float:
    return 300.0 + 100.0 * number


def say(plan: Sequence[float | str]) -> NDArray[np.int16]:
    """Pauses (seconds) and texts, as 16 kHz PCM16."""
    parts: list[NDArray[np.float64]] = []
    for item in plan:
        for text in item.split() if isinstance(item, str) else [None]:
            if text is None:
                parts.append(np.zeros(round(float(item) * RATE)))
                continue
            time = np.arange(round(WORD_S * RATE)) / RATE
            burst = 0.3 * np.sin(2 * np.pi * _pitch(WORDS.index(text)) * time)
            parts += [burst * np.minimum(1, np.minimum(time, WORD_S - time) / 0.005), np.zeros(round(GAP_S * RATE))]
    return (np.concatenate(parts) * 32767).astype(np.int16)


def hear(samples: NDArray[np.float32]) -> list[Word]:
    """The words in the audio, with times from its start; a word that is cut off counts from 60 ms on."""
    n_frames = -(-len(samples) // _FRAME)
    padded = np.zeros(n_frames * _FRAME, np.float32)
    padded[: len(samples)] = samples
    loud = np.abs(padded.reshape(n_frames, _FRAME)).max(axis=1, initial=0) > _LOUD
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(np.int8), [0]))))
    words = []
    for first, last in edges.reshape(-1, 2):
        if last - first < _SHORTEST_FRAMES:
            continue
        burst = padded[first * _FRAME : last * _FRAME]
        pitch = int(np.argmax(np.abs(np.fft.rfft(burst, RATE))))
        number = min(max(round((pitch - 300) / 100), 0), len(WORDS) - 1)
        words.append(Word(WORDS[number], int(first) * _FRAME, min(int(last) * _FRAME, len(samples)), 0.9))
    return words


class ToneTranscriber:
    """An engine that knows the language: whole segments, from nothing."""

    def __init__(self, name: str = "tones", concurrency: int = 2) -> None:
        self.capabilities = Capabilities(engine=name, model="tones", concurrency=concurrency)
        self.jobs: list[Job] = []
        self.closed = False

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        self.jobs += jobs
        return [
            Hypothesis(
                tuple(
                    Word(word.text, job.start + word.start, job.start + word.end, word.confidence)
                    for word in hear(job.samples)
                )
            )
            for job in jobs
        ]

    def forget(self, stream_id: str) -> None:
        pass

    def close(self) -> None:
        self.closed = True
