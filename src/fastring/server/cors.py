"""What a page of another origin may ask over HTTP: preflights are answered, answers say who may read them (CORS)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from fastring.server.services import SERVICES

if TYPE_CHECKING:
    from fastring.server.family import Handler

__all__ = ["add_cors_headers", "answer_preflight"]

_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}\Z")
_EXPOSED = "dg-request-id, dg-error, x-request-id, retry-after"
_MAX_AGE_S = 600


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that asks whether it may ask. It shows no key yet, so none is wanted."""
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return await handler(request)
    request.app[SERVICES].gate.check_origin(request.headers)
    headers = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Max-Age": str(_MAX_AGE_S)}
    wanted = request.headers.get("Access-Control-Request-Headers", "")
    if _HEADER_NAMES.match(wanted):
        headers["Access-Control-Allow-Headers"] = wanted
    return web.Response(status=204, headers=headers)


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of an allowed origin read the answer, refusals included."""
    origin = request.headers.get("Origin", "")
    if origin and request.app[SERVICES].gate.allows(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        response.headers["Vary"] = "Origin"
