from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastring.asr.transcriber import Hypothesis, Job
from fastring.events import Word


def test_the_text_is_the_words() -> None:
    words = (Word("one", 0, 10, 0.9), Word("two", 10, 20, 0.8))
    assert Hypothesis(words).text == "one two"
    assert Hypothesis(()).text == ""


def test_a_job_is_frozen_and_stands_for_itself() -> None:
    job = Job(1, "s", 0, "final", 0, np.zeros(3, np.float32))
    assert job == job
    assert job != dataclasses.replace(job)
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.start = 1  # type: ignore[misc]
    assert "samples" not in repr(job)
