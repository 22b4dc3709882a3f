"""The `fastring` command: one thin module per sub-command."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys

__all__ = ["main"]

# What a command needs besides the packages that all of them need.
_EXTRAS_OF = {"serve": "server,asr", "demo": "server,asr", "transcribe": "asr", "verify": "asr"}
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EPIPE}


def main() -> None:
    """Run the command line of this process; never returns."""
    try:
        _run()
    except SystemExit as ending:
        _end_with_the_engine(ending)
        raise


def _end_with_the_engine(ending: SystemExit) -> None:
    """See `end_process_if_at_work`; a command that had no engine has nothing to end."""
    if "fastring.asr.pool" in sys.modules:
        from fastring.asr.ending import end_process_if_at_work

        if isinstance(ending.code, str):
            sys.stderr.write(ending.code + "\n")
            ending.code = 1  # the text is told
        end_process_if_at_work(ending.code or 0)


def _run() -> None:
    signal.signal(signal.SIGINT, _end_at_once)  # while the modules load; some would make an error of their own of it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows a question mark, and no traceback
            stream.reconfigure(errors="replace")
    try:
        from fastring.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich", "pydantic", "click"}:
            raise
        extras = _EXTRAS_OF.get(sys.argv[1] if len(sys.argv) > 1 else "", "files")
        sys.stderr.write(f'error: the commands need {error.name}: pip install "fastring[{extras}]"\n')
        sys.exit(2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # from here on the commands see to it
    try:
        try:
            app(prog_name="fastring")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # now, and not when nobody can be told any more
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        _leave_stdout()
        sys.exit(1 if error.errno == errno.EPIPE else f"error: cannot write the output: {error.strerror}")


def _end_at_once(_signal: int, _frame: object) -> None:
    """Nothing has begun that would have to be ended."""
    os._exit(130)


def _leave_stdout() -> None:
    """What stdout still holds goes nowhere, or the interpreter complains of it once more as it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
