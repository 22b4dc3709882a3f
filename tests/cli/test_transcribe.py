from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fastring.cli.app import app
from fastring.cli.transcribe import segment
from fastring.events import Final, Latency, Word
from fastring.recordings import recording, recording_path

pytest.importorskip("av")
pytest.importorskip("faster_whisper")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["transcribe", "--model", "digits", *map(str, arguments)])


def test_text_is_what_was_said() -> None:
    result = run(recording_path("seen_8"))
    assert result.exit_code == 0
    assert result.stdout.split() == recording("seen_8").text.split()


def test_several_files_say_which_line_is_whose() -> None:
    paths = [recording_path(name) for name in ("seen_2", "silence", "unseen_2")]
    result = run(*paths)
    assert result.exit_code == 0
    heard: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        file, _, text = line.partition(": ")
        heard.setdefault(Path(file).stem, []).extend(text.split())
    assert heard == {name: recording(name).text.split() for name in ("seen_2", "unseen_2")}


def test_json_has_words_with_times_and_confidence() -> None:
    found = json.loads(run("--json", recording_path("seen_2")).stdout)
    spoken = recording("seen_2")
    assert found["text"] == spoken.text
    words = [word for part in found["segments"] for word in part["words"]]
    assert [word["word"] for word in words] == spoken.text.split()
    for word, truth in zip(words, spoken.words, strict=True):
        assert word["start"] == pytest.approx(truth.start_s, abs=0.35)
        assert word["end"] == pytest.approx(truth.end_s, abs=0.35)
        assert 0.0 < word["confidence"] <= 1.0
    for part in found["segments"]:
        assert part["start"] <= part["words"][0]["start"]


def test_subtitles() -> None:
    spoken = recording("seen_2")
    cue = r"\d+\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n(.+)\n\n"
    found = run("--format", "srt", spoken.path).stdout
    assert re.fullmatch(f"({cue})+", found)
    assert " ".join(match.group(1) for match in re.finditer(cue, found)) == spoken.text
    vtt = run("--format", "vtt", spoken.path).stdout
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert vtt.count(" --> ") == found.count(" --> ")
    assert run("--format", "srt", recording_path("silence")).stdout == ""
    assert run("--format", "vtt", recording_path("silence")).stdout == "WEBVTT\n\n"


def test_subtitles_are_of_one_recording() -> None:
    result = run("--format", "srt", recording_path("seen_0"), recording_path("seen_1"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "one recording" in result.stderr


def test_json_by_either_name() -> None:
    assert json.loads(run("--format", "json", recording_path("seen_0")).stdout) == json.loads(
        run("--json", recording_path("seen_0")).stdout
    )


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".webm", ".mp3"])
def test_any_container(tmp_path: Path, suffix: str) -> None:
    import av

    path = tmp_path / f"seen_2{suffix}"
    codec = {".flac": "flac", ".ogg": "libopus", ".webm": "libopus", ".mp3": "libmp3lame"}[suffix]
    with av.open(str(recording_path("seen_2"))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=48000 if codec == "libopus" else 16000)
        resampler = av.AudioResampler(format=stream.format or "s16", layout="mono", rate=stream.rate)
        for frame in source.decode(audio=0):
            for packet in (packet for part in resampler.resample(frame) for packet in stream.encode(part)):
                target.mux(packet)
        for packet in (packet for part in resampler.resample(None) for packet in stream.encode(part)):
            target.mux(packet)
        target.mux(stream.encode(None))
    result = run(path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == recording("seen_2").text.split()


def test_nothing_said_is_no_text() -> None:
    for name in ("silence", "noise"):
        result = run(recording_path(name))
        assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(run("--json", recording_path("silence")).stdout)["segments"] == []


def test_what_cannot_be_read_is_told_and_exits_1(tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("not audio", encoding="utf-8")
    for path in (text, tmp_path / "missing.wav", tmp_path):
        result = run(path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert path.name in result.stderr


def test_an_unusable_model_says_what_to_type_and_exits_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastring", "transcribe", "--model", str(tmp_path), str(recording_path("seen_0"))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert "--model" in result.stderr or str(tmp_path) in result.stderr


def test_a_segment_speaks_in_seconds() -> None:
    final = Final(0, 0, "six", (Word("six", 1600, 8000, 0.9, True),), 0.9, 800, 16000, Latency(0, 0, 0, 0))
    assert segment(final) == {
        "start": 0.05,
        "end": 1.0,
        "text": "six",
        "confidence": 0.9,
        "words": [{"word": "six", "start": 0.1, "end": 0.5, "confidence": 0.9}],
    }


def test_a_recording_may_come_by_stdin() -> None:
    audio = recording_path("seen_2").read_bytes()
    result = CliRunner().invoke(app, ["transcribe", "--model", "digits", "-"], input=audio)
    assert result.stdout.split() == recording("seen_2").text.split()


def wav(path: Path, frames: bytes = b"", *, channels: int = 1, sample_rate: int = 16_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(frames)
    return path


def test_one_recording_that_cannot_be_read_does_not_cost_the_others(tmp_path: Path) -> None:
    good, empty = recording_path("seen_2"), wav(tmp_path / "empty.wav")
    wide = wav(tmp_path / "wide.wav", bytes(6400), channels=64)
    result = run(empty, good, wide)
    assert result.exit_code == 1
    assert result.stdout.replace(f"{good}:", "").split() == recording("seen_2").text.split()
    assert "empty.wav holds no audio" in result.stderr
    assert "wide.wav: 64 channels: at most 32" in result.stderr
    found = json.loads(run("--json", empty, good).stdout)
    assert [item["text"] for item in found] == [recording("seen_2").text]
    assert run("--json", empty).stdout == ""


def test_where_nobody_speaks_it_is_said_on_stderr(tmp_path: Path) -> None:
    result = run(wav(tmp_path / "zeros.wav", bytes(32_000)))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nobody speaks" in result.stderr
