"""From an engine's raw word pieces to words a session can send: joined, placed on real sound, loops cut.

Pure functions over `Piece`; times in seconds from the start of the audio.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Piece", "cut_loops", "join_pieces", "sounding_s", "tighten"]

# Languages whose words are not divided by spaces.
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})

_CLOSING = frozenset(string.punctuation + "。，！？：；”’）】》、…")
_FRAME_S = 0.01
_DIGITAL_SILENCE = 1e-10  # power; padding says nothing about the noise floor
_NO_TIME_S = 0.02  # the least step of the alignment: the word was heard nowhere
_PAUSE_FRAMES = 20  # stop consonants close for up to some 150 ms


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, or a part of one, as the engine's tokenizer cut it; a leading space begins a word."""

    text: str
    start_s: float
    end_s: float
    confidence: float


def join_pieces(pieces: Sequence[Piece], *, spaced: bool) -> list[Piece]:
    """Whole words, stripped: punctuation joins the word before it, and so does what has no space in front.

    Args:
        pieces: in order of time.
        spaced: False for languages without spaces, where every piece but punctuation is a word.
    """
    words: list[Piece] = []
    for piece in pieces:
        text = piece.text.strip()
        if not text:
            continue
        mark = all(character in _CLOSING for character in text)
        glued = words and not piece.text.startswith(" ") and (spaced or mark)
        if not glued:
            words.append(replace(piece, text=text))
            continue
        before = words[-1]
        words[-1] = Piece(
            before.text + text,
            before.start_s,
            before.end_s if mark else max(before.end_s, piece.end_s),
            before.confidence if mark else min(before.confidence, piece.confidence),
        )
    return words


def cut_loops(words: Sequence[Piece], *, repetitive: bool) -> list[Piece]:
    """The words without the loops that a decoder falls into: of such a loop only the first round is kept.

    A loop is a phrase said three times or more in a row, six words or more in all, faster than anybody speaks; or a
    phrase of two words or more that is said again with a word in it that took no time; or, in text that compresses too
    well (`repetitive`), four times or more and twelve words or more at any speed.
    """
    kept: list[Piece] = []
    at = 0
    while at < len(words):
        length, times = _longest_loop(words, at)
        span = words[at : at + length * times]
        too_fast = times >= 3 and len(span) >= 6 and span[-1].end_s - span[0].start_s < 0.1 * len(span)
        no_time = length >= 2 and any(word.end_s - word.start_s < _NO_TIME_S for word in span[length:])
        if too_fast or no_time or (repetitive and times >= 4 and len(span) >= 12):
            kept.extend(span[:length])
            at += len(span)
        else:
            kept.append(words[at])
            at += 1
    return kept


def _longest_loop(words: Sequence[Piece], at: int, longest_phrase: int = 12) -> tuple[int, int]:
    """Length of the phrase and how often it stands in a row, from word `at`, where that covers most words."""
    texts = [word.text.casefold().strip(string.punctuation) for word in words[at:]]
    best = (1, 1)
    for length in range(1, min(longest_phrase, len(texts) // 2) + 1):
        phrase, times = texts[:length], 1
        while texts[times * length : (times + 1) * length] == phrase:
            times += 1
        if times > 1 and times * length > best[0] * best[1]:
            best = (length, times)
    return best


def tighten(words: Sequence[Piece], samples: NDArray[np.float32], sample_rate: int) -> list[Piece]:
    """The words with their spans shrunk to where there is sound, in order, inside the audio and not overlapping.

    Whisper's alignment begins its first word where the audio begins, and ends a word where the next one starts.

    Args:
        words: in order of time.
        samples: float32, shape (n,), the audio they were heard in.
        sample_rate: of `samples`, in Hz.
    """
    power = _sounding_power(samples, sample_rate)
    duration_s = len(samples) / sample_rate
    placed: list[Piece] = []
    earliest_s = 0.0
    for word in words:
        start_s = min(max(word.start_s, earliest_s), duration_s)
        end_s = min(max(word.end_s, start_s), duration_s)
        start_s, end_s = _shrink(start_s, end_s, power)
        placed.append(replace(word, start_s=start_s, end_s=end_s))
        earliest_s = end_s
    return placed


def sounding_s(samples: NDArray[np.float32], sample_rate: int, *, after_s: float) -> float:
    """How much of the audio after a time is sound, in seconds, judged against the whole of it."""
    power = _sounding_power(samples, sample_rate)[int(after_s / _FRAME_S) :]
    return int(np.count_nonzero(power)) * _FRAME_S


def _shrink(start_s: float, end_s: float, power: NDArray[np.float64]) -> tuple[float, float]:
    """The loudest stretch of sound in the span; a word holds no pause longer than `_PAUSE_FRAMES`."""
    first, last = int(start_s / _FRAME_S), int(end_s / _FRAME_S + 0.999)
    sounding = np.flatnonzero(power[first:last])
    if not len(sounding):
        return start_s, end_s
    stretches = np.split(sounding, np.flatnonzero(np.diff(sounding) > _PAUSE_FRAMES) + 1)
    loudest = max(stretches, key=lambda stretch: float(power[first + stretch].sum()))
    return (
        max(start_s, (first + int(loudest[0])) * _FRAME_S),
        min(end_s, (first + int(loudest[-1]) + 1) * _FRAME_S),
    )


def _sounding_power(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Power of each frame of 10 ms; 0 where it is under the floor + 10 dB, or 40 dB under the loudest frame.

    What is less than 13 dB under the loudest frame is sound, however high the floor.
    """
    hop = max(1, int(sample_rate * _FRAME_S))
    n_frames = max(1, len(samples) // hop)
    frames = samples[: n_frames * hop].reshape(n_frames, -1)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    above_zero = power[power > _DIGITAL_SILENCE]
    floor = float(np.percentile(above_zero, 10)) if len(above_zero) else 0.0
    loudest = float(power.max())
    threshold = max(min(floor * 10, loudest * 0.05), loudest * 1e-4)
    return np.where(power >= threshold, power, 0.0)
