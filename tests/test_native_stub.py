"""The typed face of the extension is the extension: checked by mypy's stubtest, and by the uses in tests/typing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TYPING = Path(__file__).parent / "typing"

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")


def test_the_stub_describes_the_extension() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "fastring._native",
        "--allowlist",
        str(TYPING / "stubtest.allowlist"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_users_see_the_types_that_are_promised() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", str(TYPING)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TYPING)
    assert result.returncode == 0, result.stdout + result.stderr
