"""A real server with the digits model, in a process of its own, for official clients to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sdk-test-key"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Where it listens. It wants `KEY`."""
    for module in ("aiohttp", "faster_whisper", "av", "soxr"):
        pytest.importorskip(module)
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", "--model", "digits"]
    environment = {**os.environ, "FASTRING_API_KEYS": KEY}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready on " in line
        yield line.rpartition("ready on ")[2].strip()
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def api_key() -> str:
    """What opens the server."""
    return KEY
