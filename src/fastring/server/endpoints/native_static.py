"""The JavaScript client, served as it is: a page imports it, and nothing has to be built."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

__all__ = ["SCRIPTS", "script"]

SCRIPTS: Final = (
    "/static/fastring.js",
    "/static/fastring-conversation.js",
    "/static/fastring-error.js",
    "/static/fastring-held-audio.js",
    "/static/fastring-microphone.js",
    "/static/fastring-refusal.js",
    "/static/fastring-stream.js",
    "/static/fastring-worklet.js",
)
"""`fastring.js` imports the others; a page need not name them."""


async def script(request: web.Request) -> web.Response:
    """One of the files. Another site's page may load it, too; what it may connect to is decided elsewhere."""
    headers = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    return web.Response(body=_read(request.path.rpartition("/")[2]), content_type="text/javascript", headers=headers)


@cache
def _read(name: str) -> bytes:
    return (files("fastring") / "js" / name).read_bytes()
