"""Every parser of strangers' bytes takes its stored corpus, and changes of it, without a fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parent / "fuzz.py"


def test_nothing_that_is_stored_breaks_a_parser() -> None:
    """In a process of its own: the targets bring an event loop, and silence the log."""
    run = subprocess.run(
        [sys.executable, str(FUZZ), "replay"], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = dict(line.split(": ") for line in run.stdout.splitlines())
    assert set(told) == {path.name for path in (FUZZ.parent / "corpus").iterdir()}
    assert all(int(count.split()[0]) >= 20 for count in told.values())
