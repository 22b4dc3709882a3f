"""Several server processes on one port: started, named, watched, restarted, and told to stop in order.

The processes share the port by SO_REUSEPORT: the kernel gives each new connection to one of them, and they know nothing
of each other. They are spawned, never forked, so each loads its own engine and nothing of the parent's threads is in
it. The parent loads no engine and serves nothing.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fastring.asr.backoff import Backoff
from fastring.asr.cores import available_cores
from fastring.asr.ending import end_process_if_at_work
from fastring.asr.engines import create_transcriber
from fastring.errors import ConfigError, FastringError
from fastring.server.auth import require_keys_in_public
from fastring.server.fleet_metrics import FleetListener, Scrape
from fastring.server.logs import configure_logging
from fastring.server.run import cannot_listen, run_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from fastring.config import Settings

__all__ = ["Supervisor", "run_processes", "share_of"]

_SPAWN = multiprocessing.get_context("spawn")
_STEADY_S = 10.0
"""A process that lived this long had started well: the series of its failures is over."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_STOP_MARGIN_S = 5.0
"""What a process may take to end, beyond `server.drain_s`, before it is killed."""

_POLL_S = 1.0

log = structlog.get_logger("fastring.supervisor")


def run_processes(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve with `server.processes` processes until SIGINT or SIGTERM; then let each drain.

    A process that dies is started again, after a wait that grows while it keeps dying. SIGHUP makes all of them read
    their keys again. A second signal kills them.

    Args:
        settings: all of them.
        on_ready: called once with the address, when all processes take connections.

    Raises:
        ConfigError: the port is taken, the system cannot share one, or a process refuses to start.
    """
    configure_logging(settings.server)
    require_keys_in_public(settings.security, settings.server)
    with _reserved(settings) as port:
        server = replace(settings.server, port=port)
        secret = settings.security.signing_secret or secrets.token_hex(32)  # one process signs, any may be asked
        security = replace(settings.security, signing_secret=secret)
        Supervisor(replace(settings, server=server, security=security)).run(on_ready)


def share_of(settings: Settings, cores: int) -> Settings:
    """The settings of one process: engine workers that were left to choose get its part of the cores."""
    if settings.asr.workers or settings.server.processes == 1:
        return settings
    workers = max(1, cores // settings.server.processes // max(1, settings.asr.threads))
    return replace(settings, asr=replace(settings.asr, workers=workers, threads=settings.asr.threads or 1))


@dataclass(slots=True)
class _Child:
    """One place among the processes, whoever fills it."""

    number: int
    process: SpawnProcess | None = None
    news: Connection | None = None
    ready: bool = False
    started_s: float = 0.0
    restarts: int = 0
    due_s: float = 0.0
    asked: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S))

    def ask(self) -> bool:
        """Ask for its metrics; whether it can be asked. One that owes an answer is not: its pipe would fill."""
        if self.news is None or not self.ready or self.asked:
            return False
        try:
            self.news.send("metrics")
        except OSError:  # it has just died, which is about to be noticed
            return False
        self.asked = True
        return True


class Supervisor:
    """The parent's loop.

    Args:
        settings: with the port that all processes bind.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children = [_Child(number) for number in range(1, settings.server.processes + 1)]
        self._signals: list[int] = []
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._wake, False)
        self._address = ""
        self._announced = False
        self._scrape: Scrape | None = None

    def run(self, on_ready: Callable[[str], None]) -> None:
        """Until a signal; see `run_processes`."""
        with self._catching_signals(), self._telling_metrics():
            try:
                while not self._stopping():
                    self._start_those_due()
                    self._wait()
                    if not self._announced and all(child.ready for child in self._children):
                        self._announced = True
                        on_ready(self._address)
            finally:
                self._stop_all()

    # --- starting and watching ---------------------------------------------------------------------------------------

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and child.due_s <= now:
                child.news, theirs = _SPAWN.Pipe()
                child.process = _SPAWN.Process(
                    target=_serve_as_child,
                    args=(self._settings, child.number, theirs),
                    name=f"fastring-{child.number}",
                )
                child.process.start()
                theirs.close()
                child.started_s, child.ready = now, False

    def _wait(self) -> None:
        """Until something happens: a signal, a process that is ready, one that died, one whose time has come."""
        now = time.monotonic()
        due = [child.due_s - now for child in self._children if child.process is None]
        sources: list[int | Connection] = [
            self._wake,
            *(child.news for child in self._children if child.news is not None),
        ]
        for source in connection.wait(sources, timeout=max(0.0, min([_POLL_S, *due]))):
            if source == self._wake:
                self._drain_wake()
                self._ask_for_metrics()
            else:
                self._hear(next(child for child in self._children if child.news is source))

    def _hear(self, child: _Child) -> None:
        """A process says that it is ready, or why it is not; or its pipe is closed, for it is gone."""
        assert child.news is not None
        try:
            word, text = child.news.recv()
        except (EOFError, OSError):
            self._bury(child)
            return
        if word == "ready":
            child.ready = True
            self._address = text
            log.info("process ready", process=child.number, pid=child.process.pid if child.process else None)
        elif word == "metrics":
            child.asked = False
            if self._scrape is not None:
                self._scrape.take(child.number, text)
        elif not self._announced:  # not bad luck: a mistake in the settings
            raise ConfigError(text)
        else:
            log.error("process cannot start", process=child.number, reason=text)

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def _bury(self, child: _Child) -> None:
        assert child.process is not None
        assert child.news is not None
        child.process.join(_STOP_MARGIN_S)
        if child.process.is_alive():  # it closed its pipe and hangs
            child.process.kill()
            child.process.join()
        now, code = time.monotonic(), child.process.exitcode
        if now - child.started_s >= _STEADY_S:
            child.backoff.reset()
        wait_s = child.backoff.next_s()
        if not self._stopping():
            log.error("process died", process=child.number, exit_code=code, again_in_s=round(wait_s, 2))
        if self._scrape is not None:
            self._scrape.give_up(child.number)
        child.restarts += 1
        child.news.close()
        child.process.close()
        child.process, child.news, child.due_s = None, None, now + wait_s
        child.ready = child.asked = False

    # --- metrics -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _telling_metrics(self) -> Iterator[None]:
        """Where a port is set for it. The listener's thread asks, and this loop passes on."""
        if not self._settings.server.metrics_port:
            yield
            return
        listener = FleetListener(self._settings, self._gather)
        try:
            yield
        finally:
            listener.close()

    def _gather(self) -> bytes:
        self._scrape = scrape = Scrape()
        os.write(self._woken, b"m")
        return scrape.wait() + self._about_processes()

    def _ask_for_metrics(self) -> None:
        if self._scrape is None or self._scrape.asked:
            return
        self._scrape.ask({child.number for child in self._children if child.ask()})

    def _about_processes(self) -> bytes:
        up, restarts = "fastring_process_up", "fastring_process_restarts_total"
        lines = [f"# HELP {up} The process takes connections", f"# TYPE {up} gauge"]
        lines += [f'{up}{{process="{child.number}"}} {int(child.ready)}' for child in self._children]
        lines += [f"# HELP {restarts} Times it died", f"# TYPE {restarts} counter"]
        lines += [f'{restarts}{{process="{child.number}"}} {child.restarts}' for child in self._children]
        return "".join(f"{line}\n" for line in lines).encode()

    # --- the end -----------------------------------------------------------------------------------------------------

    def _stopping(self) -> bool:
        return signal.SIGTERM in self._signals or signal.SIGINT in self._signals

    def _stop_all(self) -> None:
        """Let every process drain; who is late, or everyone at a second signal, is killed."""
        left = [child.process for child in self._children if child.process is not None]
        log.info("going down", processes=len(left), drain_s=self._settings.server.drain_s)
        for process in left:
            process.terminate()
        until_s = time.monotonic() + self._settings.server.drain_s + _STOP_MARGIN_S
        heard = len(self._signals)
        while any(process.is_alive() for process in left) and len(self._signals) == heard:
            if time.monotonic() > until_s:
                log.error("processes killed: they did not end in time")
                break
            connection.wait([self._wake, *(process.sentinel for process in left if process.is_alive())], timeout=0.2)
            self._drain_wake()
        for process in left:
            if process.is_alive():
                process.kill()
            process.join()

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        def note(number: int, _frame: object) -> None:
            if number == signal.SIGHUP:
                self._pass_on(number)
            else:
                self._signals.append(number)
                os.write(self._woken, b".")

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake)
            os.close(self._woken)

    def _pass_on(self, number: int) -> None:
        for child in self._children:
            if child.ready and child.process is not None and child.process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.process.pid, number)


def _serve_as_child(settings: Settings, number: int, news: Connection) -> None:
    """What a process does: load its own engine, serve, drain at SIGTERM. Ctrl-C is for the parent to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _name_process(f"fastring-{number}")
    _end_with_parent()
    structlog.contextvars.bind_contextvars(process=number)
    try:
        own = share_of(settings, available_cores())
        run_server(
            own,
            create_transcriber(own),
            on_ready=lambda url: news.send(("ready", url)),
            process=number,
            questions=news,
        )
        end_process_if_at_work(0)
    except FastringError as error:
        with contextlib.suppress(OSError):
            news.send(("failed", str(error)))
        raise SystemExit(2) from None


def _name_process(name: str) -> None:
    """As `ps`, `top` and `htop` show it, where the system lets a process say so."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="ascii")


def _end_with_parent() -> None:
    """A parent that was killed cannot tell its processes to stop; they notice."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


@contextlib.contextmanager
def _reserved(settings: Settings) -> Iterator[int]:
    """The port, held for our processes by a socket that never listens.

    Raises:
        ConfigError: somebody else listens there, or ports cannot be shared.
    """
    host, port = settings.server.host, settings.server.port
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigError("server.processes: this system cannot share a port between processes; set it to 1")
    with contextlib.ExitStack() as held:
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as alone:  # a server of ours on this port would share it with us
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind(address)
            shared = held.enter_context(socket.socket(family, kind))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(address)
        except OSError as error:
            raise cannot_listen(host, port, error) from error
        yield shared.getsockname()[1]
