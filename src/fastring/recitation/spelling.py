"""Words as they are compared: the same letters for every way of writing the same word."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["comparable", "spellings", "words_of"]

# Short vowels, tanwin, shadda, sukun, hamza and maddah above and below; marks of Quranic orthography; tatweel; and the
# letter hamza, which some orthographies write where others give it a carrier or none. The superscript alef is apart.
_DROPPED: Final = re.compile(
    "[\u0610-\u061a\u064b-\u065f\u06d6-\u06ed\u08d3-\u08ff\u0640\u0621\u200c-\u200f\u2066-\u2069\ufeff]"
)
_LONGEST_KNOWN: Final = 64  # letters of a word that is remembered
_SUPERSCRIPT_ALEF: Final = "\u0670"
_LETTERS: Final = str.maketrans(
    {
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ٲ": "ا",
        "ٳ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ئ": "ي",
        "ؤ": "و",
        "ة": "ه",
        "ک": "ك",
    }
)


def words_of(text: str) -> list[str]:
    """The words of a text as they are written, without those that are punctuation only.

    Split at white space; `twenty-one` stays one word here and is compared as `twentyone`.
    """
    return [word for word in text.split() if comparable(word)]


def comparable(word: str) -> str:
    """The letters and digits by which a word is compared; "" for punctuation.

    Unicode NFKC and case folding (UAX #15, Unicode 3.13); punctuation, symbols and dashes are dropped, and so are
    diacritics of Arabic, the tatweel and the lone hamza; forms of alef, yeh, waw with hamza and teh marbuta become one.
    Digits are the same in every script.
    """
    return _known(word) if len(word) <= _LONGEST_KNOWN else _letters(word, alef="")


@lru_cache(maxsize=8192)
def _known(word: str) -> str:
    """While somebody recites, the same words are compared again and again."""
    return _letters(word, alef="")


def spellings(word: str) -> tuple[str, ...]:
    """Every form under which a word may be heard.

    The superscript alef of Quranic orthography is written out as a letter in some words of modern orthography and left
    out in others, so a word that has it has two forms.
    """
    plain = _letters(word, alef="")
    if _SUPERSCRIPT_ALEF not in unicodedata.normalize("NFKC", word):
        return (plain,)
    return (plain, _letters(word, alef="ا"))


def _letters(word: str, *, alef: str) -> str:
    """Fold until nothing changes: what one step leaves may combine anew."""
    folded = _folded(word, alef)
    while (again := _folded(folded, alef)) != folded:
        folded = again
    return folded


def _folded(word: str, alef: str) -> str:
    text = unicodedata.normalize("NFKC", word).casefold()
    text = _DROPPED.sub("", text.translate(_LETTERS)).replace(_SUPERSCRIPT_ALEF, alef)
    text = "".join(_digit(letter) for letter in text if unicodedata.category(letter)[0] in "LNM")
    return unicodedata.normalize("NFKC", text)


def _digit(letter: str) -> str:
    """Decimal digits of every script as ours."""
    return letter if letter.isascii() or not letter.isdecimal() else str(unicodedata.decimal(letter))
