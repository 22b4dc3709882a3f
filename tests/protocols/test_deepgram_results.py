from __future__ import annotations

import pytest

from fastring.events import Word
from fastring.protocols.deepgram_results import ModelInfo, alternative, bare_word, seconds, text_between

WORDS = (Word("Hello,", 0, 8_000, 0.91234), Word("Dr.", 8_000, 12_000, 0.5), Word("O'Brien!", 12_000, 16_001, 0.7))


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Hello,", "hello"),
        ("O'Brien's", "o'brien's"),
        ("«Où»", "où"),
        ("twenty-one.", "twenty-one"),
        ("—", ""),
        ("5%", "5"),
    ],
)
def test_a_bare_word_is_lower_case_without_punctuation_around_it(text: str, bare: str) -> None:
    assert bare_word(text) == bare


def test_punctuated_words_stand_beside_the_bare_ones() -> None:
    told = alternative("Hello, Dr. O'Brien!", WORDS, 0.70411, sample_rate=16_000, punctuate=True)
    assert told["transcript"] == "Hello, Dr. O'Brien!"
    assert told["confidence"] == 0.7041
    assert told["words"][0] == {
        "word": "hello",
        "start": 0.0,
        "end": 0.5,
        "confidence": 0.9123,
        "punctuated_word": "Hello,",
    }
    assert [word["word"] for word in told["words"]] == ["hello", "dr", "o'brien"]


@pytest.mark.parametrize(
    ("text", "words", "first", "last", "part"),
    [
        ("one two two", ("one", "two", "two"), 1, 2, "two"),
        ("one two two", ("one", "two", "two"), 0, 3, "one two two"),
        ("one two two", ("one", "two", "two"), 2, 2, ""),
        ("今日は良い天気", ("今日", "は", "良い", "天気"), 1, 3, "は良い"),
        ("other", ("one", "two"), 0, 2, "one two"),
    ],
)
def test_a_part_of_a_text(text: str, words: tuple[str, ...], first: int, last: int, part: str) -> None:
    assert text_between(text, [Word(word, 0, 1, 1.0) for word in words], first, last) == part


def test_without_punctuation_everything_is_bare() -> None:
    told = alternative("Hello, Dr. O'Brien!", WORDS, 0.7, sample_rate=16_000, punctuate=False)
    assert told["transcript"] == "hello dr o'brien"
    assert set(told["words"][0]) == {"word", "start", "end", "confidence"}


@pytest.mark.parametrize(
    ("text", "words", "bare"),
    [
        ("你好。再见", ("你好。", "再见"), "你好再见"),
        ("Hello — world", ("Hello", "—", "world"), "hello world"),
        ("— Hello", ("—", "Hello"), "hello"),
        ("one one", ("one", "one"), "one one"),
        ("", (), ""),
    ],
)
def test_bare_words_are_joined_as_the_text_joins_them(text: str, words: tuple[str, ...], bare: str) -> None:
    said = [Word(word, index, index + 1, 0.5) for index, word in enumerate(words)]
    told = alternative(text, said, 0.5, sample_rate=16_000, punctuate=False)
    assert told["transcript"] == bare
    assert all(word["word"] for word in told["words"])


def test_a_model_has_one_id() -> None:
    model = ModelInfo("digits", "0.1.0", "faster-whisper")
    assert model.model_uuid == ModelInfo("digits", "0.1.0", "faster-whisper").model_uuid
    assert model.model_uuid != ModelInfo("digits", "0.1.1", "faster-whisper").model_uuid
    assert model.by_id() == {model.model_uuid: {"name": "digits", "version": "0.1.0", "arch": "faster-whisper"}}


def test_seconds_are_told_to_the_millisecond() -> None:
    assert seconds(16_001, 16_000) == 1.0
    assert seconds(16_008, 16_000) == 1.0
    assert seconds(24_000, 16_000) == 1.5
