"""Pages of another origin over HTTP, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastring.config import SecuritySettings

if TYPE_CHECKING:
    from serving import Running, Serve

PAGE = "https://app.example"
SECURITY = SecuritySettings(api_keys=("right-key",), allowed_origins=(PAGE,))
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-fern-language",
}
PATHS = ["/v1/listen", "/v1/audio/transcriptions", "/api/v1/stream/list"]


@pytest.mark.parametrize("path", PATHS)
async def test_an_allowed_page_may_ask(serve: Serve, path: str) -> None:
    async with (
        serve(security=SECURITY) as server,
        server.client.options(server.url + path, headers=PREFLIGHT) as answer,
    ):
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-fern-language"
        assert answer.headers["Vary"] == "Origin"


async def test_it_may_read_answers_and_refusals(serve: Serve) -> None:
    async with serve(security=SECURITY) as server:
        for key, status in (("right-key", 200), ("wrong", 401)):
            headers = {"Origin": PAGE, "Authorization": f"Bearer {key}"}
            async with server.client.get(server.url + "/api/v1/stream/list", headers=headers) as answer:
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == PAGE
                assert "dg-request-id" in answer.headers["Access-Control-Expose-Headers"]


async def test_another_page_may_neither(serve: Serve) -> None:
    async with serve(security=SECURITY) as server:
        foreign = {**PREFLIGHT, "Origin": "https://evil.example"}
        async with server.client.options(server.url + "/v1/listen", headers=foreign) as answer:
            assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_any_page_may_where_the_settings_say_so(serve: Serve) -> None:
    async with (
        serve(security=SecuritySettings(allowed_origins=("*",))) as server,
        server.client.options(server.url + "/v1/listen", headers=PREFLIGHT) as answer,
    ):
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, PAGE)


async def test_header_names_that_are_none_are_not_repeated(serve: Serve) -> None:
    async with serve(security=SECURITY) as server:
        odd = {**PREFLIGHT, "Access-Control-Request-Headers": "a<b>"}
        async with server.client.options(server.url + "/v1/listen", headers=odd) as answer:
            assert "Access-Control-Allow-Headers" not in answer.headers


async def test_nothing_is_said_to_the_servers_own_pages(server: Running) -> None:
    headers = {"Origin": server.url}
    async with server.client.get(server.url + "/api/v1/stream/list", headers=headers) as answer:
        assert answer.status == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
    async with server.client.options(server.url + "/v1/listen") as answer:
        assert answer.status == 405
