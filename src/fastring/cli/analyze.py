"""`fastring analyze`: everything the analyzer finds in a recording, as JSON, CSV or a picture."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from fastring.cli.hearing import Unreadable, check_recording, named, opened
from fastring.cli.terminal import err, fail, need, progress_bar, told
from fastring.errors import AudioFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastring.analysis.batch import Tracks

__all__ = ["analyze", "report"]

_PICTURES = {".png", ".svg", ".pdf", ".jpg", ".jpeg"}
_FRAME_TRACKS = (
    "rms",
    "peak",
    "zero_crossing_rate",
    "spectral_centroid",
    "spectral_rolloff",
    "spectral_flux",
    "spectral_flatness",
)


def analyze(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Recordings: WAV, FLAC, MP3, Ogg, WebM, ...; - is stdin.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="JSON, which is also what comes without it.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One row per 20 ms frame.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw a picture (also .svg, .pdf); or, in a folder, one of each FILE."),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Leave the frames out of the JSON.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of to stdout.")] = None,
) -> None:
    """Measure level, spectrum, onsets, pitch and tempo of recordings."""
    if as_json and as_csv:
        fail("--json and --csv: choose one", 2)
    need("analyze --plot" if plot else "analyze", "av", *(["matplotlib"] if plot else []))
    pictures = _pictures(files, plot) if plot else []
    for file in files:
        check_recording(file)
    found: list[tuple[Path, Tracks]] = []
    unreadable = Unreadable()
    with told(), progress_bar() as progress:
        for index, file in enumerate(progress.track(files, description="analysing")):
            with unreadable.told(file):
                samples, tracks = _analysed(file)
                if plot:
                    _draw(file, samples, tracks, pictures[index])
                found.append((file, tracks))
    if found and as_csv:
        _write(output, lambda to: _write_csv(to, found))
    elif found and (output or as_json or not plot):
        reports = [report(file, tracks, frames=not summary) for file, tracks in found]
        shown = reports[0] if len(files) == 1 else reports
        _write(output, lambda to: print(json.dumps(shown), file=to))
    unreadable.exit()


def _analysed(file: Path) -> tuple[NDArray[np.float32], Tracks]:
    from fastring.analysis.batch import analyze as analyze_samples
    from fastring.audio.files import read_audio
    from fastring.audio.format import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

    with named(file):
        samples, sample_rate = read_audio(opened(file))
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        allowed = f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz can be analysed"
        raise AudioFormatError(f"its sample rate is {sample_rate} Hz: {allowed}")
    return samples, analyze_samples(samples, sample_rate)


def report(file: Path, tracks: Tracks, *, frames: bool = True) -> dict[str, Any]:
    """What was found, as JSON can hold it: times in seconds, levels in dBFS, frequencies in Hz; null is unknown."""
    voiced = tracks.pitch[tracks.pitch > 0]
    peak = float(tracks.peak.max(initial=0.0))
    rms = float(np.sqrt(np.mean(np.square(tracks.rms, dtype=np.float64)))) if len(tracks.rms) else 0.0
    found: dict[str, Any] = {
        "file": str(file),
        "sample_rate": tracks.sample_rate,
        "duration": round(tracks.duration_s, 4),
        "tempo": None if tracks.tempo is None else round(tracks.tempo, 2),
        "tempo_confidence": _rounded(tracks.tempo_confidence),
        "level": {"rms_db": _decibels(rms), "peak_db": _decibels(peak)},
        "pitch": {
            "median": round(float(np.median(voiced)), 2) if len(voiced) else None,
            "low": round(float(voiced.min()), 2) if len(voiced) else None,
            "high": round(float(voiced.max()), 2) if len(voiced) else None,
            "voiced_share": round(len(voiced) / len(tracks.pitch), 4) if len(tracks.pitch) else 0.0,
        },
        "onsets": [
            {"time": round(float(time_s), 4), "strength": _rounded(strength)}
            for time_s, strength in zip(tracks.onset_time_s, tracks.onset_strength, strict=True)
        ],
    }
    if frames:
        found["frames"] = {"time": _column(tracks.frame_time_s)} | {
            name: _column(getattr(tracks, name)) for name in _FRAME_TRACKS
        }
        found["pitches"] = {
            "time": _column(tracks.pitch_time_s),
            "pitch": [_rounded(hz) if hz > 0 else None for hz in tracks.pitch],
            "confidence": _column(tracks.pitch_confidence),
        }
    return found


def _write_csv(to: IO[str], found: Sequence[tuple[Path, Tracks]]) -> None:
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(["file", "time", *_FRAME_TRACKS, "pitch", "pitch_confidence", "onset_strength"])
    for file, tracks in found:
        writer.writerows([str(file), *row] for row in _rows(tracks))


def _rows(tracks: Tracks) -> Iterator[list[Any]]:
    """One row per spectral frame; its pitch is the nearest one, its onset the strongest that began within it."""
    pitch_at = np.searchsorted(tracks.pitch_time_s, tracks.frame_time_s).clip(0, max(len(tracks.pitch) - 1, 0))
    onset_at = np.searchsorted(tracks.frame_time_s, tracks.onset_time_s)
    onsets: dict[int, float] = {}
    for frame, strength in zip(onset_at.tolist(), tracks.onset_strength.tolist(), strict=True):
        onsets[frame] = max(strength, onsets.get(frame, 0.0))
    for frame, time_s in enumerate(tracks.frame_time_s):
        pitch = tracks.pitch[pitch_at[frame]] if len(tracks.pitch) else 0.0
        confidence = tracks.pitch_confidence[pitch_at[frame]] if len(tracks.pitch) else 0.0
        yield [
            f"{time_s:.4f}",
            *(_rounded(getattr(tracks, name)[frame]) for name in _FRAME_TRACKS),
            _rounded(pitch) if pitch > 0 else "",
            _rounded(confidence),
            _rounded(onsets[frame]) if frame in onsets else "",
        ]


def _pictures(files: Sequence[Path], plot: Path) -> list[Path]:
    """Where the picture of each file goes; two files of one name do not overwrite each other's."""
    if len(files) == 1 and not plot.is_dir():
        return [plot]
    if plot.suffix.lower() in _PICTURES and not plot.is_dir():
        fail(f"--plot {plot}: is one picture; for {len(files)} recordings name a folder", 2)
    stems = ["stdin" if str(file) == "-" else file.stem for file in files]
    numbered = [f"{stem}-{stems[:index].count(stem) + 1}" for index, stem in enumerate(stems)]
    return [plot / f"{stem if stems.count(stem) == 1 else numbered[index]}.png" for index, stem in enumerate(stems)]


def _draw(file: Path, samples: Any, tracks: Tracks, to: Path) -> None:
    from fastring.cli.plot import plot_tracks

    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        plot_tracks(samples, tracks, title=file.name, path=to)
    except (OSError, ValueError) as error:  # ValueError: a suffix that matplotlib does not know
        fail(f"cannot write {to}: {error}")
    err.print(f"wrote {to}", highlight=False)


def _write(output: Path | None, write: Any) -> None:
    if output is None:
        write(sys.stdout)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as to:
            write(to)
    except OSError as error:
        fail(f"cannot write {output}: {error.strerror}")


def _rounded(value: Any) -> float:
    """To six significant digits: what float32 holds, and no more."""
    return float(f"{float(value):.6g}")


def _column(values: Any) -> list[float]:
    return [_rounded(value) for value in values]


def _decibels(amplitude: float) -> float | None:
    return round(20 * float(np.log10(amplitude)), 2) if amplitude > 0 else None
