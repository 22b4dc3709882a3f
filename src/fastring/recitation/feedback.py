"""How a recitation stands: feedback on each word while it goes on, and a score when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.events import Verification, WordFeedback
from fastring.recitation.alignment import PENDING, Aligner, Reference
from fastring.recitation.smoothing import Smoother

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.recitation.alignment import Match

__all__ = ["Feedback", "Verification", "WordFeedback", "verify"]


class Feedback:
    """Follows one recitation.

    Args:
        reference: the text that is recited, one word or more.
        minor: similarity (0..1) from which a word that is not right is a minor mistake.

    Raises:
        ConfigError: there is no word in the reference.
    """

    def __init__(self, reference: str, minor: float = 0.6) -> None:
        self._reference = Reference(reference)
        self._minor = minor
        self._aligner = Aligner(self._reference, minor)
        self._smoother = Smoother(len(self._reference))
        self._said = [WordFeedback(index, word, "pending") for index, word in enumerate(self._reference.words)]
        self._before: Sequence[Match] = [PENDING] * len(self._reference)

    def update(self, heard: Sequence[str], settled: int = 0) -> tuple[tuple[WordFeedback, ...], tuple[str, ...]]:
        """Take all words heard so far, of which the first `settled` will not change; return feedback and extra words.

        A word is called a mistake only when two updates in a row agree (see `Smoother`); words that are not reached
        are pending.
        """
        found = self._aligner.align(heard, settled=settled)
        return self._told(self._smoother.show(found.matches)), found.extra

    def finish(self, heard: Sequence[str], transcript: str) -> Verification:
        """Judge the whole recitation: nothing is smoothed, and words that were not reached are missing."""
        found = Aligner(self._reference, self._minor).align(heard, complete=True)
        right = sum({"correct": 1.0, "minor_mistake": 0.5}.get(match.verdict, 0.0) for match in found.matches)
        score = right / (len(found.matches) + len(found.extra))
        return Verification(transcript, round(score, 4), self._told(found.matches), found.extra)

    def _told(self, matches: Sequence[Match]) -> tuple[WordFeedback, ...]:
        """What is said of each word; of most, the same object as the last time."""
        words = self._reference.words
        for index, (match, before) in enumerate(zip(matches, self._before, strict=True)):
            if match is not before:
                heard = "" if match.verdict == "correct" else match.heard
                self._said[index] = WordFeedback(index, words[index], match.verdict, heard)
        self._before = matches
        return tuple(self._said)


def verify(transcript: str, reference: str, *, minor: float = 0.6) -> Verification:
    """Compare a transcript with the text that should have been said.

    Words are compared after Unicode NFKC, case folding, and removal of punctuation and Arabic diacritics, and aligned
    by Levenshtein's distance over words.

    Args:
        transcript: what was heard.
        reference: what should have been said, one word or more.
        minor: similarity (0..1) from which a word that is not right is a minor mistake.

    Raises:
        ConfigError: there is no word in the reference.
    """
    return Feedback(reference, minor).finish(transcript.split(), transcript)
