"""One server process: bind, say where, run until told to stop, and go down in order and in time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import ssl
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from prometheus_client import disable_created_metrics

from fastring.errors import ConfigError
from fastring.server.app import build_app
from fastring.server.auth import require_keys_in_public
from fastring.server.door import DoorRunner
from fastring.server.logs import configure_logging, http_log
from fastring.server.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from fastring.asr.transcriber import Transcriber
    from fastring.config import ServerSettings, Settings
    from fastring.server.services import Services

__all__ = ["cannot_listen", "make_runner", "run_server", "tls_context"]

log = structlog.get_logger("fastring.server")

_LINGER_S = 2.0
"""How long the rest of a refused upload is read, so that the refusal is."""

_COLLECT_EVERY = 20_000
"""More containers made than freed, after which the garbage collector runs."""

_HANDLERS_S = 0.5
"""After the drain, what a handler may still take to end."""


def run_server(
    settings: Settings,
    transcriber: Transcriber,
    *,
    on_ready: Callable[[str], None],
    process: int = 0,
    questions: Connection | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; then stop admitting, finish what is queued, close every socket with 1012.

    Args:
        settings: all of them.
        transcriber: the loaded engine, which is closed at the end, whatever happens.
        on_ready: called once with the address, when connections are taken.
        process: its number, from 1 on, if a supervisor runs several on one port; then Ctrl-C is left to that.
        questions: a pipe, on which that asks for metrics now and then.

    Raises:
        ConfigError: the address cannot be bound, or is public while there are no keys.
    """
    configure_logging(settings.server)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    loop = _new_loop()
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_serve(settings, transcriber, on_ready, process, questions))
    finally:
        with contextlib.suppress(Exception):
            loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def make_runner(app: web.Application, settings: ServerSettings) -> web.AppRunner:
    """What serves the application: little patience with strangers, and one line for a request that is none."""
    return DoorRunner(
        app,
        access_log=None,
        logger=http_log(),
        keepalive_timeout=settings.handshake_s,  # counts from the connection on, so it bounds slow headers too
        lingering_time=_LINGER_S,
        shutdown_timeout=_HANDLERS_S,
    )


async def _serve(
    settings: Settings,
    transcriber: Transcriber,
    on_ready: Callable[[str], None],
    process: int,
    questions: Connection | None,
) -> None:
    try:
        require_keys_in_public(settings.security, settings.server)
        app = build_app(settings, transcriber)
    except BaseException:
        transcriber.close()  # nobody else owns it yet
        raise
    tls = tls_context(settings.server)
    stopping = _stop_signal((signal.SIGTERM,) if process else (signal.SIGINT, signal.SIGTERM))
    runner = make_runner(app, settings.server)
    await runner.setup()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _read_again, app[SERVICES], tls)
    try:
        app[SERVICES].warm_up()
        _quieten_collector()
        address = await _bind(runner, settings, tls)
        if settings.server.process_port:
            own = settings.server.process_port + max(1, process) - 1
            await _bind_own(runner, "server.process_port", own)
        if settings.server.metrics_port and not process:  # with several, their supervisor listens there
            await _bind_own(runner, "server.metrics_port", settings.server.metrics_port)
        on_ready(address)
        if questions is not None:
            asyncio.get_running_loop().add_reader(questions.fileno(), _tell_metrics, questions, app[SERVICES])
        await stopping.wait()
        log.info("going down", drain_s=settings.server.drain_s)
    finally:
        await runner.cleanup()


def _read_again(services: Services, tls: ssl.SSLContext | None) -> None:
    """What SIGHUP is for: the keys, and the certificate of handshakes from now on. A mistake changes nothing."""
    services.refresh_keys()
    if tls is not None:
        server = services.settings.server
        try:
            tls_context(server)  # an old certificate must not end up with a new key
            _load(tls, server)
        except ConfigError as error:
            log.error("certificate not reloaded", reason=str(error))
            return
        log.info("certificate reloaded")


def cannot_listen(host: str, port: int, error: OSError) -> ConfigError:
    """The error of an address that cannot be had; of a port that is taken it says what to do."""
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        reason = "the port is taken: stop what listens there, or take another with --port N"
    return ConfigError(f"server.host = {host!r}, server.port = {port}: cannot listen there: {reason}")


async def _bind(runner: web.AppRunner, settings: Settings, tls: ssl.SSLContext | None) -> str:
    """Listen, and return the address as a URL."""
    host, port = settings.server.host, settings.server.port
    site = _Site(runner, host, port, backlog=1024, ssl_context=tls, reuse_port=settings.server.processes > 1)
    site.handshake_s = settings.server.handshake_s
    try:
        await site.start()
    except (OSError, socket.gaierror) as error:
        raise cannot_listen(host, port, error) from error
    bound = runner.addresses[0]
    name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"{'https' if tls else 'http'}://{name}:{bound[1]}"


async def _bind_own(runner: web.AppRunner, setting: str, port: int) -> None:
    """The same server again on loopback, on a port that only this process has: for metrics and debugging."""
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_port=False).start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{setting}: cannot listen on {port}: {reason}") from error


def _tell_metrics(questions: Connection, services: Services) -> None:
    """The supervisor asks, or is gone. One question at a time, so that an answer always fits into the pipe."""
    try:
        questions.recv()
        questions.send(("metrics", services.metrics.exposition()))
    except (EOFError, OSError):
        asyncio.get_running_loop().remove_reader(questions.fileno())


def tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """TLS 1.2 and later with the certificate of the settings; None without one.

    Raises:
        ConfigError: the certificate or its key cannot be had.
    """
    if not settings.tls_certificate:
        if settings.tls_key:
            raise ConfigError("server.tls_key is set and server.tls_certificate is not", setting="server.tls_key")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: ServerSettings) -> None:
    """The certificate and its key.

    Raises:
        ConfigError: they cannot be had.
    """
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"server.tls_certificate = {settings.tls_certificate!r}, server.tls_key = {settings.tls_key!r}: "
            f"cannot be loaded: {error}",
            setting="server.tls_certificate",
        ) from error


class _Site(web.TCPSite):
    """As aiohttp's, with a limit on the TLS handshake."""

    handshake_s = 10.0

    async def start(self) -> None:
        await web.BaseSite.start(self)
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            reuse_port=self._reuse_port,
            ssl_handshake_timeout=self.handshake_s if self._ssl_context else None,
        )


def _stop_signal(numbers: tuple[signal.Signals, ...]) -> asyncio.Event:
    """Set by the first of these signals; a second one ends the process as it would without us."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopping.set()
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        loop.add_signal_handler(number, stop)
    return stopping


def _quieten_collector() -> None:
    """What is there by now stays for good: the garbage collector need not walk it under load.

    And it need not look for cycles every few dozen messages: hardly any are made.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def _new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop where there is one; asyncio's own does as well."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
