"""Deepgram's short-lived keys: `POST /v1/auth/grant` gives a token, with which a page may use what listens."""

from __future__ import annotations

import math
import time
from typing import Final

from aiohttp import web

from fastring.protocols.messages import shown
from fastring.server.endpoints.deepgram_options import new_request_id
from fastring.server.family import OWNER
from fastring.server.problems import Problem
from fastring.server.services import SERVICES
from fastring.server.small_body import read_small_object

__all__ = ["MAX_LIFETIME_S", "MIN_LIFETIME_S", "grant"]

MIN_LIFETIME_S: Final = 1
MAX_LIFETIME_S: Final = 3600
_LIFETIME_S: Final = 30


async def grant(request: web.Request) -> web.Response:
    """`POST /v1/auth/grant`.

    Raises:
        Problem: 400, 408 or 413.
    """
    asked = (await read_small_object(request)).get("ttl_seconds")
    lifetime_s = _LIFETIME_S if asked is None else asked
    number = isinstance(lifetime_s, int | float) and not isinstance(lifetime_s, bool)
    if not number or not MIN_LIFETIME_S <= lifetime_s <= MAX_LIFETIME_S:
        limit = f"a number of seconds, {MIN_LIFETIME_S}..{MAX_LIFETIME_S}"
        raise Problem(
            400, "invalid_parameter", f"ttl_seconds = {shown(lifetime_s)}: must be {limit}", param="ttl_seconds"
        )
    expires_s = math.ceil(time.time() + lifetime_s)
    token = request.app[SERVICES].hand_out_key(request[OWNER], "deepgram", expires_s)
    body = {"access_token": token, "expires_in": lifetime_s}
    return web.json_response(body, headers={"dg-request-id": new_request_id()})
