from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fastring import analyze
from fastring.cli.analyze import report
from fastring.cli.app import app
from fastring.recordings import recording_path

pytest.importorskip("av")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["analyze", *map(str, arguments)])


def test_json_says_what_the_library_says() -> None:
    path = recording_path("seen_8")
    result = run(path)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    pcm = np.frombuffer(path.read_bytes()[44:], "<i2")
    tracks = analyze(pcm, 16000)
    assert found["sample_rate"] == 16000
    assert found["duration"] == pytest.approx(5.171, abs=0.001)
    assert [onset["time"] for onset in found["onsets"]] == pytest.approx(tracks.onset_time_s, abs=1e-3)
    assert found["frames"]["rms"] == pytest.approx(tracks.rms, rel=1e-5)
    assert len(found["frames"]["time"]) == len(found["frames"]["spectral_centroid"]) == len(tracks.frame_time_s)
    assert [hz or 0.0 for hz in found["pitches"]["pitch"]] == pytest.approx(tracks.pitch, rel=1e-5)
    assert 80 < found["pitch"]["median"] < 160
    assert found["tempo"] == pytest.approx(tracks.tempo, abs=0.005)


def test_the_summary_leaves_the_frames_out() -> None:
    found = json.loads(run("--summary", recording_path("seen_8")).stdout)
    assert "frames" not in found
    assert "pitches" not in found
    assert len(found["onsets"]) >= 8


def test_several_files_give_a_list() -> None:
    paths = [recording_path("seen_0"), recording_path("silence")]
    found = json.loads(run("--summary", *paths).stdout)
    assert [item["file"] for item in found] == [str(path) for path in paths]
    assert found[1]["level"] == {"rms_db": None, "peak_db": None}
    assert (found[1]["onsets"], found[1]["tempo"], found[1]["pitch"]["median"]) == ([], None, None)


def test_csv_has_a_row_for_each_frame(tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run("--csv", "--output", output, recording_path("seen_8"), recording_path("seen_0")).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))
    first = [row for row in rows if row["file"].endswith("seen_8.wav")]
    assert len(first) == pytest.approx(5.17 / 0.02, abs=3)
    assert [float(row["time"]) for row in first] == sorted(float(row["time"]) for row in first)
    onsets = json.loads(run("--summary", recording_path("seen_8")).stdout)["onsets"]
    marked = [float(row["time"]) for row in first if row["onset_strength"]]
    assert len(marked) == len(onsets)
    for frame_end, onset in zip(marked, onsets, strict=True):
        assert frame_end - 0.021 <= onset["time"] <= frame_end + 1e-3
    assert {row["pitch"] == "" for row in first} == {True, False}


def test_plot_writes_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one = run("--plot", tmp_path / "one.png", recording_path("seen_0"))
    assert (one.exit_code, one.stdout) == (0, "")
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    assert run("--plot", tmp_path / "all", recording_path("seen_0"), recording_path("seen_1")).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["seen_0.png", "seen_1.png"]


def test_what_is_no_audio_is_told_and_exits_1(tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("not audio", encoding="utf-8")
    empty = tmp_path / "empty.wav"
    empty.touch()
    headed = tmp_path / "headed.wav"
    headed.write_bytes(recording_path("seen_0").read_bytes()[:40] + bytes(4))
    for path in (text, tmp_path / "missing.wav", tmp_path, empty, headed):
        result = run(path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert path.name in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("sample_rate", [700, 384_000])
def test_a_rate_that_cannot_be_analysed_is_told_and_the_others_go_on(tmp_path: Path, sample_rate: int) -> None:
    good, odd = recording_path("seen_0"), tmp_path / "odd.wav"
    data = bytearray(good.read_bytes())
    data[24:28] = sample_rate.to_bytes(4, "little")
    odd.write_bytes(data)
    result = run("--summary", odd, good)
    assert result.exit_code == 1
    assert f"odd.wav: its sample rate is {sample_rate} Hz: 8000 to 192000" in result.stderr
    assert [item["file"] for item in json.loads(result.stdout)] == [str(good)]


def test_numbers_are_as_long_as_they_mean_something() -> None:
    found = json.loads(run("--summary", recording_path("seen_8")).stdout)
    numbers = [found["duration"], *(value for value in found["pitch"].values())]
    assert all(len(str(number).partition(".")[2]) <= 4 for number in numbers), numbers


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run("--output", tmp_path / "no" / "such" / "folder.json", recording_path("seen_0"))
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    pytest.importorskip("matplotlib")
    assert "cannot write" in run("--plot", tmp_path / "x.xyz", recording_path("seen_0")).stderr


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.zeros(100, np.int16), np.zeros(4000, np.float32)])
def test_a_report_of_next_to_nothing(samples: np.ndarray) -> None:
    found = report(Path("x"), analyze(samples, 16000))
    assert json.loads(json.dumps(found)) == found
    assert found["onsets"] == []


def test_json_may_be_asked_for_by_name() -> None:
    path = recording_path("seen_0")
    assert run("--json", "--summary", path).stdout == run("--summary", path).stdout
    assert "choose one" in run("--json", "--csv", path).stderr


def test_one_picture_cannot_hold_several_recordings(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run("--plot", tmp_path / "out.png", recording_path("seen_0"), recording_path("seen_1"))
    assert result.exit_code == 2
    assert "name a folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_pictures_in_a_folder_do_not_overwrite_each_other(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = recording_path("seen_0")
    assert run("--plot", tmp_path, path).exit_code == 0
    assert run("--plot", tmp_path, path, recording_path("seen_1"), path).exit_code == 0
    assert {file.name for file in tmp_path.iterdir()} == {"seen_0.png", "seen_0-1.png", "seen_0-2.png", "seen_1.png"}


def test_stdin_is_a_recording_too() -> None:
    path = recording_path("seen_0")
    result = CliRunner().invoke(app, ["analyze", "--summary", "-"], input=path.read_bytes())
    assert json.loads(result.stdout) == json.loads(run("--summary", path).stdout) | {"file": "-"}
