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
        ("ٲمن", "امن"),  # the wavy alef
        ("شَيْء", "شي"),  # a lone hamza
        ("سُئِلَ", "سيل"),  # hamza on yeh
        ("قَالَ\u06d6", "قال"),  # a mark of pause
        ("عِوَجَاۜ", "عوجا"),  # the small seen above
        ("\u06deإِنَّ", "ان"),  # the mark of a part of the book
        ("لَهُۥ", "له"),  # small waw
        ("بِهِۦ", "به"),  # small yeh
        ("\ufdf2", "الله"),  # one glyph for the name
        ("ﺑِﺴْﻢِ", "بسم"),  # presentation forms
        ("١٢٣", "123"),  # digits of Arabic,
        ("۱۲۳", "123"),  # and of Persian
        ("fastringبِسْمِ", "FASTRINGبسم"),  # two scripts in one word
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


@pytest.mark.parametrize(
    "mark", [*range(0x06D6, 0x06EE), 0x0640, 0x0670, *range(0x064B, 0x0660), *range(0x0610, 0x061B)]
)
def test_no_mark_makes_a_word_or_another_one(mark: int) -> None:
    assert comparable(chr(mark)) == ""
    assert words_of(f"{chr(mark)} قال") == ["قال"]
    assert comparable(f"ق{chr(mark)}ال{chr(mark)}") == "قال"


def test_a_word_of_nothing_but_marks_takes_no_time() -> None:
    assert comparable("\u064e" * 100_000 + "ا") == "ا"
    assert comparable("ـ" * 100_000) == ""


@given(st.text(max_size=20))
def test_comparing_twice_changes_nothing(word: str) -> None:
    once = comparable(word)
    assert comparable(once) == once
