"""HTTP: start, stop and list streams, their stats, health and metrics."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fastring._version import __version__
from fastring.server.endpoints.native_sockets import AUDIO_DEFAULTS, start_stream
from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem
from fastring.server.services import SERVICES
from fastring.server.small_body import read_small_object

if TYPE_CHECKING:
    from fastring.server.services import Services
    from fastring.server.surface.answers import Health, StreamingMetrics

__all__ = ["health", "list_streams", "metrics", "start", "stats", "stop", "streaming_metrics"]


async def start(request: web.Request) -> web.Response:
    """Start an analysis stream that outlives its connections: 201, or 409 if the id is taken."""
    services, stream_id = request.app[SERVICES], stream_id_of(request.match_info["stream_id"])
    values = {name: _as_text(name, value) for name, value in (await read_small_object(request)).items()}
    audio = AudioOptions.read(Query(values), AUDIO_DEFAULTS)
    if audio.encoding == "container":
        raise Problem(400, "invalid_parameter", "a started stream takes no containers", param="encoding")
    stream = start_stream(services, stream_id, audio, kept=True)
    return web.json_response(stream.stats() | {"encoding": audio.encoding}, status=201)


async def stop(request: web.Request) -> web.Response:
    """Stop a stream of either kind; the answer is its last stats."""
    services, stream_id = request.app[SERVICES], stream_id_of(request.match_info["stream_id"])
    return web.json_response(services.registry.get(stream_id).stop())


async def stats(request: web.Request) -> web.Response:
    """The stats of one stream."""
    services, stream_id = request.app[SERVICES], stream_id_of(request.match_info["stream_id"])
    return web.json_response(services.registry.get(stream_id).stats())


async def list_streams(request: web.Request) -> web.Response:
    """All streams, briefly."""
    return web.json_response({"streams": [stream.summary() for stream in request.app[SERVICES].registry]})


async def health(request: web.Request) -> web.Response:
    """Whether the server takes new streams: 200, or 503 while it goes down."""
    services = request.app[SERVICES]
    registry = services.registry
    body: Health = {
        "status": "draining" if registry.draining else "ok",
        "version": __version__,
        "engine": services.capabilities.engine,
        "model": services.capabilities.model,
        "streams": len(registry),
        "max_streams": services.settings.server.max_streams,
        "connections": len(registry.connections),
        "uptime_s": round(time.monotonic() - services.started_s, 3),
    }
    return web.json_response(body, status=503 if registry.draining else 200)


async def metrics(request: web.Request) -> web.Response:
    """For Prometheus."""
    text = request.app[SERVICES].metrics.exposition()
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def streaming_metrics(request: web.Request) -> web.Response:
    """The few figures a dashboard shows."""
    services = request.app[SERVICES]
    summary = services.metrics.summary()
    body: StreamingMetrics = {
        "active_connections": len(services.registry.connections),
        "avg_latency_ms": summary["avg_latency_ms"],
        "p95_latency_ms": summary["p95_latency_ms"],
        "latency_sample_count": summary["latency_sample_count"],
        "asr_failure_count": summary["asr_failure_count"],
        "dropped_segments": _refused_jobs(services),
        "adaptive_window_seconds": services.window.seconds,
    }
    return web.json_response(body)


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, (bool, dict, list)) or value is None:
        raise Problem(400, "invalid_parameter", "text or a number is wanted", param=name[:64])
    return value if isinstance(value, str) else json.dumps(value)


def _refused_jobs(services: Services) -> int:
    return sum(
        int(sample.value)
        for family in services.metrics.jobs_refused.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )
