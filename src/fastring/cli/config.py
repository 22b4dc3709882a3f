"""`fastring config`: the settings in force, and where each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from fastring.cli.terminal import Config, Set, out, told
from fastring.config_sources import DEFAULT, LoadedSettings, load_settings

__all__ = ["config"]

_ROOM = 100  # columns in which a description has its place


def config(
    file: Config = None,
    assignments: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print a settings file with these values.")] = False,
) -> None:
    """Print the settings in force and where each comes from: default, file, environment or flag."""
    with told():
        loaded = load_settings(file=file, assignments=assignments or [])
    if as_json:
        typer.echo(json.dumps(_nested(loaded), indent=2))
    elif as_toml:
        typer.echo(_toml(loaded))
    elif out.is_terminal:
        out.print(_table(loaded, described=out.width >= _ROOM))
    else:
        typer.echo("\n".join(_lines(loaded)))


def _nested(loaded: LoadedSettings) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for field, value, source in loaded.rows():
        nested.setdefault(field.section, {})[field.name] = {"value": value, "source": source}
    return nested


def _lines(loaded: LoadedSettings) -> Iterator[str]:
    """For a program or a file: a line is a whole setting, named as `--set` takes it."""
    for field, value, source in loaded.rows():
        yield f"{f'{field.section}.{field.name} = {_shown(value)}'.rstrip()}  # {source}"


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _table(loaded: LoadedSettings, *, described: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("setting", header_style="dim", no_wrap=True)
    for column in ("value", "from", *(["what it is"] if described else [])):
        table.add_column(column, header_style="dim", overflow="fold")
    section = ""
    for field, value, source in loaded.rows():
        if field.section != section:
            section = field.section
            table.add_row(Text(f"[{section}]", "bold cyan"))
        style = "dim" if source == DEFAULT else "bold green"
        cells = [Text(_shown(value), style), Text(source, style), *([Text(field.help, "dim")] if described else [])]
        table.add_row(field.name, *cells)
    return table


def _toml(loaded: LoadedSettings) -> str:
    lines: list[str] = []
    section = ""
    for field, value, source in loaded.rows():
        if field.section != section:
            section = field.section
            lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        # A default stays a comment, so that the file says what was decided and later defaults still apply.
        mark = "# " if source == DEFAULT or field.secret else ""
        shown = list(value) if isinstance(value, tuple) else value
        lines.append(f"{mark}{field.name} = {json.dumps(shown)}  # {field.help}")
    return "\n".join(lines)
