from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from typer import Exit

from fastring.cli import demo as demo_module
from fastring.cli.demo import Script, script_of
from fastring.cli.live_state import LiveState
from fastring.recordings import recording

for module in ("aiohttp", "faster_whisper", "onnxruntime", "av", "soxr"):
    pytest.importorskip(module)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastring", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_it_hears_what_was_said_and_says_how_fast(tmp_path: Path) -> None:
    """Also in an environment that would make another server fail."""
    result = run("--recording", "seen_2", FASTRING_API_KEYS="hush", FASTRING_ASR__MODEL=str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("server ready on http://127.0.0.1:")
    assert any("partial" in line for line in lines)
    for word in recording("seen_2").text.split():
        assert any(line.startswith(word) and line.rstrip().endswith("%") for line in lines)
    for name in (
        "sound to its analysis",
        "start of speech to first partial",
        "last partial to final",
        "end of last word",
    ):
        assert any(line.startswith(name) and line.rstrip().endswith("ms") for line in lines)
    assert lines[-1].split()[-4:] == recording("seen_2").text.split()
    assert "onsets" in result.stdout


def test_a_recording_that_is_not_there_is_told() -> None:
    result = run("--recording", "nothing")
    assert result.returncode == 2
    assert "seen_8" in result.stderr


def test_the_script_joins_recordings_with_pauses() -> None:
    script = script_of([recording("seen_0"), recording("silence"), recording("seen_1")])
    assert script.text == "six four six"
    lengths = 0.0
    for name in ("seen_0", "silence", "seen_1"):
        with wave.open(str(recording(name).path)) as file:
            lengths += file.getnframes() / 16000
    assert script.duration_s == pytest.approx(lengths + 3 * 0.8)


@pytest.mark.parametrize(
    ("text", "with_analysis", "error", "reason"),
    [
        ("two three", True, "", "'two four' was said"),
        ("two four", False, "", "no analysis"),
        ("two four", True, "engine_failed: broken", "engine_failed: broken"),
    ],
)
def test_anything_amiss_ends_in_a_reason_and_exit_code_1(
    text: str, with_analysis: bool, error: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    state = LiveState(0.0)
    if with_analysis:
        message = {"timestamp": 0.1, "rms": 0.1, "pitch": 100.0, "onsets": [], "tempo": None}
        state.receive({"type": "analysis", **message, "buffer_usage": 0.0, "dropped": 0}, 0.2)
    state.receive({"type": "final", "text": text, "words": []}, 1.0)
    if error:
        code, _, message_text = error.partition(": ")
        state.receive({"type": "error", "code": code, "message": message_text}, 1.0)
    with pytest.raises(Exit) as caught:
        demo_module._conclude(state, Script(("x.wav",), b"", "two four"))
    assert caught.value.exit_code == 1
    assert reason in capsys.readouterr().err
