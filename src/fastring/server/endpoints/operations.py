"""What is served beside every protocol: liveness, readiness, metrics, and the description of the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from fastring.server.endpoints import native_http as http
from fastring.server.endpoints.api_pages import ASSETS, asset, asyncapi_document, openapi_document, redoc, swagger
from fastring.server.family import Family, Page
from fastring.server.services import SERVICES
from fastring.server.surface.answers import Readiness, StreamingMetrics
from fastring.server.surface.operation import Operation

if TYPE_CHECKING:
    from fastring.server.services import Services

__all__ = ["OPERATIONS", "livez", "readyz"]


async def livez(_request: web.Request) -> web.Response:
    """The process lives and its event loop runs: who asks gets an answer, or should restart it."""
    return _answer("alive")


async def readyz(request: web.Request) -> web.Response:
    """Whether new streams may be sent here: the engine is loaded and has a worker, and the server is not draining."""
    obstacle = _obstacle(request.app[SERVICES])
    return _answer(obstacle or "ready", 503 if obstacle else 200)


def _obstacle(services: Services) -> str:
    """Why not, or ""."""
    if services.registry.draining:
        return "draining"
    stats = services.pool.stats()
    return "no engine worker" if stats.workers <= 0 else ""


def _answer(status: str, code: int = 200) -> web.Response:
    body: Readiness = {"status": status}  # type: ignore[typeddict-item]
    return web.json_response(body, status=code)


OPERATIONS: Final = Family(
    "operations",
    pages=(
        Page("GET", "/livez", livez, open_to_all=True, operation=Operation("The process lives", Readiness)),
        Page(
            "GET",
            "/readyz",
            readyz,
            open_to_all=True,
            operation=Operation("The process takes new streams; 503 if it does not", Readiness, also=(503,)),
        ),
        Page("GET", "/metrics", http.metrics, operation=Operation("Metrics for Prometheus", media=("text/plain",))),
        Page(
            "GET",
            "/metrics/streaming",
            http.streaming_metrics,
            operation=Operation("The few figures a dashboard shows", StreamingMetrics),
        ),
        Page(
            "GET",
            "/api/openapi.json",
            openapi_document,
            open_to_all=True,
            operation=Operation("This document", dict),
        ),
        Page(
            "GET",
            "/api/asyncapi.json",
            asyncapi_document,
            open_to_all=True,
            operation=Operation("AsyncAPI 3 of the WebSockets", dict),
        ),
        Page("GET", "/api/docs", swagger, open_to_all=True, operation=Operation("Swagger UI", media=("text/html",))),
        Page("GET", "/api/redoc", redoc, open_to_all=True, operation=Operation("ReDoc", media=("text/html",))),
        *(
            Page("GET", path, asset, open_to_all=True, operation=Operation("A file of those pages", media=(media,)))
            for path, (_, media) in ASSETS.items()
        ),
    ),
)
