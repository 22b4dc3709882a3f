"""Which word that was heard stands for which word of the reference: edit distance over words, by rapidfuzz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from fastring.errors import ConfigError
from fastring.recitation.spelling import comparable, spellings, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PENDING", "Aligner", "Alignment", "Match", "Reference", "Verdict"]

Verdict = Literal["correct", "minor_mistake", "wrong", "missing", "pending"]

_WEIGHT: Final = 1.5  # two words this unlike (1 - 1/1.5 = a third alike) count as one missing and one extra


@dataclass(frozen=True, slots=True)
class Match:
    """What became of one word of the reference; `heard` is what was said in its place, "" if nothing was."""

    verdict: Verdict
    heard: str = ""


_MISSING: Final = Match("missing")
PENDING: Final = Match("pending")
"""Of every word that is not reached: the same object, so that what has not changed is quickly found."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """One verdict for each word of the reference, in order, and the words that stand for none."""

    matches: tuple[Match, ...]
    extra: tuple[str, ...]


class Reference:
    """A text that is recited.

    Args:
        text: of one word or more.

    Attributes:
        words: as written, without bare punctuation.

    Raises:
        ConfigError: there is no word in it.
    """

    def __init__(self, text: str) -> None:
        self.words = tuple(words_of(text))
        if not self.words:
            raise ConfigError(f"reference {text[:60]!r} holds no word")
        self._forms = tuple(spellings(word) for word in self.words)
        self._first = [forms[0] for forms in self._forms]
        self._second = [(index, forms[1]) for index, forms in enumerate(self._forms) if len(forms) > 1]

    def __len__(self) -> int:
        return len(self.words)

    def keys_for(self, heard: Sequence[str], reached: int) -> list[str]:
        """The form for comparing of each of the first words: of several spellings the one that was heard."""
        said, keys = set(heard), self._first[:reached]
        for index, form in self._second:
            if index < reached and keys[index] not in said and form in said:
                keys[index] = form
        return keys

    def likeness(self, key: str) -> NDArray[np.float64]:
        """How alike each word is to one that was heard, 0..1, shape (words,)."""
        alike = _likenesses(key, self._first)
        if self._second:
            places = [index for index, _ in self._second]
            alike[places] = np.maximum(alike[places], _likenesses(key, [form for _, form in self._second]))
        return alike

    def verdict(self, index: int, key: str, minor: float) -> Verdict:
        """What a word that was heard in the place of this one is."""
        likeness = _likeness(self._forms[index], key)
        return "correct" if likeness == 1.0 else "minor_mistake" if likeness >= minor else "wrong"


class Aligner:
    """Aligns what was heard so far with one reference, again and again as more is heard.

    The distance is Levenshtein's over normalised words (insertions, deletions, substitutions count 1). While the
    recitation goes on, the end of the reference is free: the prefix of it that fits best is what has been reached, and
    the words after it are pending. Work for a call is that of the words that are not settled, not of all of them.

    Args:
        reference: what should be said.
        minor: similarity of two words (0..1, normalised Levenshtein over letters) from which a substitution is a
            minor mistake.
    """

    def __init__(self, reference: Reference, minor: float) -> None:
        self._reference = reference
        self._minor = minor
        self._settled = _Reach(reference)

    def align(self, heard: Sequence[str], *, settled: int = 0, complete: bool = False) -> Alignment:
        """Align words that were heard with the reference.

        Args:
            heard: words as the engine wrote them, all of them; those without letters are ignored.
            settled: how many of them will be the same in every later call.
            complete: the recitation is over; words that were not reached are missing.
        """
        said = [word for word in heard if comparable(word)]
        keys = [comparable(word) for word in said]
        reached = len(self._reference)
        if not complete:
            self._settled.push(keys[self._settled.count : sum(1 for word in heard[:settled] if comparable(word))])
            reached = self._settled.after(keys[self._settled.count :])
        return _aligned(self._reference, keys, said, reached, self._minor)


class _Reach:
    """How many words of the reference the words so far stand for.

    Whether a word at the end is a bad one of the reference or one too many is decided by how alike they are, so a
    substitution costs by that here. Keeps the last row of the distance matrix: its entry k is the least cost of saying
    the first k words of the reference with all words pushed.
    """

    def __init__(self, reference: Reference) -> None:
        self.count = 0
        self._reference = reference
        self._steps = np.arange(len(reference) + 1, dtype=np.float64)
        self._row = self._steps

    def push(self, keys: Sequence[str]) -> None:
        """These words come next, for good."""
        self._row = self._advanced(keys)
        self.count += len(keys)

    def after(self, keys: Sequence[str]) -> int:
        """What would be reached with these words; the least of several numbers that fit alike."""
        return int(np.argmin(self._advanced(keys))) if self.count or keys else 0

    def _advanced(self, keys: Sequence[str]) -> NDArray[np.float64]:
        row = self._row
        for key in keys:
            replaced = row[:-1] + _WEIGHT * (1.0 - self._reference.likeness(key))
            row = np.minimum(row + 1.0, np.concatenate(([row[0] + 1.0], replaced)))
            row = np.minimum.accumulate(row - self._steps) + self._steps  # words of the reference left out
        return row


def _aligned(reference: Reference, keys: list[str], said: list[str], reached: int, minor: float) -> Alignment:
    wanted = reference.keys_for(keys, reached)
    matches = [_MISSING] * reached + [PENDING] * (len(reference) - reached)
    extra: list[str] = []
    for op in Levenshtein.opcodes(wanted, keys):
        if op.tag == "insert":
            extra.extend(said[op.dest_start : op.dest_end])
        elif op.tag != "delete":
            for index, place in zip(range(op.src_start, op.src_end), range(op.dest_start, op.dest_end), strict=True):
                matches[index] = Match(reference.verdict(index, keys[place], minor), said[place])
    return Alignment(tuple(matches), tuple(extra))


def _likenesses(key: str, forms: Sequence[str]) -> NDArray[np.float64]:
    alike = process.cdist([key], forms, scorer=Levenshtein.normalized_similarity, dtype=np.float64)
    return np.asarray(alike[0])


def _likeness(forms: Sequence[str], key: str) -> float:
    return max(Levenshtein.normalized_similarity(form, key) for form in forms)
