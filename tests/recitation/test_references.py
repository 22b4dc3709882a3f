from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastring.errors import ConfigError, UnknownVerseError
from fastring.recitation.references import load_references
from fastring.recitation.spelling import words_of

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_surah_ships() -> None:
    references = load_references()
    assert len(references) == 7
    assert [len(words_of(references.verse(1, ayah))) for ayah in range(1, 8)] == [4, 4, 2, 3, 4, 3, 9]


def test_an_unknown_verse_says_which_there_are() -> None:
    with pytest.raises(UnknownVerseError, match=r"surah 1, ayah 8 is not in .*: surah 1 has ayahs 1 to 7"):
        load_references().verse(1, 8)
    with pytest.raises(UnknownVerseError, match="there are surahs 1"):
        load_references().verse(2, 1)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "verses.txt"
    path.write_text("\ufeff# digits\n\n1|1|one two\n 2 | 10 | three | four\n", encoding="utf-8")
    references = load_references(str(path))
    assert references.verse(1, 1) == "one two"
    assert references.verse(2, 10) == "three | four"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1|1", r":1: '1\|1' is not of the form surah\|ayah\|text"),
        ("1|1|one\none|1|two", r":2: 'one\|1\|two' is not of the form"),
        ("1|1|...", "a text of 1 to 10000 characters with words is wanted"),
        ("1|1|one\n1|1|two", ":2: surah 1, ayah 1 is given twice"),
        ("# nothing", "holds no verse"),
    ],
)
def test_a_bad_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "verses.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_references(str(path))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"recitation.references_file = 'nowhere.txt' cannot be read"):
        load_references("nowhere.txt")
