from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from fastring.asr.scripted import ScriptedTranscriber
from fastring.asr.transcriber import Hypothesis, Job
from fastring.config import AsrSettings
from fastring.errors import ConfigError, EngineFailedError

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = ["the quick brown fox", "jumps", "", "over the lazy dog"]


def job(utterance: int, seconds: float, kind: Literal["partial", "final"], start: int = 0) -> Job:
    return Job(1, "s", utterance, kind, start, np.zeros(int(seconds * 16_000), np.float32))


def answer(engine: ScriptedTranscriber, asked: Job) -> Hypothesis:
    return engine.transcribe([asked])[0]


def test_each_utterance_has_its_line_and_the_script_starts_over() -> None:
    engine = ScriptedTranscriber(SCRIPT)
    assert [answer(engine, job(k, 2, "final")).text for k in range(5)] == [*SCRIPT, SCRIPT[0]]


def test_partials_grow_with_the_audio_and_never_change() -> None:
    engine = ScriptedTranscriber(SCRIPT, seconds_per_word=0.5)
    heard = [answer(engine, job(0, n * 0.25, "partial")) for n in range(12)]
    assert [len(each.words) for each in heard] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4]
    assert all(later.words[: len(earlier.words)] == earlier.words for earlier, later in itertools.pairwise(heard))


@pytest.mark.parametrize("kind", ["partial", "final"])
def test_words_lie_inside_the_audio_in_order(kind: Literal["partial", "final"]) -> None:
    heard = answer(ScriptedTranscriber(SCRIPT), job(3, 2.0, kind, start=5000))
    edges = [edge for word in heard.words for edge in (word.start, word.end)]
    assert len(heard.words) == 4
    assert edges == sorted(edges)
    assert edges[0] == 5000
    assert edges[-1] <= 5000 + 32_000


def test_a_final_without_audio_still_says_its_line() -> None:
    assert answer(ScriptedTranscriber(SCRIPT), job(0, 0, "final")).text == SCRIPT[0]


def test_it_takes_its_time() -> None:
    begun = time.perf_counter()
    answer(ScriptedTranscriber(SCRIPT, delay_s=0.03), job(0, 1, "final"))
    assert time.perf_counter() - begun >= 0.03


def test_it_fails_where_it_is_told_to() -> None:
    engine = ScriptedTranscriber(SCRIPT, fails=lambda asked: asked.utterance == 1)
    assert answer(engine, job(0, 1, "final")).text
    with pytest.raises(EngineFailedError, match="job 1 of s"):
        answer(engine, job(1, 1, "final"))


def test_a_script_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "script.txt"
    path.write_text("one two\nthree\n")
    engine = ScriptedTranscriber.from_settings(AsrSettings(engine="scripted", script=str(path)))
    assert answer(engine, job(1, 1, "final")).text == "three"


@pytest.mark.parametrize("script", ["", "nowhere.txt"])
def test_without_a_script_it_says_so(script: str) -> None:
    with pytest.raises(ConfigError, match=r"asr\.script"):
        ScriptedTranscriber.from_settings(AsrSettings(engine="scripted", script=script))
    with pytest.raises(ConfigError):
        ScriptedTranscriber([])
