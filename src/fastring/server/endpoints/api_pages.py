"""The documents of the server's surface, and the pages that show them: Swagger UI and ReDoc, from local files alone."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

from fastring.server.family import SERVED
from fastring.server.services import SERVICES
from fastring.server.surface.asyncapi import asyncapi
from fastring.server.surface.openapi import openapi

__all__ = ["ASSETS", "asset", "asyncapi_document", "openapi_document", "redoc", "swagger"]

ASSETS: Final = {
    "/api/static/swagger-ui-bundle.js": ("swagger-ui-bundle.js.gz", "text/javascript"),
    "/api/static/swagger-ui.css": ("swagger-ui.css.gz", "text/css"),
    "/api/static/swagger-init.js": ("swagger-init.js", "text/javascript"),
    "/api/static/redoc.standalone.js": ("redoc.standalone.js.gz", "text/javascript"),
    "/api/static/redoc-init.js": ("redoc-init.js", "text/javascript"),
}
"""Where each file is served, its name in the package, and what it is. See scripts/vendor_api_pages.sh."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Scripts of this server alone, and no connection elsewhere. Both tools write styles into the page."""


async def openapi_document(request: web.Request) -> web.Response:
    """OpenAPI 3.1 of what this server serves."""
    families, gate = request.app[SERVED], request.app[SERVICES].gate
    return web.json_response(openapi(families, keys=len(gate.keys) > 0))


async def asyncapi_document(request: web.Request) -> web.Response:
    """AsyncAPI 3 of fastring's own WebSockets."""
    return web.json_response(_asyncapi(tuple(socket.name for it in request.app[SERVED] for socket in it.sockets)))


async def swagger(_request: web.Request) -> web.Response:
    """Swagger UI."""
    return _page("swagger-ui-bundle.js", "swagger-init.js", '<link rel="stylesheet" href="/api/static/swagger-ui.css">')


async def redoc(_request: web.Request) -> web.Response:
    """ReDoc."""
    return _page("redoc.standalone.js", "redoc-init.js", "<style>body { margin: 0; }</style>")


async def asset(request: web.Request) -> web.Response:
    """One of the files; they change with fastring's version only."""
    name, media = ASSETS[request.path]
    body, compressed = _read(name), name.endswith(".gz")
    headers = {"Cache-Control": "public, max-age=3600"}
    if compressed and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    elif compressed:
        body = gzip.decompress(body)
    return web.Response(body=body, content_type=media, charset="utf-8", headers=headers)


def _page(script: str, init: str, head: str) -> web.Response:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>fastring API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,">{head}</head><body><div id="ui"></div>'
        f'<script src="/api/static/{script}"></script><script src="/api/static/{init}"></script></body></html>\n'
    )
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY})


@cache
def _read(name: str) -> bytes:
    return (files("fastring") / "server" / "static" / name).read_bytes()


@cache
def _asyncapi(served: tuple[str, ...]) -> dict[str, Any]:
    return asyncapi(served)
