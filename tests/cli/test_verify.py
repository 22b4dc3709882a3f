from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from fastring.cli.app import app
from fastring.recordings import recording_path

pytest.importorskip("av")
pytest.importorskip("faster_whisper")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", "--model", "digits", *map(str, arguments)])


def test_each_word_is_judged() -> None:
    result = run(recording_path("seen_2"), "--reference", "Nine, four, two, three, five")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["Nine,", "four,", "two,", "three,", "five"]
    assert [line.strip() for line in lines[1:]] == ["two,: wrong, heard one", "five: missing", "score 60 %"]


def test_json_is_what_the_server_answers() -> None:
    found = json.loads(run(recording_path("seen_2"), "--reference", "nine four one three", "--json").stdout)
    assert (found["transcript"], found["score"]) == ("nine four one three", 1.0)
    assert [word["status"] for word in found["word_feedback"]] == ["correct"] * 4
    assert found["duration"] == pytest.approx(2.4, abs=0.4)


def test_a_verse_by_its_number() -> None:
    result = run(recording_path("seen_1"), "--surah", 1, "--ayah", 3)
    assert result.exit_code == 0
    assert "score 0 %" in result.stdout
    assert "extra: four six" in result.stdout or "heard four" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give --reference TEXT, or --surah and --ayah"),
        (("--surah", 1), 2, "give --reference TEXT, or --surah and --ayah"),
        (("--reference", "one", "--surah", 1, "--ayah", 1), 2, "give --reference TEXT"),
        (("--reference", "..."), 2, "holds no word"),
        (("--surah", 1, "--ayah", 9), 1, "surah 1 has ayahs 1 to 7"),
    ],
)
def test_what_is_missing_is_said(arguments: tuple[object, ...], code: int, said: str) -> None:
    result = run(recording_path("seen_1"), *arguments)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_file_that_is_not_there() -> None:
    result = run("nowhere.wav", "--reference", "one")
    assert result.exit_code == 1
    assert "there is no such file" in result.stderr
