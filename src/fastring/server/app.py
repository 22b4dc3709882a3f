"""The application: its parts put together, opened and closed in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from aiohttp import web

from fastring.asr.pool import TranscriberPool
from fastring.audio.native_core import instruction_set
from fastring.protocols.codec import Counters
from fastring.recitation.references import load_references
from fastring.server.addresses import AddressLimits
from fastring.server.auth import Gate
from fastring.server.cors import add_cors_headers, answer_preflight
from fastring.server.family import SERVED
from fastring.server.keys import Allowance
from fastring.server.metrics import Metrics
from fastring.server.problems import REFUSALS, answer_problems
from fastring.server.registry import Registry
from fastring.server.routes import admit, chosen, refusals, routes
from fastring.server.services import SERVICES, Services
from fastring.server.sessions.keeper import SessionKeeper
from fastring.server.tracing import open_tracing
from fastring.server.witnesses.replies import LanguageModel
from fastring.server.wyoming import check_wyoming, listen_for_wyoming
from fastring.session.admission import AdmissionControl
from fastring.session.window import AdaptiveWindow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastring.asr.transcriber import Transcriber
    from fastring.config import Settings
    from fastring.server.connection import Connection
    from fastring.server.witnesses.callback import TriggerCallback

__all__ = ["build_app", "drain"]

_TICK_S = 0.05
_KEYS_EVERY_S = 1.0
_POOL_CLOSE_S = 0.5
_HANG_UP_S = 0.25


def build_app(
    settings: Settings, transcriber: Transcriber, *, on_trigger: TriggerCallback | None = None
) -> web.Application:
    """The server as an aiohttp application.

    Args:
        settings: all of them; `server.host` and `server.port` matter to `run_server` alone, but whether the host is
            loopback decides which `Host` names are taken while there are no keys.
        transcriber: the loaded engine. The application's pool owns it, and closes it at cleanup.
        on_trigger: `callback(stream_id, event)`, plain or async, for each `EarlyTrigger`, `EarlyTriggerRetracted` and
            `Final`; what it raises is logged.

    Raises:
        ConfigError: the file of keys or that of references cannot be read, there is no such protocol, OpenTelemetry is
            missing, or Wyoming would be open to everybody. No thread was started then.
    """
    asr = settings.asr
    # What may refuse comes before the pool, which starts its threads.
    check_wyoming(settings)
    references = load_references(settings.recitation.references_file)
    families = chosen(settings.server.protocols)
    gate = Gate(settings.security, settings.server)
    tracing = open_tracing(settings.server.otel_endpoint) if settings.server.otel_endpoint else None
    language_model = LanguageModel(settings.replies) if settings.replies.base_url else None
    services = Services(
        settings=settings,
        capabilities=transcriber.capabilities,
        pool=TranscriberPool(
            transcriber,
            max_queue_per_stream=asr.max_queue,
            max_queue_total=asr.max_queue_total,
            timeout_s=asr.timeout_s,
            hang_s=asr.hang_s,
        ),
        registry=Registry(
            settings.server.max_streams,
            AdmissionControl(
                settings.server.admit_lag_ms / 1000,
                transcriber.capabilities.concurrency * transcriber.capabilities.max_batch,
            ),
        ),
        metrics=Metrics(
            {
                "engine": transcriber.capabilities.engine,
                "model": transcriber.capabilities.model,
                "isa": instruction_set(),
            }
        ),
        gate=gate,
        addresses=AddressLimits(settings.security),
        allowance=Allowance(gate.keys),
        window=AdaptiveWindow(settings.voice),
        references=references,
        keeper=SessionKeeper(settings.resume),
        language_model=language_model,
        on_trigger=on_trigger,
        tracing=tracing,
    )
    services.metrics.watch(lambda: _gauges(services), lambda: _counts(services))
    services.metrics.watch_pool(services.pool.stats)
    app = web.Application(
        middlewares=[answer_problems, answer_preflight, admit], client_max_size=settings.server.max_upload_bytes
    )
    app[SERVICES] = services
    app[REFUSALS] = refusals(families)
    app[SERVED] = families
    app.add_routes(routes(families))
    app.cleanup_ctx.append(_tracing)
    app.cleanup_ctx.append(_pool)
    app.cleanup_ctx.append(_decoders)
    app.cleanup_ctx.append(_ticker)
    if settings.server.wyoming_port:
        app.cleanup_ctx.append(listen_for_wyoming)
    app.cleanup_ctx.append(_keeper)
    app.cleanup_ctx.append(_keys)
    app.cleanup_ctx.append(_language_model)
    app.on_shutdown.append(drain)
    app.on_response_prepare.append(_add_headers)
    app.on_response_prepare.append(add_cors_headers)
    return app


async def drain(app: web.Application) -> None:
    """Admit nobody, let every connection finish what it accepted within `server.drain_s`, then hang up."""
    services = app[SERVICES]
    services.registry.draining = True
    connections = list(services.registry.connections)
    for connection in connections:
        connection.finish()
    await _gone(connections, services.settings.server.drain_s)
    left = [connection for connection in connections if not connection.gone.is_set()]
    for connection in left:
        connection.hang_up()
    await _gone(left, _HANG_UP_S)


async def _gone(connections: list[Connection], within_s: float) -> None:
    """Wait until they are gone, but no longer than that."""
    waits = [asyncio.ensure_future(connection.gone.wait()) for connection in connections]
    if waits:
        _, late = await asyncio.wait(waits, timeout=within_s)
        for wait in late:
            wait.cancel()


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Say no more of the server than its name; let no browser guess types or keep answers."""
    response.headers["Server"] = "fastring"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")


async def _pool(app: web.Application) -> AsyncIterator[None]:
    """The engine threads end after the last connection."""
    yield
    pool = app[SERVICES].pool
    await asyncio.get_running_loop().run_in_executor(None, pool.close, _POOL_CLOSE_S)


async def _decoders(app: web.Application) -> AsyncIterator[None]:
    """The processes that decode end after the last connection."""
    yield
    await asyncio.get_running_loop().run_in_executor(None, app[SERVICES].decoders.close)


async def _tracing(app: web.Application) -> AsyncIterator[None]:
    """The last spans are sent when everything else has ended."""
    yield
    if (tracing := app[SERVICES].tracing) is not None:
        await asyncio.get_running_loop().run_in_executor(None, tracing.close)


async def _language_model(app: web.Application) -> AsyncIterator[None]:
    yield
    if (model := app[SERVICES].language_model) is not None:
        await model.close()


async def _ticker(app: web.Application) -> AsyncIterator[None]:
    """Measures how late the loop runs."""

    async def tick() -> None:
        while True:
            due_s = time.monotonic() + _TICK_S
            await asyncio.sleep(_TICK_S)
            app[SERVICES].metrics.loop_lag.observe(max(0.0, time.monotonic() - due_s))

    task = asyncio.get_running_loop().create_task(tick(), name="ticker")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _keys(app: web.Application) -> AsyncIterator[None]:
    """Looks now and then whether the file of keys has changed."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(_KEYS_EVERY_S)
            app[SERVICES].refresh_keys()

    task = asyncio.get_running_loop().create_task(watch(), name="keys")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _keeper(app: web.Application) -> AsyncIterator[None]:
    """Sessions that wait end with the process."""
    keeper = app[SERVICES].keeper
    task = asyncio.get_running_loop().create_task(keeper.run(), name="keeper")
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    keeper.close()


def _gauges(services: Services) -> dict[str, float]:
    registry = services.registry
    return {
        "connections": len(registry.connections),
        "streams": len(registry),
        "analysis_streams": registry.count("audio"),
        "voice_streams": registry.count("voice"),
        "refused_connections": registry.refused,
        "refused_by_address": services.addresses.refused,
        "engine_lag_seconds": registry.admission.lag_s(time.monotonic()),
        "engine_load": registry.admission.load(time.monotonic()),
        "uploads": services.uploads.running,
        "decoder_deaths": services.decoders.deaths,
        "waiting_sessions": services.keeper.waiting,
        **{f"sessions_{outcome}": count for outcome, count in services.keeper.counts.items()},
        "decoding_window_seconds": services.window.seconds,
        "uptime_seconds": time.monotonic() - services.started_s,
    }


def _counts(services: Services) -> dict[str, Counters]:
    counts: dict[str, Counters] = {}
    for endpoint, ended in services.ended.items():
        counts.setdefault(endpoint, Counters()).add(ended)
    for connection in services.registry.connections:
        counts.setdefault(connection.name.partition("/")[0], Counters()).add(connection.codec.counters)
    return counts
