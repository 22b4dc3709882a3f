"""A request's body where a small JSON object is wanted: read within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fastring.errors import ProtocolError
from fastring.protocols.messages import parse_object
from fastring.server.problems import Problem
from fastring.server.services import SERVICES

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["MAX_SMALL_BODY_BYTES", "read_small_object"]

MAX_SMALL_BODY_BYTES: Final = 4096


async def read_small_object(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body; an empty one if there is no body.

    Raises:
        Problem: 400, 408 or 413.
    """
    limit_s = request.app[SERVICES].settings.server.handshake_s
    try:
        raw = await asyncio.wait_for(_read(request), limit_s)
    except asyncio.TimeoutError:
        raise Problem(408, "too_slow", f"the body did not come within {limit_s:g} s (server.handshake_s)") from None
    if not raw.strip():
        return {}
    try:
        return parse_object(raw.decode("utf-8"))
    except (UnicodeDecodeError, ProtocolError) as error:
        raise Problem(400, "invalid_json", str(error)) from None


async def _read(request: web.Request) -> bytes:
    raw = b""
    async for part in request.content.iter_any():  # it comes in as many parts as the network likes
        raw += part
        if len(raw) > MAX_SMALL_BODY_BYTES:
            raise Problem(413, "message_too_large", f"the body may hold {MAX_SMALL_BODY_BYTES} bytes")
    return raw
