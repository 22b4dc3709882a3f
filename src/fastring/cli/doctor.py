"""`fastring doctor`: whether the server would start and work here, and what to type if not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fastring.cli.checks import Check, run_checks
from fastring.cli.terminal import Config, EngineName, Model, Set, out
from fastring.config_sources import DEFAULT, load_settings
from fastring.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
    host: Annotated[str | None, typer.Option(help="Address that `fastring serve` would bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port that it would bind.")] = None,
    engine: EngineName = None,
    model: Model = None,
    file: Config = None,
    assignments: Set = None,
) -> None:
    """Check what `fastring serve` needs, with the same settings, and print what to mend.

    Exit code 0 if it would work (warnings included), 1 if not.
    """
    flags = {"server.host": host, "server.port": port, "asr.engine": engine, "asr.model": model}
    found = []
    for check in _examine(file, flags, assignments or []):
        found.append(check)
        if not as_json:
            _tell(check)
    failed = sum(check.status == "fail" for check in found)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in found]}, indent=2))
    else:
        warned = sum(check.status == "warn" for check in found)
        out.print(Text(f"{len(found) - failed - warned} ok, {warned} to look at, {failed} to mend", "bold"))
    raise typer.Exit(1 if failed else 0)


def _examine(file: Path | None, flags: Mapping[str, object], assignments: list[str]) -> Iterator[Check]:
    try:
        loaded = load_settings(file=file, flags=flags, assignments=assignments)
    except ConfigError as error:
        yield Check("settings", "fail", str(error), "mend that value; `fastring config` lists every setting")
        return
    changed = [path for path, source in loaded.sources.items() if source != DEFAULT]
    yield Check("settings", "ok", f"valid; not the default: {', '.join(changed) or 'none'}")
    yield from run_checks(loaded.settings)


def _tell(check: Check) -> None:
    line = Text.assemble((f"{check.status:<5}", _STYLES[check.status]), (f"{check.name:<12}", "bold"), check.found)
    out.print(line, soft_wrap=True, highlight=False)
    if check.mend:
        out.print(Text(f"                 mend: {check.mend}", "cyan"), soft_wrap=True, highlight=False)
