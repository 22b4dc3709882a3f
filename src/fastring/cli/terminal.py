"""What every command shares: the two consoles, the options for settings, and how a failure is told."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from fastring.errors import ConfigError, FastringError, ModelUnavailableError

__all__ = [
    "Config",
    "EngineName",
    "Model",
    "Set",
    "complain",
    "err",
    "fail",
    "need",
    "out",
    "progress_bar",
    "say",
    "told",
]

out = Console()
err = Console(stderr=True)

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file (TOML); else what FASTRING_CONFIG names.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Any setting; see `fastring config`.")
]
EngineName = Annotated[str | None, typer.Option("--engine", help="Speech engine: faster-whisper, deepgram, ...")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="PATH_OR_NAME", help="Model folder or name; `digits` is built in.")
]

# Which extra brings a module.
_EXTRAS = {
    "aiohttp": "server",
    "prometheus_client": "server",
    "structlog": "server",
    "faster_whisper": "asr",
    "onnxruntime": "asr",
    "matplotlib": "plot",
    "rapidfuzz": "asr",
    "av": "files",
    "soxr": "files",
    "sounddevice": "mic",
}


def complain(message: str) -> None:
    """Say on stderr what went wrong."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True, highlight=False)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why on stderr, and exit."""
    complain(message)
    raise typer.Exit(code)


def need(command: str, *modules: str) -> None:
    """Fail with what to type if a module of an extra is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        extras = ",".join(sorted({_EXTRAS[module] for module in missing}))
        fail(f'`fastring {command}` needs {", ".join(missing)}: pip install "fastring[{extras}]"', 2)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell what fastring raises on purpose in one line: exit code 2 for settings and models, 1 for the rest.

    Ctrl-C needs no words; its exit code is 130.
    """
    try:
        yield
    except (ConfigError, ModelUnavailableError) as error:
        fail(str(error), 2)
    except FastringError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def progress_bar(unit: TextColumn | None = None) -> Progress:
    """A progress bar on stderr; nothing at all where stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        unit or MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        redirect_stdout=False,  # results go to stdout, whoever reads it; see `say`
        disable=not err.is_terminal,
    )


def say(line: str) -> None:
    """A line of results on stdout, above the progress bar if both are on one terminal."""
    if out.is_terminal and err.is_terminal:
        err.print(line, soft_wrap=True, highlight=False, markup=False)
    else:
        typer.echo(line)
