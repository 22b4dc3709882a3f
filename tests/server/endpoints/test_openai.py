from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.config import SecuritySettings
from fastring.server.endpoints.openai import OPENAI

if TYPE_CHECKING:
    from serving import Serve


def test_the_paths_clients_ask_for() -> None:
    assert {(page.method, page.path) for page in OPENAI.pages} == {
        ("POST", "/v1/audio/transcriptions"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{model}"),
        ("POST", "/v1/realtime/client_secrets"),
        ("POST", "/v1/realtime/transcription_sessions"),
    }
    assert {socket.path for socket in OPENAI.sockets} == {"/v1/realtime"}
    assert not any(page.open_to_all for page in OPENAI.pages)


async def test_every_page_asks_for_a_key_and_refuses_in_openais_words(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("right",))) as server:
        for method, path in (("POST", "/v1/audio/transcriptions"), ("GET", "/v1/models"), ("GET", "/v1/models/x")):
            async with server.client.request(method, server.url + path) as response:
                error = (await response.json())["error"]
                assert response.status == 401
                assert response.headers["x-request-id"].startswith("req_")
                assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
        headers = {"Authorization": "Bearer right"}
        assert (await server.get("/v1/models", headers=headers))[0] == 200


async def test_the_family_can_be_left_out(serve: Serve) -> None:
    async with serve(protocols=("native",)) as server:
        assert (await server.get("/v1/models"))[0] == 404
