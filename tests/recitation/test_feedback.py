from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.errors import ConfigError
from fastring.recitation.feedback import Feedback, verify

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_a_recitation_word_by_word() -> None:
    feedback = Feedback("Zero three two one")
    words, extra = feedback.update(["zero", "tree"])
    assert [word.status for word in words] == ["correct", "pending", "pending", "pending"]
    words, extra = feedback.update(["zero", "tree"])
    assert (words[1].status, words[1].heard, words[1].word) == ("minor_mistake", "tree", "three")
    words, extra = feedback.update(["zero", "three", "two", "six"])
    assert [word.status for word in words][:3] == ["correct"] * 3
    assert extra == ("six",)
    assert words[0].heard == ""


def test_the_end_judges_at_once() -> None:
    found = verify("zero tree nine", "Zero three, two one.")
    assert [word.status for word in found.words] == ["correct", "minor_mistake", "wrong", "missing"]
    assert found.score == pytest.approx(1.5 / 4)
    assert found.transcript == "zero tree nine"


@pytest.mark.parametrize(
    ("transcript", "score"),
    [("one two three", 1.0), ("", 0.0), ("one two three four", 0.75), ("one three", 0.6667), ("six six six six", 0.0)],
)
def test_the_score_is_a_share(transcript: str, score: float) -> None:
    assert verify(transcript, "one two three").score == score


def test_statuses_on_made_mistakes_are_found() -> None:
    """A hundred recitations with known mistakes: every kind is found, and nothing else is called one."""
    rng, right, total = random.Random(7), 0, 0
    for _ in range(100):
        reference = [rng.choice(DIGITS) for _ in range(8)]
        place = rng.randrange(1, 7)
        other = rng.choice([word for word in DIGITS if word not in reference[place - 1 : place + 2]])
        for said, status in (
            ([*reference[:place], other, *reference[place + 1 :]], {"wrong", "minor_mistake"}),
            ([*reference[:place], *reference[place + 1 :]], {"missing"}),
        ):
            found = verify(" ".join(said), " ".join(reference))
            bad = [word for word in found.words if word.status != "correct"]
            total += 1
            right += len(bad) == 1 and bad[0].status in status and bad[0].word == reference[place]
    assert right == total == 200


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_texts_give_a_score(transcript: str, reference: str) -> None:
    try:
        found = verify(transcript, reference)
    except ValueError:
        return
    assert 0.0 <= found.score <= 1.0
    assert all(word.status != "pending" for word in found.words)


@pytest.mark.parametrize("text", ["", " ", "... ! —", "\u064e \u0640", "\u06dd"])
def test_a_reference_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="holds no word"):
        Feedback(text)


def test_feedback_on_a_long_text_stays_quick() -> None:
    """The longest reference that a server takes is some 5,000 short words: an update must not hold up its loop."""
    words = [f"w{number % 997}" for number in range(5_000)]
    feedback = Feedback(" ".join(words))
    took_s = []
    for count in range(10, 310, 10):
        begun_s = time.thread_time()
        told, _ = feedback.update(words[:count], settled=count - 5)
        took_s.append(time.thread_time() - begun_s)
        assert [word.status for word in told[: count - 5]] == ["correct"] * (count - 5)
    assert min(took_s) < 0.02


def test_ten_thousand_words_are_verified_in_a_moment() -> None:
    words = [f"w{number % 997}" for number in range(10_000)]
    said = words[:7_000] + words[7_100:]
    begun_s = time.thread_time()
    found = verify(" ".join(said), " ".join(words))
    assert time.thread_time() - begun_s < 2
    assert sum(word.status == "missing" for word in found.words) == 100
    assert found.extra_words == ()


def test_what_is_told_does_not_change_afterwards() -> None:
    feedback = Feedback("one two three")
    first, _ = feedback.update(["one"])
    before = [word.status for word in first]
    feedback.update(["one", "two", "three"])
    assert [word.status for word in first] == before
