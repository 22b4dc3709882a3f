from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.events import Final, Heard, Latency, Partial, SpeechStarted, Word
from fastring.protocols.deepgram_channel import Channel, LiveOptions

RATE = 16_000
LATENCY = Latency(0, 0, 0, 0)
SENTENCE = ["we", "shall", "go", "there", "now", "and", "see", "what", "they", "have", "done", "to", "it", "all"]
WORD = RATE // 2


def spoken(count: int, stable: int = 0, begin: int = 0) -> tuple[Word, ...]:
    """The first words of the sentence, half a second each."""
    return tuple(
        Word(text, begin + WORD * n, begin + WORD * (n + 1), 0.9, stable=n < stable)
        for n, text in enumerate(SENTENCE[:count])
    )


def text_of(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def partial(count: int, stable: int, begin: int = 0) -> Partial:
    words = spoken(count, stable, begin)
    return Partial(0, text_of(words), "", words, 0.9, begin, words[-1].end, -20.0, 0.0, 0, LATENCY)


def final(count: int, begin: int = 0, **fields: Any) -> Final:
    words = spoken(count, count, begin)
    return Final(0, 0, text_of(words), words, 0.9, begin, words[-1].end if words else begin, LATENCY, **fields)


def channel(**options: Any) -> Channel:
    return Channel(LiveOptions(**options), punctuate=False)


def tell(subject: Channel, *events: Any) -> list[dict[str, Any]]:
    return [message for event in events for message in subject.tell(event)]


def summary(messages: list[dict[str, Any]]) -> list[tuple[str, bool, bool]]:
    return [
        (it["channel"]["alternatives"][0]["transcript"], it["is_final"], it["speech_final"])
        for it in messages
        if it["type"] == "Results"
    ]


def check_ranges(messages: list[dict[str, Any]]) -> None:
    """Each result starts where the final one before it ended."""
    results = [it for it in messages if it["type"] == "Results"]
    at = 0.0
    for result in results:
        assert result["start"] == pytest.approx(at, abs=0.0015)
        assert result["duration"] >= 0
        if result["is_final"]:
            at = result["start"] + result["duration"]
    words = [word for it in results if it["is_final"] for word in it["channel"]["alternatives"][0]["words"]]
    assert all(before["end"] <= after["start"] for before, after in pairwise(words))


def test_long_speech_is_told_as_final_while_it_goes_on() -> None:
    subject = channel()
    started = SpeechStarted(0, 0, 0)
    messages = tell(subject, started, partial(4, 2), partial(8, 6), partial(10, 7), final(10))
    assert summary(messages) == [
        ("we shall go there", False, False),
        ("we shall go there now and", True, False),
        ("see what", False, False),
        ("see what they have", False, False),
        ("see what they have", True, True),
    ]
    check_ranges(messages)


def test_without_interim_results_segments_are_final_results() -> None:
    subject = channel(interim=False)
    messages = tell(subject, SpeechStarted(0, 0, 0), partial(3, 3), partial(8, 8), final(10))
    assert summary(messages) == [
        ("we shall go there now and see what", True, False),
        ("they have", True, True),
    ]
    check_ranges(messages)


def test_the_end_of_an_utterance_that_is_told_already_is_an_empty_result() -> None:
    messages = tell(channel(), SpeechStarted(0, 0, 0), partial(7, 7), final(7))
    assert summary(messages) == [(" ".join(SENTENCE[:7]), True, False), ("", True, True)]
    check_ranges(messages)


def test_silence_is_told_every_second_and_as_final_every_five() -> None:
    subject = channel()
    messages = tell(subject, *(Heard(RATE * n // 10) for n in range(1, 121)))
    assert [it["is_final"] for it in messages] == [*[False] * 4, True, *[False] * 4, True, *[False] * 2]
    check_ranges(messages)
    assert summary(tell(channel(interim=False), *(Heard(RATE * n) for n in range(1, 12)))) == [("", True, False)] * 2


def test_the_silence_at_the_end_is_told_once() -> None:
    subject = channel(interim=False)
    told = tell(subject, SpeechStarted(0, 0, 0), final(2), Heard(3 * RATE))
    (rest,) = subject.end()
    assert (rest["start"], rest["duration"], rest["is_final"]) == (1.0, 2.0, True)
    check_ranges([*told, rest])
    assert subject.end() == []


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 14), st.integers(0, 14)), max_size=6), st.integers(0, 14), st.booleans()
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_no_word_is_told_twice_or_lost(utterances: list[Any], interim: bool) -> None:
    subject = channel(interim=interim)
    messages, said, begin = [], [], 0
    for partials, count, quiet in utterances:
        stable = 0
        messages += tell(subject, SpeechStarted(0, 0, begin))
        for heard, more in partials:
            stable = max(stable, min(more, heard, count))
            if heard >= stable and heard <= 14:
                messages += tell(subject, partial(max(heard, 1), stable, begin))
        messages += tell(subject, final(count, begin, ended_by="silence" if quiet else "forced"))
        said += SENTENCE[:count]
        begin += 8 * RATE
        messages += tell(subject, Heard(begin))
    finals = [it for it in messages if it["type"] == "Results" and it["is_final"]]
    assert " ".join(filter(None, (text for text, _, _ in summary(finals)))) == " ".join(said)
    check_ranges(messages)
