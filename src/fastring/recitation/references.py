"""The texts that are recited: by chapter and verse from a file, or as they are given."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fastring.errors import ConfigError, UnknownVerseError
from fastring.recitation.spelling import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_REFERENCE_CHARACTERS", "References", "load_references"]

MAX_REFERENCE_CHARACTERS = 10_000
"""Longest reference text, in characters."""


class References:
    """Verses by (surah, ayah), both counted from 1.

    Args:
        verses: the texts.
        source: where they come from, for messages.
    """

    def __init__(self, verses: Mapping[tuple[int, int], str], source: str) -> None:
        self._verses = dict(verses)
        self._source = source

    def __len__(self) -> int:
        return len(self._verses)

    def verse(self, surah: int, ayah: int) -> str:
        """The text of one verse.

        Raises:
            UnknownVerseError: there is no such verse; the message says which there are.
        """
        text = self._verses.get((surah, ayah))
        if text is None:
            in_surah = sorted(number for of, number in self._verses if of == surah)
            known = (
                f"surah {surah} has ayahs {in_surah[0]} to {in_surah[-1]}"
                if in_surah
                else f"there are surahs {', '.join(map(str, sorted({of for of, _ in self._verses})[:20]))}"
            )
            raise UnknownVerseError(f"surah {surah}, ayah {ayah} is not in {self._source}: {known}")
        return text


def load_references(path: str = "") -> References:
    """Read a file of `surah|ayah|text` lines in UTF-8; empty lines and lines that begin with # are skipped.

    Args:
        path: of the file; "" is the one that ships with fastring, the first surah.

    Raises:
        ConfigError: the file cannot be read, or a line is not of that form; the message names the line.
    """
    if not path:
        text = resources.files("fastring.recitation").joinpath("surah_1.txt").read_text(encoding="utf-8")
        return References(_parsed(text, "surah_1.txt"), "the references that ship with fastring")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"recitation.references_file = {path!r} cannot be read: {error}") from error
    return References(_parsed(text, path), path)


def _parsed(text: str, source: str) -> dict[tuple[int, int], str]:
    verses: dict[tuple[int, int], str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, verse = _line(line, f"{source}:{number}")
        if key in verses:
            raise ConfigError(f"{source}:{number}: surah {key[0]}, ayah {key[1]} is given twice")
        verses[key] = verse
    if not verses:
        raise ConfigError(f"{source}: holds no verse; lines are surah|ayah|text")
    return verses


def _line(line: str, where: str) -> tuple[tuple[int, int], str]:
    parts = [part.strip() for part in line.split("|", 2)]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts[:2]):
        raise ConfigError(f"{where}: {line[:60]!r} is not of the form surah|ayah|text")
    if not words_of(parts[2]) or len(parts[2]) > MAX_REFERENCE_CHARACTERS:
        raise ConfigError(f"{where}: a text of 1 to {MAX_REFERENCE_CHARACTERS} characters with words is wanted")
    return (int(parts[0]), int(parts[1])), parts[2]
