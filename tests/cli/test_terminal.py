from __future__ import annotations

import importlib.util

import pytest
import typer

from fastring.cli.terminal import fail, need, progress_bar, told
from fastring.errors import ConfigError, DecodeError, ModelUnavailableError


def exit_code(error: Exception) -> int:
    with pytest.raises(typer.Exit) as caught, told():
        raise error
    return caught.value.exit_code


def test_failures_are_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        fail("[red] is not markup here", 3)
    assert caught.value.exit_code == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: [red] is not markup here\n"


def test_exit_codes_say_whose_fault_it_is() -> None:
    assert exit_code(ConfigError("x")) == 2
    assert exit_code(ModelUnavailableError("x")) == 2
    assert exit_code(DecodeError("x")) == 1


def test_what_nobody_expected_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError), told():
        raise ZeroDivisionError


def test_a_missing_extra_says_what_to_type(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(typer.Exit) as caught:
        need("serve", "aiohttp", "faster_whisper")
    assert caught.value.exit_code == 2
    assert 'pip install "fastring[asr,server]"' in capsys.readouterr().err


def test_the_progress_bar_stays_quiet_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        progress.advance(progress.add_task("x", total=1))
    assert capsys.readouterr() == ("", "")
