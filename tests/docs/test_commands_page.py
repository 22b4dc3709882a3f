"""The page of the commands names each, and the exit codes it promises are those that come."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastring.cli.app import EXAMPLES
from fastring.recordings import recording_path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
SPEECH = str(recording_path("seen_0"))


def test_every_command_stands_on_the_page() -> None:
    assert re.findall(r"^\| `fastring (\w+)`", PAGE, re.MULTILINE) == [command.__name__ for command in EXAMPLES]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["analyze", "--summary", SPEECH], 0),
        (["analyze", "there-is-no.wav"], 1),
        (["transcribe", "there-is-no.wav"], 1),
        (["transcribe", "--model", "there-is-no-model", SPEECH], 2),
        (["transcribe", "--set", "asr.threads=many", SPEECH], 2),
        (["analyze", "--such-an-option", SPEECH], 2),
        (["transcribe"], 2),
    ],
    ids=lambda value: str(value),
)
def test_exit_codes_are_those_of_the_page(arguments: list[str], code: int) -> None:
    pytest.importorskip("faster_whisper")
    pytest.importorskip("av")
    result = subprocess.run(
        [sys.executable, "-m", "fastring", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == code, result.stderr
    assert f"| {code} |" in PAGE
    assert "Traceback" not in result.stderr
    assert bool(result.stderr) == bool(code)
