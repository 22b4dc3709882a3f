"""`fastring verify`: how well a recording follows a text, word by word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from fastring.cli.hearing import SAMPLE_RATE, check_recording, finals_of, open_pool
from fastring.cli.terminal import Config, EngineName, Model, Set, fail, need, out, progress_bar, told
from fastring.config import Settings
from fastring.config_sources import load_settings
from fastring.events import Verification

__all__ = ["verify"]

_STYLES = {"correct": "green", "minor_mistake": "yellow", "wrong": "bold red", "missing": "dim strike"}


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recording: WAV, FLAC, MP3, Ogg, WebM, ...")],
    reference: Annotated[str | None, typer.Option(help="The text that should have been said.")] = None,
    surah: Annotated[int | None, typer.Option(help="Or the verse of the references: its surah ...")] = None,
    ayah: Annotated[int | None, typer.Option(help="... and its ayah.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as `POST /verify` answers it.")] = False,
    engine: EngineName = None,
    model: Model = None,
    language: Annotated[str | None, typer.Option(help="Language code, for example ar; else the model decides.")] = None,
    config: Config = None,
    assignments: Set = None,
) -> None:
    """Compare a recording with a text: each word correct, a minor mistake, wrong or missing, and a score."""
    need("verify", "av", "soxr", "rapidfuzz")
    from fastring.protocols.native_events import verification_fields
    from fastring.recitation.feedback import verify as compare

    check_recording(file)
    with told():
        flags = {"asr.engine": engine, "asr.model": model, "asr.language": language}
        settings = load_settings(file=config, flags=flags, assignments=assignments or []).settings
        text = _reference(settings, reference, surah, ayah)
        with open_pool(settings) as pool, progress_bar() as progress:
            finals = list(finals_of(file, settings, pool, progress))
        transcript = " ".join(final.text for final in finals)
        found = compare(transcript, text, minor=settings.recitation.minor_similarity)
    if as_json:
        end_s = max((final.end for final in finals), default=0) / SAMPLE_RATE
        typer.echo(json.dumps(verification_fields(found, end_s), ensure_ascii=False))
    else:
        _show(found)


def _reference(settings: Settings, reference: str | None, surah: int | None, ayah: int | None) -> str:
    from fastring.recitation.references import load_references
    from fastring.recitation.spelling import words_of

    if reference is None and surah is not None and ayah is not None:
        return load_references(settings.recitation.references_file).verse(surah, ayah)
    if reference is None or surah is not None or ayah is not None:
        fail("give --reference TEXT, or --surah and --ayah", 2)
    if not words_of(reference):
        fail("--reference holds no word", 2)
    return reference


def _show(found: Verification) -> None:
    """The text with each word in the colour of its status, then what was said instead, and the score."""
    line = Text()
    for word in found.words:
        line.append(word.word, _STYLES.get(word.status, ""))
        line.append(" ")
    out.print(line, soft_wrap=True)
    for word in found.words:
        if word.status != "correct":
            out.print(_remark(word.word, word.status, word.heard), soft_wrap=True)
    if found.extra_words:
        out.print(Text.assemble("  extra: ", (" ".join(found.extra_words), "magenta")), soft_wrap=True)
    out.print(Text.assemble("score ", (f"{100 * found.score:.0f} %", "bold")))


def _remark(word: str, status: str, heard: str) -> Text:
    said = f", heard {heard}" if heard else ""
    return Text.assemble("  ", (word, _STYLES.get(status, "")), f": {status.replace('_', ' ')}{said}")
