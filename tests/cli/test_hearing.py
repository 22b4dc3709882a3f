from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import typer

from fastring.cli.hearing import SAMPLE_RATE, check_recording, finals_of, open_pool, opened
from fastring.cli.terminal import progress_bar
from fastring.config import AsrSettings, Settings
from fastring.recordings import recording, recording_path

pytest.importorskip("av")
pytest.importorskip("faster_whisper")


def test_the_finals_of_a_file() -> None:
    settings = Settings(asr=AsrSettings(model="digits"))
    with open_pool(settings) as pool, progress_bar() as progress:
        finals = list(finals_of(recording_path("seen_2"), settings, pool, progress))
    assert " ".join(final.text for final in finals) == recording("seen_2").text
    assert finals[-1].end <= recording("seen_2").duration_s * SAMPLE_RATE


def test_what_cannot_be_a_recording_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, why in (
        (tmp_path, "is a folder"),
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
