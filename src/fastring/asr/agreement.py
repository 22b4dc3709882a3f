"""LocalAgreement-2: which words of successive hypotheses of one segment are stable. Pure.

A segment is decoded again and again while it grows. A word becomes stable when two hypotheses in a row say it at the
same place (D. Liu, G. Spanakis, J. Niehues, "Low-latency sequence-to-sequence speech recognition and translation by
partial hypothesis selection", Interspeech 2020; D. Macháček et al., "Turning Whisper into real-time transcription
system", 2023). What is stable keeps its text, times and confidence for ever; the tail after it may change.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.events import Word

__all__ = ["Agreement", "cut_repetitions", "normalise"]

_SURE: Final = 0.75  # confidence in both hypotheses with which a word is stable at once
_LONGEST_LOOP: Final = 6  # words
_LEAST_REPEATS: Final = 3
_FASTEST_WORD_SAMPLES: Final = 1600  # 100 ms at 16 kHz: nobody says word after word faster


@lru_cache(maxsize=4096)
def normalise(word: str) -> str:
    """What two spellings of one word have in common: no case, no punctuation, one Unicode form (NFKC)."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return re.sub(r"[^\w']+", "", folded) or folded.strip()


class Agreement:
    """The words of one segment.

    Args:
        onset: sample where its speech begins; no word starts before it.
    """

    def __init__(self, onset: int) -> None:
        self._onset = onset
        self._stable: list[Word] = []
        self._tail: list[Word] = []
        self._agreed: list[int] = []  # for each word of the tail, how often in a row it was confirmed

    @property
    def stable(self) -> tuple[Word, ...]:
        """Words that will not change any more."""
        return tuple(self._stable)

    @property
    def words(self) -> tuple[Word, ...]:
        """The stable words and the tail of the last hypothesis."""
        return (*self._stable, *self._tail)

    def push(self, hypothesis: Sequence[Word], end: int) -> None:
        """Take the next hypothesis of the segment, decoded up to sample `end`.

        Words on which it agrees with the one before, from the stable words on, become stable; of those that the engine
        doubts, and what follows them, only if the next agrees too.
        """
        tail = self._after_stable(self._tidy(hypothesis, end))
        agreements = self._agreements(tail)
        settled = 0
        while settled < len(tail) and agreements[settled] >= self._wanted(tail, settled):
            settled += 1
        self._stable += [replace(word, stable=True) for word in tail[:settled]]
        self._tail, self._agreed = tail[settled:], agreements[settled:]

    def close(self, hypothesis: Sequence[Word], end: int) -> tuple[Word, ...]:
        """Take the last hypothesis, over the whole segment: its words after the stable ones become stable too."""
        tail = self._after_stable(self._tidy(hypothesis, end))
        self._stable += [replace(word, stable=True) for word in tail]
        self._tail, self._agreed = [], []
        return self.stable

    def give_up(self) -> tuple[Word, ...]:
        """No last hypothesis will come: what was heard so far is all there is."""
        return self.close(self.words, max((word.end for word in self.words), default=self._onset))

    def _agreements(self, tail: Sequence[Word]) -> list[int]:
        """For each word how often in a row it was said, the first time not counted; 0 from the first new word on."""
        agreements = [0] * len(tail)
        for i, (word, before) in enumerate(zip(tail, self._tail, strict=False)):
            if not _same(word, before):
                break
            agreements[i] = self._agreed[i] + 1
        return agreements

    def _wanted(self, tail: Sequence[Word], i: int) -> int:
        """How often a word must be confirmed: a doubtful one twice."""
        before = self._tail[i].confidence if i < len(self._tail) else 0.0
        return 1 if min(tail[i].confidence, before) >= _SURE else 2

    def _tidy(self, hypothesis: Sequence[Word], end: int) -> list[Word]:
        """Words in time: none before the onset or after the audio, none over another, no loops."""
        tidy: list[Word] = []
        earliest = self._onset
        for word in hypothesis:
            if not word.text.strip() or (word.start >= end and tidy):
                continue
            start = min(max(word.start, earliest), end)
            stop = min(max(word.end, start), end)
            tidy.append(replace(word, text=word.text.strip(), start=start, end=stop, stable=False))
            earliest = stop
        return cut_repetitions(tidy)

    def _after_stable(self, hypothesis: list[Word]) -> list[Word]:
        """The words that follow the stable ones, which the hypothesis may spell, split or miss otherwise."""
        if not self._stable:
            return hypothesis
        tail = hypothesis[_aligned_length(self._stable, hypothesis) :]
        earliest = self._stable[-1].end
        moved = []
        for word in tail:
            start = max(word.start, earliest)
            moved.append(replace(word, start=start, end=max(word.end, start)))
            earliest = moved[-1].end
        return moved


def cut_repetitions(words: Sequence[Word]) -> list[Word]:
    """Drop what a model says when it is caught in a loop: the same words over and over, faster than anyone speaks.

    Repetition at a human pace stays: people do say "no no no", and numbers do have four zeros.
    """
    kept: list[Word] = []
    i = 0
    while i < len(words):
        length, repeats = _loop_at(words, i)
        loop = words[i : i + length * repeats]
        if repeats >= _LEAST_REPEATS and loop[-1].end - loop[0].start < _FASTEST_WORD_SAMPLES * len(loop):
            kept += loop[:length]
            i += len(loop)
        else:
            kept.append(words[i])
            i += 1
    return kept


def _loop_at(words: Sequence[Word], i: int) -> tuple[int, int]:
    best = (1, 1)
    for length in range(1, _LONGEST_LOOP + 1):
        first = [normalise(word.text) for word in words[i : i + length]]
        repeats = 1
        while [normalise(w.text) for w in words[i + repeats * length : i + (repeats + 1) * length]] == first:
            repeats += 1
        if len(first) == length and repeats >= _LEAST_REPEATS and length * repeats > best[0] * best[1]:
            best = (length, repeats)
    return best


def _same(a: Word, b: Word) -> bool:
    return normalise(a.text) == normalise(b.text)


def _aligned_length(stable: Sequence[Word], hypothesis: Sequence[Word]) -> int:
    """How many words of the hypothesis tell what `stable` tells: least edit distance, then nearest end in time."""
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(stable, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, start=1):
            diagonal, row[j] = row[j], min(diagonal + (not _same(word, other)), row[j] + 1, row[j - 1] + 1)
    end = stable[-1].end

    def badness(j: int) -> tuple[int, int]:
        return row[j], abs((hypothesis[j - 1].end if j else stable[0].start) - end)

    return min(range(len(row)), key=badness)
