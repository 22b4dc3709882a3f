from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.deepgram.messages import Result
from fastring.asr.deepgram.transcript import Transcript
from fastring.events import Word

START = 50_000


def result(start: int, end: int, *words: Word, final: bool = True, flush: bool = False) -> Result:
    return Result(start, end, final, flush, words)


def fresh(position: int = 0, sent: int = 16_000) -> Transcript:
    transcript = Transcript(0, START)
    transcript.connect(position)
    transcript.sent(sent)
    return transcript


def texts(transcript: Transcript) -> str:
    return " ".join(word.text for word in transcript.words(1 << 40))


def test_words_stand_on_the_stream_s_clock() -> None:
    transcript = fresh(position=7_000)
    assert transcript.take(result(7_000, 15_000, Word("one", 8_000, 9_000, 0.9)))
    assert transcript.words(1 << 40) == (Word("one", START + 1_000, START + 2_000, 0.9),)
    assert transcript.final_until == START + 8_000


def word(text: str, start: int, end: int) -> Word:
    return Word(text, start, end, 0.9)


def test_an_interim_takes_the_place_of_the_last_and_a_final_that_of_both() -> None:
    transcript = fresh()
    transcript.take(result(0, 4_000, word("won", 1_000, 3_000), final=False))
    transcript.take(result(0, 8_000, word("one", 1_000, 3_000), word("too", 5_000, 8_000), final=False))
    assert texts(transcript) == "one too"
    transcript.take(result(0, 8_000, word("one", 1_000, 3_000), word("two", 5_000, 8_000)))
    assert texts(transcript) == "one two"
    transcript.take(result(8_000, 12_000, word("three", 9_000, 11_000), final=False))
    assert texts(transcript) == "one two three"


def test_repetitions_and_stragglers_change_nothing() -> None:
    transcript = fresh()
    first = result(0, 4_000, word("one", 1_000, 3_000))
    assert transcript.take(first)
    assert not transcript.take(first)
    assert not transcript.take(result(0, 4_000, word("won", 1_000, 3_000), final=False))
    interim = result(4_000, 8_000, word("two", 5_000, 7_000), final=False)
    assert transcript.take(interim)
    assert not transcript.take(interim)
    assert not transcript.take(result(4_000, 6_000, word("to", 5_000, 6_000), final=False))
    assert texts(transcript) == "one two"


def test_the_rest_of_an_interim_stays_until_there_is_another() -> None:
    transcript = fresh()
    transcript.take(result(0, 9_000, word("one", 1_000, 3_000), word("two", 5_000, 8_000), final=False))
    transcript.take(result(0, 4_000, word("one", 1_000, 3_000)))
    assert texts(transcript) == "one two"


def test_what_belongs_to_the_segment_before_is_not_ours() -> None:
    transcript = fresh(position=32_000)
    transcript.asked()
    assert not transcript.take(result(0, 32_000, word("old", 30_000, 31_000), flush=True))
    assert not transcript.flushed
    transcript.take(result(31_000, 40_000, word("old", 30_500, 31_900), word("new", 33_000, 34_000)))
    assert texts(transcript) == "new"


def test_a_finalize_is_answered_once_it_was_asked() -> None:
    transcript = fresh()
    transcript.take(result(0, 8_000, flush=True))
    assert not transcript.flushed
    transcript.asked()
    assert transcript.take(result(8_000, 8_000, flush=True))
    assert transcript.flushed


def test_a_new_connection_goes_on_where_the_finals_ended() -> None:
    transcript = fresh()
    transcript.take(result(0, 6_000, word("one", 1_000, 3_000)))
    transcript.take(result(6_000, 12_000, word("two", 7_000, 9_000), final=False))
    transcript.connect(500)
    assert transcript.sent_until == START + 6_000
    assert texts(transcript) == "one"
    transcript.sent(10_000)
    transcript.take(result(500, 10_500, word("two", 1_500, 3_500)))
    assert [(w.text, w.start - START) for w in transcript.words(1 << 40)] == [("one", 1_000), ("two", 7_000)]


def test_words_past_the_end_are_cut() -> None:
    transcript = fresh()
    transcript.take(result(0, 16_000, word("one", 1_000, 4_000), word("two", 8_000, 12_000)))
    assert [(w.text, w.end - START) for w in transcript.words(START + 9_000)] == [("one", 4_000)]
    assert [(w.text, w.end - START) for w in transcript.words(START + 11_000)] == [("one", 4_000), ("two", 11_000)]


def test_news_is_told_once() -> None:
    transcript = fresh()
    assert not transcript.has_news
    transcript.take(result(0, 4_000, final=False))
    assert transcript.has_news
    transcript.words(START)
    assert not transcript.has_news


def test_nothing_is_final_beyond_what_was_sent() -> None:
    transcript = fresh(sent=8_000)
    transcript.take(result(0, 9_000, word("one", 1_000, 3_000)))
    assert transcript.final_until == transcript.sent_until == START + 8_000
    assert transcript.unsettled == 0


class Service:
    """Tells what was spoken in interims and finals as it likes, on the axis of its connection."""

    def __init__(self, rng: random.Random, spoken: list[Word], position: int, settled: int) -> None:
        self._rng, self._spoken = rng, spoken
        self._shift = position - settled
        self.settled = settled

    def _heard(self, at: int) -> tuple[Word, ...]:
        return tuple(
            word(w.text, max(w.start, self.settled) + self._shift, min(w.end, at) + self._shift)
            for w in self._spoken
            if w.end > self.settled and w.start < at
        )

    def messages(self, at: int) -> list[Result]:
        start, heard = self.settled + self._shift, self._heard(at)
        told = [Result(start, at + self._shift, False, False, heard)]
        whole = tuple(w for w in heard if w.end - self._shift < at)
        if whole and self._rng.random() < 0.4:
            told.append(Result(start, whole[-1].end, True, False, whole))
            self.settled = whole[-1].end - self._shift
        return told

    def flush(self, at: int) -> Result:
        return Result(self.settled + self._shift, at + self._shift, True, True, self._heard(at))


@given(st.integers(0, 2**32), st.booleans(), st.integers(0, 5))
def test_every_word_once_however_it_is_told(seed: int, repeat: bool, cuts: int) -> None:
    rng = random.Random(seed)
    spoken = [word(f"w{i}", 2_000 * i + 300, 2_000 * i + 1_700) for i in range(20)]
    length = 2_000 * len(spoken)
    transcript = Transcript(0, START)
    for until in [*sorted(rng.randrange(1, length) for _ in range(cuts)), length]:
        at = transcript.final_until - START
        position = rng.randrange(5) * 1_000
        service = Service(rng, spoken, position, at)
        transcript.connect(position)
        transcript.sent(until - at)
        while at < until:
            at = min(until, at + rng.randrange(200, 9_000))
            for message in service.messages(at):
                for _ in range(1 + repeat):
                    transcript.take(message)
    transcript.asked()
    transcript.take(service.flush(length))
    assert transcript.flushed
    expected = [(w.text, START + w.start, START + w.end) for w in spoken]
    assert [(w.text, w.start, w.end) for w in transcript.words(START + length)] == expected
