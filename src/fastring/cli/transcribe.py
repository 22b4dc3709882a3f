"""`fastring transcribe`: recordings to text, through the same path as live speech, as fast as the engine allows."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TextColumn

from fastring.cli.hearing import SAMPLE_RATE, Unreadable, check_recording, finals_of, open_pool
from fastring.cli.terminal import Config, EngineName, Model, Set, err, fail, need, progress_bar, say, told
from fastring.config import Settings
from fastring.config_sources import load_settings
from fastring.events import Final
from fastring.protocols.subtitles import cues_of, srt, vtt

__all__ = ["Format", "segment", "transcribe"]


class Format(str, Enum):
    """What is printed."""

    text = "text"
    json = "json"
    srt = "srt"
    vtt = "vtt"


_SUBTITLES = {Format.srt: srt, Format.vtt: vtt}


def transcribe(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Recordings: WAV, MP3, Ogg, WebM, ...; - is stdin.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="Text, JSON with times and confidence of each word, or subtitles.")
    ] = Format.text,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    engine: EngineName = None,
    model: Model = None,
    language: Annotated[str | None, typer.Option(help="Language code, for example en; else the model decides.")] = None,
    server: Annotated[str | None, typer.Option(help="Address of a fastring server that does the work.")] = None,
    key: Annotated[str, typer.Option(help="Its API key.", envvar="FASTRING_API_KEY", show_default=False)] = "",
    mic: Annotated[bool, typer.Option("--mic", help="The microphone instead of files; with --server.")] = False,
    file: Config = None,
    assignments: Set = None,
) -> None:
    """Transcribe recordings: text on stdout, one line per utterance, or JSON or subtitles; progress on stderr."""
    if as_json:
        form = Format.json
    files = files or []
    if mic == bool(files):
        fail("name recordings, or --mic", 2)
    if mic and not server:
        fail("--mic: say which server hears it, for example --server http://127.0.0.1:8000 (`fastring serve`)", 2)
    if form in _SUBTITLES and len(files) > 1:
        fail(f"--format {form.value}: subtitles are of one recording, not of {len(files)}", 2)
    if server:
        if mic:
            need("transcribe --mic", "sounddevice", "aiohttp")
        else:
            need("transcribe --server", "aiohttp", "av", "soxr")
        with told():
            for path in files:
                check_recording(path)
            _print(
                _transcribe_elsewhere(files, server, key, language or "", at_once=form is Format.text),
                form,
                len(files) > 1,
            )
        return
    need("transcribe", "av", "soxr")
    for path in files:
        check_recording(path)
    unreadable = Unreadable()
    with told():
        flags = {"asr.engine": engine, "asr.model": model, "asr.language": language}
        settings = load_settings(file=file, flags=flags, assignments=assignments or []).settings
        with open_pool(settings) as pool:
            heard = _transcribe_all(files, settings, pool, unreadable, at_once=form is Format.text)
        _print(heard, form, len(files) > 1)
    unreadable.exit()


def _print(heard: dict[Path, list[Final]], form: Format, several: bool) -> None:
    """What was not printed as it was heard."""
    if not heard:
        return
    if form is Format.json:
        reports = [_report(path, finals) for path, finals in heard.items()]
        typer.echo(json.dumps(reports if several else reports[0], ensure_ascii=False))
    elif form in _SUBTITLES:
        (finals,) = heard.values()
        typer.echo(_SUBTITLES[form](cues_of(finals, SAMPLE_RATE)), nl=False)


def _transcribe_elsewhere(
    files: list[Path], server: str, key: str, language: str, *, at_once: bool
) -> dict[Path, list[Final]]:
    """What a server hears in each file, or in the microphone."""
    from fastring import client
    from fastring.cli.remote import transcribe_remotely

    heard: dict[Path, list[Final]] = {}
    for path in files or [Path("microphone")]:

        def hear(event: client.ClientEvent, prefix: str = f"{path}: " if len(files) > 1 else "") -> None:
            if isinstance(event, client.Final) and event.text and at_once:
                say(f"{prefix}{event.text}")
            elif isinstance(event, client.Reconnecting | client.Restarted | client.AudioLost):
                err.print(str(event), highlight=False, markup=False)

        source = path if files else None
        heard[path] = transcribe_remotely(server, source, api_key=key, language=language, hear=hear)
    return heard


def segment(final: Final) -> dict[str, Any]:
    """A final as JSON can hold it; times in seconds of the recording."""
    return {
        "start": final.start / SAMPLE_RATE,
        "end": final.end / SAMPLE_RATE,
        "text": final.text,
        "confidence": final.confidence,
        "words": [
            {
                "word": word.text,
                "start": word.start / SAMPLE_RATE,
                "end": word.end / SAMPLE_RATE,
                "confidence": word.confidence,
            }
            for word in final.words
        ],
    }


def _report(path: Path, finals: list[Final]) -> dict[str, Any]:
    segments = [segment(final) for final in finals]
    return {"file": str(path), "text": " ".join(item["text"] for item in segments), "segments": segments}


def _transcribe_all(
    files: list[Path], settings: Settings, pool: Any, unreadable: Unreadable, *, at_once: bool
) -> dict[Path, list[Final]]:
    """What is heard in each file; with `at_once` it is printed as it is heard."""
    heard: dict[Path, list[Final]] = {}
    seconds = TextColumn("{task.completed:.0f} of {task.total:.0f} s")
    with progress_bar(seconds) as progress:
        for path in files:
            finals: list[Final] = []
            with unreadable.told(path):
                for final in finals_of(path, settings, pool, progress):
                    finals.append(final)
                    if at_once:
                        prefix = f"{path}: " if len(files) > 1 else ""
                        say(f"{prefix}{final.text}")
                heard[path] = finals
                if not finals:
                    err.print(f"{path}: nobody speaks in it", soft_wrap=True, highlight=False, markup=False)
    return heard
