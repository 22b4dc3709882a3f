from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.words import Piece, cut_loops, join_pieces, sounding_s, tighten


def pieces(*texts: str, step_s: float = 0.4, confidence: float = 0.9) -> list[Piece]:
    return [Piece(text, i * step_s, (i + 1) * step_s, confidence) for i, text in enumerate(texts)]


def texts(words: list[Piece]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.parametrize(
    ("raw", "joined"),
    [
        ((" one", " two"), ["one", "two"]),
        (("One", ",", " two", "."), ["One,", "two."]),
        ((" well", "-known", " fact"), ["well-known", "fact"]),
        ((" he", " said", ":", ' "no', '."'), ["he", "said:", '"no."']),
        ((" ", "", " one"), ["one"]),
        ((), []),
    ],
)
def test_pieces_without_a_space_belong_to_the_word_before(raw: tuple[str, ...], joined: list[str]) -> None:
    assert texts(join_pieces(pieces(*raw), spaced=True)) == joined


def test_languages_without_spaces_keep_their_words() -> None:
    assert texts(join_pieces(pieces("今天", "天气", "好", "。"), spaced=False)) == ["今天", "天气", "好。"]


def test_a_joined_word_spans_its_parts_and_is_as_sure_as_the_weakest() -> None:
    (word,) = join_pieces([Piece(" a", 0, 1, 0.9), Piece("b", 1, 2, 0.4), Piece(".", 2, 3, 0.1)], spaced=True)
    assert word == Piece("ab.", 0, 2, 0.4)


def test_a_loop_faster_than_speech_is_cut_to_one_round() -> None:
    words = pieces("so", *["thank", "you"] * 6, "bye", step_s=0.02)
    assert texts(cut_loops(words, repetitive=False)) == ["so", "thank", "you", "bye"]


def test_a_long_loop_in_repetitive_text_is_cut() -> None:
    words = pieces(*["thank", "you"] * 6)
    assert texts(cut_loops(words, repetitive=True)) == ["thank", "you"]
    assert cut_loops(words, repetitive=False) == words


def test_a_phrase_said_again_in_no_time_was_said_once() -> None:
    said = [Piece("four", 0.0, 0.4, 0.9), Piece("six", 0.4, 0.8, 0.9), Piece("two", 0.8, 1.3, 0.9)]
    again = [Piece("six", 1.3, 1.7, 0.5), Piece("two", 1.7, 1.7, 0.9)]
    rest = [Piece("eight", 1.7, 1.9, 0.7)]
    assert cut_loops([*said, *again, *rest], repetitive=False) == [*said, *rest]
    slowly = [Piece("six", 1.3, 1.5, 0.5), Piece("two", 1.5, 1.7, 0.9)]
    assert cut_loops([*said, *slowly, *rest], repetitive=False) == [*said, *slowly, *rest]


@given(st.lists(st.sampled_from("012"), max_size=60))
def test_digits_as_people_say_them_stay(digits: list[str]) -> None:
    words = pieces(*digits)
    assert cut_loops(words, repetitive=False) == words
    kept = cut_loops(words, repetitive=True)
    assert (kept == words) is not loops(digits)
    assert set(texts(kept)) == set(digits)


def loops(said: list[str]) -> bool:
    """Whether a phrase stands there four times in a row or more, twelve words in all or more."""
    wanted = [(n, max(4, -(-12 // n))) for n in range(1, 13)]
    return any(
        said[at : at + n] * times == said[at : at + n * times]
        for n, times in wanted
        for at in range(len(said) - n * times + 1)
    )


def test_a_number_said_eight_times_stays() -> None:
    words = pieces(*["seven"] * 8)
    assert cut_loops(words, repetitive=True) == words


def tone(rate: int, *spans: tuple[float, float], duration_s: float, noise: float = 0.0) -> np.ndarray:
    samples = np.random.default_rng(3).standard_normal(int(duration_s * rate)) * noise
    for begin, end in spans:
        t = np.arange(int(begin * rate), int(end * rate))
        samples[t] += 0.3 * np.sin(2 * np.pi * 300 * t / rate)
    return samples.astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
def test_words_shrink_to_their_sound(noise: float) -> None:
    samples = tone(16_000, (0.5, 0.8), (1.4, 1.7), duration_s=3, noise=noise)
    words = tighten([Piece("a", 0, 1.35, 1), Piece("b", 1.35, 2.9, 1)], samples, 16_000)
    spans = [(round(word.start_s, 2), round(word.end_s, 2)) for word in words]
    assert spans == [(0.5, 0.8), (1.4, 1.7)]


def test_of_two_stretches_the_louder_is_the_word() -> None:
    samples = tone(16_000, (0.1, 0.15), (0.6, 1.0), duration_s=2)
    (word,) = tighten([Piece("a", 0, 2, 1)], samples, 16_000)
    assert (word.start_s, word.end_s) == (pytest.approx(0.6), pytest.approx(1.0))


def test_a_stop_consonant_does_not_end_a_word() -> None:
    samples = tone(16_000, (0.3, 0.5), (0.62, 0.8), duration_s=2)
    (word,) = tighten([Piece("six", 0, 2, 1)], samples, 16_000)
    assert (word.start_s, word.end_s) == (pytest.approx(0.3), pytest.approx(0.8))


@pytest.mark.parametrize(("after_s", "sound_s"), [(0.0, 0.6), (0.6, 0.5), (1.0, 0.3), (2.0, 0.0)])
def test_sound_after_a_time_is_measured(after_s: float, sound_s: float) -> None:
    samples = tone(16_000, (0.5, 0.8), (1.4, 1.7), duration_s=3, noise=1e-3)
    assert sounding_s(samples, 16_000, after_s=after_s) == pytest.approx(sound_s, abs=0.021)


@given(
    st.lists(st.tuples(st.floats(-1, 4), st.floats(-1, 4)), max_size=8),
    st.integers(1, 40_000),
    st.integers(0, 2**32 - 1),
)
def test_spans_are_always_ordered_and_inside(edges: list[tuple[float, float]], n_samples: int, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)
    words = tighten([Piece("w", start, end, 1) for start, end in edges], samples, 16_000)
    flat = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert flat == sorted(flat)
    assert all(0 <= edge <= n_samples / 16_000 for edge in flat)
