"""The command line as a whole: its sub-commands and the options before them."""

from __future__ import annotations

from typing import Annotated

import typer

from fastring._version import __version__
from fastring.cli.analyze import analyze
from fastring.cli.config import config
from fastring.cli.demo import demo
from fastring.cli.doctor import doctor
from fastring.cli.serve import serve
from fastring.cli.transcribe import transcribe
from fastring.cli.verify import verify

__all__ = ["app"]

app = typer.Typer(
    name="fastring",
    help="Live audio in; level, pitch, onsets, tempo and text out.",
    no_args_is_help=True,
    add_completion=False,
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


for command in (serve, demo, transcribe, verify, analyze, config, doctor):
    app.command()(command)
