from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestClient, TestServer

from fastring.server.problems import Problem, answer_problems, busy


def test_the_one_shape() -> None:
    response = Problem(400, "invalid_parameter", "x = 'y': must be z", param="x").response()
    assert response.status == 400
    assert json.loads(response.text or "") == {
        "error": {"code": "invalid_parameter", "message": "x = 'y': must be z", "param": "x"}
    }


def test_busy_says_when_to_come_back() -> None:
    response = busy("too_many_streams", "full", retry_after_s=7).response()
    assert (response.status, response.headers["Retry-After"]) == (503, "7")


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nowhere", "GET", 404, "not_found"),
        ("/fine", "POST", 405, "method_not_allowed"),
        ("/broken", "GET", 500, "internal"),
        ("/malformed", "GET", 400, "invalid_body"),
    ],
)
async def test_every_refusal_has_it(path: str, method: str, status: int, code: str) -> None:
    async def fine(_request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("a secret of the inside")

    async def malformed(_request: web.Request) -> web.Response:
        raise BadHttpMessage("a part with a header that is none")

    app = web.Application(middlewares=[answer_problems])
    app.router.add_get("/malformed", malformed)
    app.add_routes([web.get("/fine", fine), web.get("/broken", broken)])
    async with TestClient(TestServer(app)) as client:
        response = await client.request(method, path)
        text = await response.text()
    assert response.status == status
    assert json.loads(text)["error"]["code"] == code
    assert "secret" not in text
