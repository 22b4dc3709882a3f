"""One scrape for several processes: their metrics side by side, each sample with the number of its process."""

from __future__ import annotations

import http.server
import re
import threading
from typing import TYPE_CHECKING, Final

from fastring.errors import ConfigError
from fastring.server.auth import Gate
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastring.config import Settings

__all__ = ["FleetListener", "Scrape", "merged"]

ANSWER_S: Final = 2.0
"""How long a process may take to tell its metrics; what has come by then is told without it."""

_CLIENT_S = 2.0
_SAMPLE = re.compile(rb"([A-Za-z_:][A-Za-z0-9_:]*)(\{?)")
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def merged(parts: Mapping[int, bytes]) -> bytes:
    """Several expositions as one: each family once, its samples with a label `process`.

    Args:
        parts: Prometheus text by the number of the process.
    """
    heads: dict[bytes, list[bytes]] = {}
    samples: dict[bytes, list[bytes]] = {}
    for number, text in sorted(parts.items()):
        family = b""
        for line in text.splitlines():
            if line.startswith(b"#"):
                family = line.split(maxsplit=3)[2]
                head = heads.setdefault(family, [])
                if line not in head:
                    head.append(line)
            elif match := _SAMPLE.match(line):
                label = b'%s{process="%d"%s' % (match[1], number, b"," if match[2] else b"}")
                heads.setdefault(family, [])
                samples.setdefault(family, []).append(label + line[match.end() :])
    return b"".join(line + b"\n" for family in heads for line in (*heads[family], *samples.get(family, ())))


class Scrape:
    """A question to all processes, and their answers. Asked in one thread, answered in another."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.asked = False
        self._missing: set[int] = set()
        self._done = threading.Event()

    def ask(self, numbers: set[int]) -> None:
        """These were asked."""
        self.asked = True
        self._missing = set(numbers)
        self._check()

    def take(self, number: int, text: bytes) -> None:
        """One has answered; one that was not asked, or not in time, is not heard."""
        if number in self._missing:
            self.parts[number] = text
            self.give_up(number)

    def give_up(self, number: int) -> None:
        """One will not answer (any more)."""
        self._missing.discard(number)
        self._check()

    def wait(self) -> bytes:
        """All answers, or those that came in time, merged."""
        self._done.wait(ANSWER_S)
        return merged(dict(self.parts))

    def _check(self) -> None:
        if not self._missing:
            self._done.set()


class FleetListener:
    """Answers `GET /metrics` on loopback, one client at a time, in a thread of its own.

    Args:
        settings: the port, and the keys: whoever reads metrics shows one, as anywhere else.
        scrape: gives the text.

    Raises:
        ConfigError: the port is taken.
    """

    def __init__(self, settings: Settings, scrape: Callable[[], bytes]) -> None:
        gate = Gate(settings.security, settings.server)

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _CLIENT_S
            server_version = "fastring"
            sys_version = ""

            def do_GET(self) -> None:
                try:
                    headers = {name.title(): value for name, value in self.headers.items()}
                    gate.check_origin(headers)
                    gate.keys.refresh()
                    gate.owner(headers)
                    if self.path.partition("?")[0] != "/metrics":
                        raise Problem(404, "not_found", "there is /metrics here, and nothing else")
                except Problem as problem:
                    self._answer(problem.status, (problem.response().text or "").encode(), "application/json")
                else:
                    self._answer(200, scrape(), _TYPE)

            def _answer(self, status: int, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Scrapes are not worth a line."""

        port = settings.server.metrics_port
        try:
            self._server = _Listener(("127.0.0.1", port), Handler)
        except OSError as error:
            raise ConfigError(f"server.metrics_port = {port}: cannot listen there: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Listener(http.server.HTTPServer):
    """Without a traceback for a client that goes away, and without asking for the name of this host."""

    def server_bind(self) -> None:
        super(http.server.HTTPServer, self).server_bind()
        self.server_name, self.server_port = "fastring", self.server_address[1]

    def handle_error(self, *_about: object) -> None:
        """A client that went away is nobody's fault."""
