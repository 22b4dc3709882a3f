from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.errors import ConfigError
from fastring.recitation.alignment import Aligner, Reference

LETTERS = {"correct": "c", "minor_mistake": "m", "wrong": "w", "missing": "-", "pending": "."}
WORDS = st.lists(st.sampled_from(["one", "two", "three", "tree", "four", "fife", "six"]), max_size=8)


def verdicts(reference: str, heard: str, *, complete: bool = False) -> tuple[str, list[str]]:
    found = Aligner(Reference(reference), minor=0.6).align(heard.split(), complete=complete)
    return "".join(LETTERS[match.verdict] for match in found.matches), list(found.extra)


@pytest.mark.parametrize(
    ("heard", "going_on", "at_the_end", "extra"),
    [
        ("", "....", "----", []),
        ("one two", "cc..", "cc--", []),
        ("one two three four", "cccc", "cccc", []),
        ("One, two... THREE four!", "cccc", "cccc", []),
        ("one two tree four", "ccmc", "ccmc", []),
        ("one nine three four", "cwcc", "cwcc", []),
        ("one three four", "c-cc", "c-cc", []),
        ("one two nine three four", "cccc", "cccc", ["nine"]),
        ("one two one two three four", "cccc", "cccc", ["one", "two"]),  # started again
        ("one two two", "cc..", "ccw-", ["two"]),
        ("one two tree", "ccm.", "ccm-", []),
    ],
)
def test_what_a_reciter_may_do(heard: str, going_on: str, at_the_end: str, extra: list[str]) -> None:
    assert verdicts("one two three four", heard)[0] == going_on
    found, more = verdicts("one two three four", heard, complete=True)
    assert found == at_the_end
    assert more == ([] if heard == "one two two" else extra)


def test_arabic_is_compared_without_its_vowels() -> None:
    reference = "ٱلْحَمْدُ لِلَّهِ رَبِّ ٱلْعَـٰلَمِينَ"
    assert verdicts(reference, "الحمد لله رب العالمين", complete=True) == ("cccc", [])
    assert verdicts(reference, "الحمد لله رب العلمين", complete=True) == ("cccc", [])
    assert verdicts(reference, "الحمد لله رب العالم", complete=True) == ("cccm", [])


def test_a_reference_without_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds no word"):
        Reference(" ... ")


@given(WORDS.filter(bool), WORDS)
def test_every_word_that_was_heard_is_somewhere(reference: list[str], heard: list[str]) -> None:
    for complete in (False, True):
        found = Aligner(Reference(" ".join(reference)), 0.6).align(heard, complete=complete)
        assert sorted([match.heard for match in found.matches if match.heard] + list(found.extra)) == sorted(heard)
        assert len(found.matches) == len(reference)
        assert not complete or all(match.verdict != "pending" for match in found.matches)


@given(WORDS.filter(bool), st.lists(st.tuples(WORDS, WORDS), max_size=4))
def test_what_is_settled_need_not_be_aligned_again(
    reference: list[str], steps: list[tuple[list[str], list[str]]]
) -> None:
    aligner, settled = Aligner(Reference(" ".join(reference)), 0.6), []
    for more, tail in steps:
        settled += more
        heard = settled + tail
        at_once = Aligner(Reference(" ".join(reference)), 0.6).align(heard)
        assert aligner.align(heard, settled=len(settled)) == at_once


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True))
def test_words_said_in_order_are_correct_one_by_one(words: list[str]) -> None:
    aligner = Aligner(Reference(" ".join(words)), 0.6)
    for count in range(len(words) + 1):
        matches = aligner.align(words[:count]).matches
        assert [match.verdict for match in matches] == ["correct"] * count + ["pending"] * (len(words) - count)
