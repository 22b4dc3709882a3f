from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastring.asr.transcriber import Hypothesis, Job, join_words
from fastring.events import Word


def test_the_text_is_the_words() -> None:
    words = (Word("one", 0, 10, 0.9), Word("two", 10, 20, 0.8))
    assert Hypothesis(words).text == "one two"
    assert Hypothesis(()).text == ""


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["one", "two"], "one two"),
        (["今天", "天气", "好。"], "今天天气好。"),
        (["我", "用", "Python", "写", "。"], "我用 Python 写。"),
        (["สวัสดี", "ครับ"], "สวัสดีครับ"),
        (["안녕", "하세요"], "안녕 하세요"),
        ([], ""),
    ],
)
def test_words_are_joined_as_their_script_does(texts: list[str], joined: str) -> None:
    words = [Word(text, i, i + 1, 1.0) for i, text in enumerate(texts)]
    assert join_words(words) == joined
    assert all(joined.startswith(join_words(words[:n])) for n in range(len(words)))


def test_a_job_is_frozen_and_stands_for_itself() -> None:
    job = Job(1, "s", 0, "final", 0, np.zeros(3, np.float32))
    assert job == job
    assert job != dataclasses.replace(job)
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.start = 1  # type: ignore[misc]
    assert "samples" not in repr(job)
