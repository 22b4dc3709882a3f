"""Deepgram's `POST /v1/auth/grant`: what it takes, and what its token opens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from serving import speech

from fastring.config import SecuritySettings
from fastring.server.endpoints.deepgram_grant import MAX_LIFETIME_S, MIN_LIFETIME_S

if TYPE_CHECKING:
    from serving import Running, Serve

PATH = "/v1/auth/grant"


@pytest.mark.parametrize(
    ("asked", "expires_in"),
    [
        *((asked, 30) for asked in (None, {}, {"ttl_seconds": None})),
        *(({"ttl_seconds": lifetime_s}, lifetime_s) for lifetime_s in (MIN_LIFETIME_S, 7.5, MAX_LIFETIME_S)),
    ],
)
async def test_a_token_and_how_long_it_lasts(server: Running, asked: Any, expires_in: float) -> None:
    status, body = await server.post(PATH, json=asked) if asked is not None else await server.post(PATH)
    assert status == 200
    assert set(body) == {"access_token", "expires_in"}
    assert body["expires_in"] == expires_in
    said = server.services.gate.short_lived_keys.read(body["access_token"])
    assert said is not None
    assert said.scope == "deepgram"
    assert expires_in - 1 < said.expires_s - time.time() < expires_in + 1


@pytest.mark.parametrize("wrong", [0, 0.99, 3600.5, -1, "30", True, [30], 10**300])
async def test_a_lifetime_out_of_range_is_refused_in_deepgrams_words(server: Running, wrong: Any) -> None:
    status, body = await server.post(PATH, json={"ttl_seconds": wrong})
    assert status == 400
    assert body["err_code"] == "Bad Request"
    assert body["err_msg"].startswith("ttl_seconds")
    assert "1..3600" in body["err_msg"]


@pytest.mark.parametrize("keys", [("one",), ()], ids=["with keys", "open"])
async def test_a_page_uses_it_live_and_for_recordings(serve: Serve, keys: tuple[str, ...]) -> None:
    async with serve(security=SecuritySettings(api_keys=keys)) as server:
        _, body = await server.post(PATH, headers={"Authorization": "Token one"})
        token = body["access_token"]
        status, answer = await server.post(
            "/v1/listen?encoding=linear16&sample_rate=16000",
            headers={"Authorization": f"bearer {token}"},
            data=speech(),
        )
        assert status == 200
        assert answer["results"]["channels"]
        for scheme in ("bearer", "token"):
            async with server.connect("/v1/listen", protocols=(scheme, token, "x-deepgram-session-id", "a")) as ws:
                assert ws.protocol == scheme
                await ws.send_str('{"type":"CloseStream"}')
                assert (await ws.receive_json(timeout=10))["type"] == "Metadata"
        turns = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000"
        async with server.connect(turns, protocols=("bearer", token)) as ws:
            assert (await ws.receive_json(timeout=10))["type"] == "Connected"


async def test_without_a_key_there_is_none(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("one",))) as server:
        status, body = await server.post(PATH)
        assert (status, body["err_code"]) == (401, "INVALID_AUTH")
