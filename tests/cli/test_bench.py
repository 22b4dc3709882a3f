from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fastring.audio.native_core import instruction_set
from fastring.cli import bench as command
from fastring.cli.app import app


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["bench", *arguments])
    return result.exit_code, result.stdout


def test_json_says_what_took_how_long_beside_what() -> None:
    code, text = run("--json")
    told = json.loads(text)
    assert (code, told["ok"], told["instruction_set"]) == (0, True, instruction_set())
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert len(figures) == 6
    for figure in figures.values():
        assert 1e-8 < figure["seconds"] < figure["limit_s"]
        assert (figure["times"] is None) == (figure["beside"] == "")
    assert figures["int16 to float32, 1024"]["times"] > 2
    assert figures["float32 to int16, 1024"]["times"] > 2
    fast, slow = figures["energy gate, 20 ms at 16 kHz"], figures["analysis, 1024 at 44.1 kHz"]
    assert fast["seconds"] < slow["seconds"]


def test_the_table_tells_streams_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_ROUNDS", 1)
    code, text = run()
    assert code == 0
    assert "ring write + read, 1024" in text
    assert " x deque" in text
    assert "live streams of 20 ms at 16 kHz" in text


def test_a_limit_that_is_missed_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_ROUNDS", 1)
    monkeypatch.setattr(command, "_ANALYSIS_LIMIT_S", 1e-9)
    code, text = run("--json")
    assert (code, json.loads(text)["ok"]) == (1, False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(91e-9, "91 ns"), (999e-9, "999 ns"), (7.64e-6, "7.64 µs"), (10e-3, "10 ms"), (1.5, "1.5e+03 ms")],
)
def test_times_are_shown_in_their_unit(seconds: float, text: str) -> None:
    assert command._shown(seconds) == text
