"""`fastring serve`: the server, until it is told to stop."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from fastring.cli.terminal import Config, EngineName, Model, Set, need, told
from fastring.config_sources import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.transcriber import Transcriber
    from fastring.config import Settings

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind; loopback unless told otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 takes a free one.")] = None,
    wyoming: Annotated[
        int | None, typer.Option(metavar="PORT", help="Also listen there for Home Assistant (Wyoming); it uses 10300.")
    ] = None,
    processes: Annotated[int | None, typer.Option(metavar="N", help="Processes that share the port.")] = None,
    engine: EngineName = None,
    model: Model = None,
    file: Config = None,
    assignments: Set = None,
) -> None:
    """Serve streams over WebSockets. Prints one line with its address when it is ready; Ctrl-C stops it."""
    with told():
        flags = {
            "server.host": host,
            "server.port": port,
            "server.wyoming_port": wyoming,
            "server.processes": processes,
            "asr.engine": engine,
            "asr.model": model,
        }
        settings = load_settings(file=file, flags=flags, assignments=assignments or []).settings
        speech = ["faster_whisper"] if settings.asr.engine == "faster-whisper" else []
        need("serve", "aiohttp", "prometheus_client", "structlog", "av", "soxr", *speech)
        from fastring.asr.engines import create_transcriber
        from fastring.server.run import run_server

        if settings.server.processes > 1:
            from fastring.server.supervisor import run_processes

            run_processes(settings, on_ready=_announcer(settings))
        else:
            transcriber = create_transcriber(settings)
            threading.Thread(target=_warn, args=(transcriber,), name="fastring-reach", daemon=True).start()
            run_server(settings, transcriber, on_ready=_announcer(settings))


def _warn(transcriber: Transcriber) -> None:
    """Say early what every speaker would hear; the service may come back, so the server runs on."""
    from fastring.asr.transcriber import Reachable

    if isinstance(transcriber, Reachable):
        for trouble in transcriber.reach():
            print(f"warning: {trouble}", file=sys.stderr, flush=True)  # noqa: T201


def _announcer(settings: Settings) -> Callable[[str], None]:
    """One line that scripts wait for, so it must not sit in a buffer; people are told what to do with it."""
    families = settings.server.protocols

    def announce(url: str) -> None:
        print(f"fastring ready on {url}", flush=True)  # noqa: T201
        if sys.stdout.isatty() and (not families or {"dashboard", "native"} <= set(families)):
            print("Open it in a browser to speak to it, or to try a sample. Ctrl-C stops it.", flush=True)  # noqa: T201

    return announce
