from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.agreement import Agreement, cut_repetitions, normalise
from fastring.events import Word

STEP = 4000  # a quarter of a second per word


def words(text: str, first: int = 0, step: int = STEP, confidence: float = 0.9) -> list[Word]:
    return [Word(word, first + i * step, first + (i + 1) * step, confidence) for i, word in enumerate(text.split())]


def stable(agreement: Agreement) -> str:
    return " ".join(word.text for word in agreement.stable)


def tail(agreement: Agreement) -> str:
    return " ".join(word.text for word in agreement.words[len(agreement.stable) :])


def test_what_two_in_a_row_say_is_stable() -> None:
    agreement = Agreement(0)
    agreement.push(words("one"), 8000)
    assert (stable(agreement), tail(agreement)) == ("", "one")
    agreement.push(words("one two"), 16_000)
    assert (stable(agreement), tail(agreement)) == ("one", "two")
    agreement.push(words("one too three"), 24_000)
    assert (stable(agreement), tail(agreement)) == ("one", "too three")
    agreement.push(words("one too three"), 24_000)
    assert stable(agreement) == "one too three"


def test_case_and_punctuation_agree_and_the_first_spelling_that_was_stable_stays() -> None:
    agreement = Agreement(0)
    agreement.push(words("Hello"), 8000)
    agreement.push(words("hello, world"), 16_000)
    agreement.push(words("HELLO world"), 16_000)
    assert stable(agreement) == "hello, world"
    assert normalise("Wörld!") == normalise("wörld")


def test_a_final_that_differs_keeps_what_is_stable() -> None:
    agreement = Agreement(0)
    agreement.push(words("one two"), 16_000)
    agreement.push(words("one two three"), 24_000)
    closed = agreement.close(words("won two three four"), 32_000)
    assert [word.text for word in closed] == ["one", "two", "three", "four"]
    assert all(word.stable for word in closed)


def test_a_stable_word_that_a_hypothesis_misses_or_splits_moves_nothing_after_it() -> None:
    agreement = Agreement(0)
    agreement.push(words("one two three"), 24_000)
    agreement.push(words("one two three"), 24_000)
    agreement.push(words("two three", STEP) + words("four", 3 * STEP), 32_000)
    assert tail(agreement) == "four"
    agreement.push(words("on e two three four", 0, 3200), 32_000)
    assert stable(agreement) == "one two three four"


def test_the_first_word_starts_at_the_onset_and_times_only_grow() -> None:
    agreement = Agreement(5000)
    agreement.push([Word("a", 0, 4000, 1.0), Word("b", 3000, 9000, 1.0), Word("c", 7900, 7000, 1.0)], 8000)
    times = [(word.start, word.end) for word in agreement.words]
    assert times == [(5000, 5000), (5000, 8000), (8000, 8000)]


def test_words_after_the_audio_are_not_there() -> None:
    agreement = Agreement(0)
    agreement.push(words("one two three four"), 2 * STEP)
    assert tail(agreement) == "one two"


def test_without_a_last_hypothesis_what_was_heard_is_kept() -> None:
    agreement = Agreement(0)
    agreement.push(words("one two"), 16_000)
    agreement.push(words("one four"), 16_000)
    assert [word.text for word in agreement.give_up()] == ["one", "four"]


def test_loops_are_cut_and_human_repetition_is_not() -> None:
    assert [w.text for w in cut_repetitions(words("so thank you thank you thank you thank you bye", step=800))] == [
        "so",
        "thank",
        "you",
        "bye",
    ]
    human = words("zero zero zero zero no no no")
    assert cut_repetitions(human) == human


vocabulary = st.sampled_from(["one", "two", "Two.", "three", "four"])
hypotheses = st.lists(
    st.lists(st.tuples(vocabulary, st.integers(-100, 30_000), st.integers(-100, 30_000)), max_size=8), max_size=8
)


@given(hypotheses, st.booleans())
def test_stable_words_never_change_whatever_is_heard(heard: list[list[tuple[str, int, int]]], fails: bool) -> None:
    agreement = Agreement(1000)
    before: tuple[Word, ...] = ()
    for hypothesis in heard:
        agreement.push([Word(text, start, end, 0.5) for text, start, end in hypothesis], 24_000)
        assert agreement.stable[: len(before)] == before
        before = agreement.stable
        assert agreement.words[: len(before)] == before
        times = [time for word in agreement.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(1000 <= time <= 24_000 for time in times)
    final = agreement.give_up() if fails else agreement.close(words("one two three", 1000), 24_000)
    assert final[: len(before)] == before


@given(st.lists(vocabulary, min_size=1, max_size=10))
def test_a_consistent_engine_loses_and_doubles_nothing(said: list[str]) -> None:
    agreement = Agreement(0)
    for count in range(len(said) + 1):
        agreement.push(words(" ".join(said[:count])), (count + 1) * STEP)
    final = agreement.close(words(" ".join(said)), (len(said) + 1) * STEP)
    assert [normalise(word.text) for word in final] == [normalise(word) for word in said]


def test_a_word_that_the_engine_doubts_must_be_said_three_times() -> None:
    agreement = Agreement(0)
    doubted = [Word("six", 0, 4000, 0.6), Word("nine", 5000, 8000, 1.0)]
    for stable in (0, 0, 2):
        agreement.push(doubted, 16_000)
        assert len(agreement.stable) == stable


def test_doubt_that_is_lifted_begins_the_count_anew() -> None:
    agreement = Agreement(0)
    for text, confidence in (("six", 0.7), ("six", 0.6), ("eight", 0.9), ("eight", 0.9)):
        assert agreement.stable == ()
        agreement.push([Word(text, 0, 4000, confidence)], 16_000)
    assert [word.text for word in agreement.stable] == ["eight"]
