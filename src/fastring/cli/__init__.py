"""The `fastring` command: one thin module per sub-command."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; never returns."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows a question mark, and no traceback
            stream.reconfigure(errors="replace")
    try:
        from fastring.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich", "pydantic", "click"}:
            raise
        sys.exit(f'fastring\'s commands need {error.name}: pip install "fastring[files]"')
    except KeyboardInterrupt:  # while the modules load; later on the commands see to it
        sys.exit(130)
    app(prog_name="fastring")
