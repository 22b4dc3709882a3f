"""Refusals over HTTP, before any upgrade: one exception, one JSON shape, one middleware."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from fastring.protocols.messages import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = ["DOCS", "REFUSALS", "UPGRADED", "Problem", "answer_problems", "busy"]

DOCS: Final = "/api/docs"
"""Where a browser finds what is served."""

UPGRADED: web.RequestKey[bool] = web.RequestKey("upgraded", bool)
"""Set once a request has become a WebSocket: then there is no HTTP answer any more."""

log = structlog.get_logger("fastring.server")

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "message_too_large",
    415: "unsupported_media_type",
    426: "upgrade_required",
}


Refuse = Callable[["Problem", web.Request], web.Response]


class Problem(Exception):  # noqa: N818 - it is an answer more than an error
    """A request that is refused.

    Attributes:
        status: HTTP status.
        code: stable name of the reason.
        message: names the value and the limit.
        param: the parameter at fault, if it is one.
        headers: further headers of the answer, `Retry-After` for example.
    """

    def __init__(
        self, status: int, code: str, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer that tells it."""
        body = {"error": {"code": self.code, "message": self.message, "param": self.param}}
        return web.Response(
            status=self.status, text=json.dumps(body), content_type="application/json", headers=self.headers
        )


def busy(code: str, message: str, *, retry_after_s: int) -> Problem:
    """503: come back later."""
    return Problem(503, code, message, headers={"Retry-After": str(retry_after_s)})


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal in the words of its protocol, aiohttp's own included; an unforeseen error is hidden."""
    try:
        return await handler(request)
    except Problem as problem:
        return _refuse(problem, request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _CODES.get(error.status, "http_error")
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return _refuse(Problem(error.status, code, _said_of(error, request), headers=kept), request)
    except ConnectionError:  # the client is gone, which is nobody's fault and worth no traceback
        return web.Response(status=499)
    except web.RequestPayloadError as error:  # chunks that are none, or not compressed as their header says
        return _refuse(Problem(400, "invalid_body", f"the body is malformed: {shown(str(error))}"), request)
    except HttpProcessingError as error:  # of a part in a multipart body, whose headers are read late
        return _refuse(Problem(400, "invalid_body", f"the body is malformed: {shown(error.message)}"), request)
    except Exception:
        if request.transport is None or request.get(UPGRADED):
            raise
        log.exception("request failed", path=request.path)
        return _refuse(Problem(500, "internal", "the server failed; its log says why"), request)


def _said_of(error: web.HTTPException, request: web.Request) -> str:
    """Why, and where it says what there is."""
    if error.status == 404:
        return f"there is nothing at {shown(request.path)}: what is served stands at {DOCS}"
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = " or ".join(sorted(error.allowed_methods))
        return f"{shown(request.path)} takes {allowed}, not {shown(request.method)}: see {DOCS}"
    return error.reason


def _refuse(problem: Problem, request: web.Request) -> web.Response:
    """As the family of the path words it; fastring's own way where the path belongs to none."""
    resource = request.match_info.route.resource
    table = request.app.get(REFUSALS, {})
    if resource is not None:
        words = table.get(resource.canonical)
    else:  # a path that is there, but not by this method, has no route
        words = next((of for path, of in table.items() if _is_of(request.path, path)), None)
        words = words or next((of for path, of in table.items() if _begins(request.path, path)), None)
    response = words(problem, request) if words else problem.response()
    if problem.status in (404, 405):
        response.headers["Link"] = f'<{DOCS}>; rel="service-doc"'  # RFC 8631
    return response


def _is_of(path: str, pattern: str) -> bool:
    """Whether a path is one of a route's, such as `/v1/models/{model}`."""
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        want == part or (want.startswith("{") and part) for part, want in zip(parts, wanted, strict=True)
    )


def _begins(path: str, realm: str) -> bool:
    """Whether a path lies in a family's realm, such as `/v1/`."""
    return len(realm) > 1 and realm.endswith("/") and path.startswith(realm)


REFUSALS: web.AppKey[Mapping[str, Refuse]] = web.AppKey("refusals")
"""How a refusal is worded, by the path of the route."""
