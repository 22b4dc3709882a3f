"""JavaScript clients for tests: scripts of `tests/js`, run by Node with what `make dev` installs there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "js"


def run_node(script: str, *arguments: str, timeout_s: float = 120) -> str:
    """What a script of `tests/js` prints. Without Node or the packages the test is skipped; see `_miss`."""
    return _run([str(FOLDER / script), *arguments], timeout_s)


def run_module(code: str, *, timeout_s: float = 120) -> str:
    """What a module prints that can import the packages; see `run_node`."""
    return _run(["--input-type=module", "--eval", code], timeout_s)


def start_node(script: str) -> subprocess.Popen[str]:
    """A script of `tests/js` that is talked to over its input and output; see `run_node`."""
    return subprocess.Popen(
        [_node(), str(FOLDER / script)], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _run(arguments: list[str], timeout_s: float) -> str:
    result = subprocess.run(
        [_node(), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _node() -> str:
    node = shutil.which("node") or ""
    if not node:
        _miss("no node on this machine")
    if not (FOLDER / "node_modules" / ".installed").exists():
        _miss("the JavaScript clients are not installed: make dev")
    return node


def _miss(what: str) -> None:
    """Skip the test, or fail it where `FASTRING_REQUIRE_NODE` says that Node must be there."""
    (pytest.fail if os.environ.get("FASTRING_REQUIRE_NODE") else pytest.skip)(what)
