from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.events import Final, Latency, Word
from fastring.protocols.subtitles import Cue, cues_of, srt, vtt

RATE = 16_000


def final(text: str, start_s: float = 0.0, word_s: float = 0.5, *, unspaced: bool = False) -> Final:
    parts = list(text) if unspaced else text.split()
    words = tuple(
        Word(part, round((start_s + i * word_s) * RATE), round((start_s + (i + 1) * word_s) * RATE), 0.9)
        for i, part in enumerate(parts)
    )
    end = words[-1].end if words else round(start_s * RATE)
    return Final(0, 0, text, words, 0.9, round(start_s * RATE), end, Latency(0, 0, 0, 0))


def test_an_utterance_is_a_cue() -> None:
    cues = cues_of([final("one two", 0.5), final("three", 3661.25)])
    assert cues == [Cue(500, 1500, "one two"), Cue(3_661_250, 3_662_250, "three")]
    assert srt(cues) == ("1\n00:00:00,500 --> 00:00:01,500\none two\n\n2\n01:01:01,250 --> 01:01:02,250\nthree\n\n")
    assert vtt(cues) == ("WEBVTT\n\n00:00:00.500 --> 00:00:01.500\none two\n\n01:01:01.250 --> 01:01:02.250\nthree\n\n")


def test_nothing_said_is_no_cue() -> None:
    assert cues_of([final("", 1.0)]) == []
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")


def test_a_text_without_words_is_one_cue() -> None:
    bare = Final(0, 0, "hello there", (), 0.9, 16_000, 48_000, Latency(0, 0, 0, 0))
    assert cues_of([bare]) == [Cue(1000, 3000, "hello there")]


def test_long_speech_is_cut_between_words() -> None:
    cues = cues_of([final(" ".join(["word"] * 60))], max_characters=40, max_seconds=100)
    assert max(len(cue.text) for cue in cues) <= 40
    assert " ".join(cue.text for cue in cues) == " ".join(["word"] * 60)
    assert {len(cue.text) for cue in cues[:-1]} == {39}


def test_slow_speech_is_cut_too() -> None:
    cues = cues_of([final("a b c d e f", word_s=3.0)])
    assert [cue.text for cue in cues] == ["a b", "c d", "e f"]


def test_a_sentence_ends_a_cue() -> None:
    cues = cues_of([final('Yes. "No!" (Why?) Because')])
    assert [cue.text for cue in cues] == ["Yes.", '"No!"', "(Why?)", "Because"]


def test_scripts_without_spaces_keep_none() -> None:
    cues = cues_of([final("今日は良い天気です", word_s=0.2, unspaced=True)], max_characters=5)
    assert [cue.text for cue in cues] == ["今日は良い", "天気です"]


def test_a_short_word_stays_long_enough_to_read_but_no_longer_than_there_is_time() -> None:
    cues = cues_of([final("six", 0.0, 0.2), final("one", 0.6, 0.2), final("two", 10.0, 0.2)])
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, 600), (600, 1600), (10_000, 11_000)]


def test_markup_is_text() -> None:
    assert "a &lt;b&gt; &amp; --&gt; c\n" in vtt([Cue(0, 1, "a <b> & --> c")])
    assert "\na <b> & --> c\n\n" in srt([Cue(0, 1, "a\n<b>\n\n& --> c")])


@given(
    st.lists(st.lists(st.text("abc.?", min_size=1, max_size=30), max_size=20).map(" ".join), max_size=6),
    st.floats(0.01, 4.0),
)
def test_no_word_is_lost_and_no_cues_overlap(texts: list[str], word_s: float) -> None:
    start_s, finals = 0.0, []
    for text in texts:
        finals.append(final(text, start_s, word_s))
        start_s = finals[-1].end / RATE + 0.1
    cues = cues_of(finals)
    assert " ".join(cue.text for cue in cues).split() == " ".join(texts).split()
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(a.end_ms <= b.start_ms for a, b in itertools.pairwise(cues))
    assert len(re.findall(r"^\d+$", srt(cues), re.MULTILINE)) == len(cues)
    assert vtt(cues).count(" --> ") == len(cues)


@pytest.mark.parametrize(("ms", "clock"), [(0, "00:00:00,000"), (359_999_999, "99:59:59,999"), (360_000_000, "100:")])
def test_the_clock_has_hours(ms: int, clock: str) -> None:
    assert srt([Cue(ms, ms + 1, "x")]).splitlines()[1].startswith(clock)
