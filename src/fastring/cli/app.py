"""The command line as a whole: its sub-commands and the options before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from fastring._version import __version__
from fastring.cli.analyze import analyze
from fastring.cli.bench import bench
from fastring.cli.config import config
from fastring.cli.demo import demo
from fastring.cli.doctor import doctor
from fastring.cli.serve import serve
from fastring.cli.transcribe import transcribe
from fastring.cli.verify import verify

__all__ = ["EXAMPLES", "app"]

app = typer.Typer(
    name="fastring",
    help="Live audio in; level, pitch, onsets, tempo and text out.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong words, settings or packages, 130 Ctrl-C. Begin with `fastring demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastring {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live audio in; level, pitch, onsets, tempo and text out."""


# Shown under the help of each command; one line each.
EXAMPLES: dict[Callable[..., None], str] = {
    serve: "fastring serve --model small.en --port 8000",
    demo: "fastring demo --recording seen_2",
    transcribe: "fastring transcribe talk.mp3 --model small.en --format srt > talk.srt",
    verify: 'fastring verify talk.wav --model small.en --reference "the text that was read"',
    analyze: "fastring analyze song.flac --plot song.png",
    config: "fastring config --set asr.model=small.en --toml > fastring.toml",
    doctor: "fastring doctor --model small.en --host 0.0.0.0",
    bench: "fastring bench --json",
}
for command, example in EXAMPLES.items():
    app.command(epilog=f"Example: `{example}`")(command)
