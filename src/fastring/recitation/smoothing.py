"""Verdicts that do not flicker: a word is called a mistake only when two windows in a row agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastring.recitation.alignment import PENDING, Match

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Smoother"]

_SMOOTHED: Final = ("wrong", "minor_mistake", "missing")


class Smoother:
    """Keeps what is shown of each word while a recitation goes on.

    A verdict of `wrong`, `minor_mistake` or `missing` is shown once two successive windows give it; until then the word
    keeps what was shown before. `correct` and `pending` are shown at once.

    Args:
        count: words of the reference.
    """

    def __init__(self, count: int) -> None:
        self._shown = [PENDING] * count
        self._last = list(self._shown)

    def show(self, matches: Sequence[Match]) -> tuple[Match, ...]:
        """Take the verdicts of a window; return what to show."""
        for index, match in enumerate(matches):
            if match is self._shown[index]:
                continue
            if match.verdict not in _SMOOTHED or match.verdict == self._last[index].verdict:
                self._shown[index] = match
        self._last = list(matches)
        return tuple(self._shown)
