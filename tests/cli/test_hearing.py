from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import typer

from fastring.cli.hearing import SAMPLE_RATE, Unreadable, check_recording, finals_of, named, open_pool, opened
from fastring.cli.terminal import progress_bar
from fastring.config import AsrSettings, Settings
from fastring.errors import AudioFormatError, DecodeError
from fastring.recordings import recording, recording_path

pytest.importorskip("av")
pytest.importorskip("faster_whisper")


def test_the_finals_of_a_file() -> None:
    settings = Settings(asr=AsrSettings(model="digits"))
    with open_pool(settings) as pool, progress_bar() as progress:
        finals = list(finals_of(recording_path("seen_2"), settings, pool, progress))
    assert " ".join(final.text for final in finals) == recording("seen_2").text
    assert finals[-1].end <= (recording("seen_2").duration_s + 0.001) * SAMPLE_RATE  # which is rounded


def test_what_cannot_be_a_recording_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.wav").touch()
    for path, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "empty.wav", "is an empty file"),
        (tmp_path / "x", "there is no such file"),
        (Path(os.devnull), "device"),
    ):
        with pytest.raises(typer.Exit):
            check_recording(path)
        assert why in capsys.readouterr().err
    check_recording(Path("-"))


def test_a_pipe_is_held_so_that_it_can_be_read_twice(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_recording(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"RIFF",))
    writer.start()
    held = opened(pipe)
    writer.join()
    assert not isinstance(held, Path)
    assert (held.read(), held.seek(0), held.read()) == (b"RIFF", 0, b"RIFF")


def test_what_is_wrong_with_a_recording_is_told_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    unreadable = Unreadable()
    unreadable.exit()
    for wrong in (PermissionError(13, "Permission denied"), DecodeError("a.wav holds no audio"), AudioFormatError("x")):
        with unreadable.told(Path("a.wav")), named(Path("a.wav")):
            raise wrong
    told = ["a.wav: Permission denied", "a.wav holds no audio", "a.wav: x"]
    assert capsys.readouterr().err.splitlines() == [f"error: {line}" for line in told]
    with pytest.raises(typer.Exit) as ending:
        unreadable.exit()
    assert ending.value.exit_code == 1


def test_an_output_that_is_full_is_not_the_recordings_fault() -> None:
    with pytest.raises(OSError, match="full"), Unreadable().told(Path("a.wav")):
        raise OSError(28, "full")
