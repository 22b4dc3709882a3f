"""OpenAI's short-lived keys: a secret for a page, and the session that its realtime connections start with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from fastring.protocols.messages import shown, write_object
from fastring.server.endpoints.openai_http import json_answer
from fastring.server.endpoints.openai_realtime import new_session
from fastring.server.family import OWNER
from fastring.server.problems import Problem
from fastring.server.services import SERVICES
from fastring.server.small_body import MAX_SMALL_BODY_BYTES, read_small_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from fastring.protocols.openai_session import RealtimeSession

__all__ = ["MAX_LIFETIME_S", "MIN_LIFETIME_S", "client_secrets", "transcription_sessions"]

MIN_LIFETIME_S: Final = 10
MAX_LIFETIME_S: Final = 7200
_LIFETIME_S: Final = 600
_OLD_LIFETIME_S: Final = 60
_PREFIX: Final = "ek_"
_CARRIED: Final = ("type", "audio", "include")  # of a session's description


async def client_secrets(request: web.Request) -> web.Response:
    """`POST /v1/realtime/client_secrets`."""
    asked = await read_small_object(request)
    expires_at = _expires_at(asked.get("expires_after"), "expires_after", _LIFETIME_S)
    session = new_session(request.app[SERVICES], expires_at, settings=_object(asked.get("session"), "session"))
    secret = _secret(request, session, expires_at)
    return json_answer({"value": secret, "expires_at": expires_at, "session": session.described()})


async def transcription_sessions(request: web.Request) -> web.Response:
    """`POST /v1/realtime/transcription_sessions`, the older form: the session itself is the body, and the answer."""
    asked = await read_small_object(request)
    wanted = _object(asked.get("client_secret"), "client_secret")
    # Their documents have one name, their SDK's types the other.
    name = "expires_after" if "expires_after" in wanted else "expires_at"
    expires_at = _expires_at(wanted.get(name), f"client_secret.{name}", _OLD_LIFETIME_S)
    session = new_session(request.app[SERVICES], expires_at, settings=asked)
    secret = {"value": _secret(request, session, expires_at), "expires_at": expires_at}
    return json_answer({**session.described(old=True), "client_secret": secret})


def _secret(request: web.Request, session: RealtimeSession, expires_at: int) -> str:
    """A short-lived key. It carries the session, so it must fit into a header.

    Raises:
        Problem: 413.
    """
    settings = {name: value for name, value in session.described().items() if name in _CARRIED}
    if len(write_object(settings).encode()) > MAX_SMALL_BODY_BYTES:
        raise Problem(413, "message_too_large", f"a session may take {MAX_SMALL_BODY_BYTES} bytes", param="session")
    return request.app[SERVICES].hand_out_key(request[OWNER], "openai", expires_at, prefix=_PREFIX, session=settings)


def _expires_at(asked: Any, param: str, default_s: int) -> int:
    """Unix seconds.

    Raises:
        Problem: 400.
    """
    wanted = _object(asked, param)
    anchor = wanted.get("anchor", "created_at")
    if anchor != "created_at":
        message = f"{param}.anchor = {shown(anchor)}: must be 'created_at'"
        raise Problem(400, "invalid_value", message, param=f"{param}.anchor")
    seconds = wanted.get("seconds", default_s)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not MIN_LIFETIME_S <= seconds <= MAX_LIFETIME_S:
        limit = f"a whole number, {MIN_LIFETIME_S}..{MAX_LIFETIME_S}"
        raise Problem(
            400, "invalid_value", f"{param}.seconds = {shown(seconds)}: must be {limit}", param=f"{param}.seconds"
        )
    return int(time.time()) + seconds


def _object(value: Any, param: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise Problem(400, "invalid_type", f"{param} = {shown(value)}: must be an object", param=param)
    return value or {}
