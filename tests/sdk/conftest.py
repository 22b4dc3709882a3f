"""A real server with the digits model, in a process of its own, for official clients and browsers to talk to."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sdk-test-key"


@dataclass
class Pages:
    """A web site: content type and body by path. Its origin may use the server, by the name of 127.0.0.1."""

    port: int
    files: dict[str, tuple[str, bytes]]


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    """One that is empty."""
    files: dict[str, tuple[str, bytes]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = files.get(self.path, ("text/plain", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Pages(server.server_port, files)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def server_url(pages: Pages) -> Iterator[str]:
    """Where it listens. It wants `KEY`."""
    for module in ("aiohttp", "faster_whisper", "av", "soxr"):
        pytest.importorskip(module)
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", "--model", "digits"]
    origin = f"http://127.0.0.1:{pages.port}"
    environment = {**os.environ, "FASTRING_API_KEYS": KEY, "FASTRING_SECURITY__ALLOWED_ORIGINS": origin}
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
