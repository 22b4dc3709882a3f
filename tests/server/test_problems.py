from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.test_utils import TestClient, TestServer

from fastring.server.problems import Problem, answer_problems, busy

if TYPE_CHECKING:
    from serving import Running


def test_the_one_shape() -> None:
    response = Problem(400, "invalid_parameter", "x = 'y': must be z", param="x").response()
    assert response.status == 400
    assert json.loads(response.text or "") == {
        "error": {"code": "invalid_parameter", "message": "x = 'y': must be z", "param": "x"}
    }


def test_busy_says_when_to_come_back() -> None:
    response = busy("too_many_streams", "full", retry_after_s=7).response()
    assert (response.status, response.headers["Retry-After"]) == (503, "7")


@pytest.mark.parametrize("path", ["/v1/listen", "/v1/audio/transcriptions", "/verify", "/api/v1/stream/start/a"])
@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\nno number\r\n",
    ],
    ids=["not-compressed", "not-chunked"],
)
async def test_a_body_that_is_not_as_its_header_says_is_the_clients_fault(
    server: Running, path: str, rest: bytes
) -> None:
    host, port = server.netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    writer.write(head.encode() + rest)
    status = (await asyncio.wait_for(reader.readline(), 5)).split()[1]
    writer.close()
    assert status == b"400"


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


@pytest.mark.parametrize(
    ("path", "method", "told"),
    [
        ("/v1/listen", "PUT", ("err_code", "METHOD_NOT_ALLOWED")),
        ("/v1/audio/transcriptions", "GET", ("error", "method_not_allowed")),
        ("/v1/models/whisper-1", "DELETE", ("error", "method_not_allowed")),
        ("/api/v1/stream/health", "DELETE", ("error", "method_not_allowed")),
    ],
)
async def test_a_wrong_method_is_told_as_the_family_of_the_path_does(
    server: Running, path: str, method: str, told: tuple[str, str]
) -> None:
    async with server.client.request(method, server.url + path) as response:
        body = await response.json()
        assert response.status == 405
        assert "GET" in response.headers["Allow"] or "POST" in response.headers["Allow"]
    field, code = told
    assert (body[field] if isinstance(body[field], str) else body[field]["code"]) == code
    if path.startswith(("/v1/audio", "/v1/models")):
        assert body["error"]["type"] == "invalid_request_error"  # OpenAI's shape


async def test_a_path_that_a_larger_service_has_is_refused_in_its_words(server: Running) -> None:
    for path in ("/v1/audio/translations", "/v1/chat/completions"):
        status, body = await server.post(path, json={})
        assert status == 404
        assert body["error"]["type"] == "invalid_request_error"
        assert set(body["error"]) == {"message", "type", "param", "code"}
    status, body = await server.get("/v2/speak")
    assert (status, body["err_code"]) == (404, "NOT_FOUND")


async def test_what_is_not_there_says_where_it_is_described(server: Running) -> None:
    """In the words of the protocol that the path belongs to."""
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/livez", 405), ("DELETE", "/v1/listen", 405)):
        async with server.client.request(method, server.url + path) as response:
            assert response.status == status
            assert response.headers["Link"] == '</api/docs>; rel="service-doc"'
            assert "/api/docs" in await response.text()
    async with server.client.post(server.url + "/livez") as response:
        assert "'/livez' takes GET or HEAD, not 'POST'" in await response.text()
    assert (await server.get("/api/docs"))[0] == 200
