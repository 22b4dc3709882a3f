from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.recitation.spelling import comparable, spellings, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zero,", "zero"),
        ("don’t", "DON'T"),
        ("twenty-one", "Twentyone."),
        ("ﬁve", "five"),  # a ligature
        ("Straße", "STRASSE"),
        ("e\u0301t\u00e9", "\u00e9te\u0301"),  # composed or not
        # Arabic: with and without vowels, with tatweel, with the forms of alef, hamza, yeh and teh marbuta.
        ("بِسْمِ", "بسم"),
        ("ٱللَّهِ", "الله"),
        ("أَنْعَمْتَ", "انعمت"),
        ("إِيَّاكَ", "اياك"),
        ("آمَنُوا", "ءَامَنُوا"),
        ("الصِّرَاطَ", "الصـــراط"),
        ("عَلَى", "علي"),
        ("رَحْمَةً", "رحمه"),
        ("مُؤْمِن", "مومن"),
        ("سَمَاء", "سما"),
        ("«الدِّينِ»،", "الدين"),
        ("\u200fنَعْبُدُ\u200f", "نعبد"),  # marks of direction
    ],
)
def test_ways_of_writing_one_word(one: str, other: str) -> None:
    assert comparable(one) == comparable(other) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("قَلْب", "كَلْب"), ("عَلِيم", "أَلِيم"), ("three", "tree"), ("صِرَاط", "سِرَاب"), ("1", "one")]
)
def test_different_words_stay_different(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_superscript_alef_is_heard_with_and_without_its_letter() -> None:
    assert spellings("ٱلْعَـٰلَمِينَ") == ("العلمين", "العالمين")
    assert spellings("الرَّحْمَٰنِ")[0] == comparable("الرحمن")
    assert spellings("مَالِكِ") == ("مالك",)


def test_words_are_what_has_letters() -> None:
    assert words_of(" One,  two — three! ... \n") == ["One,", "two", "three!"]
    assert words_of("") == []


@given(st.text(max_size=20))
def test_comparing_twice_changes_nothing(word: str) -> None:
    once = comparable(word)
    assert comparable(once) == once
