"""Short-lived keys: what they say, which paths they open, and that none grants more than the key that made it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import serving

from fastring.config import SecuritySettings, ServerSettings
from fastring.protocols.messages import write_object
from fastring.server.logs import configure_logging
from fastring.server.routes import FAMILIES
from fastring.server.short_lived_keys import ShortLivedKey, ShortLivedKeys

if TYPE_CHECKING:
    from pathlib import Path

    from serving import Running

SECRET = "a secret of thirty-two characters"
KEYS = ShortLivedKeys(SECRET)
PAGES = [page for family in FAMILIES for page in family.pages if not page.open_to_all]
MAKERS = ["/v1/realtime/client_secrets", "/v1/realtime/transcription_sessions", "/v1/auth/grant"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_one_says_what_it_was_given(session: dict[str, Any]) -> None:
    text = KEYS.issue("ab12", "openai", 1000, prefix="ek_", session=session)
    said = KEYS.read(text)
    assert said is not None
    assert (said.scope, said.expires_s) == ("openai", 1000)
    # A lone surrogate of two is a character once it has been written and read.
    assert said.session == json.loads(write_object(session))
    assert KEYS.owner_of(said, ["cd34", "ab12"]) == "ab12"
    assert KEYS.owner_of(said, ["cd34"]) is None


def test_each_process_that_has_the_secret_reads_it_and_no_other() -> None:
    text = KEYS.issue("", "deepgram", 7)
    assert ShortLivedKeys(SECRET).read(text) == KEYS.read(text)
    assert ShortLivedKeys(SECRET + ".").read(text) is None
    assert ShortLivedKeys().read(text) is None
    assert ShortLivedKeys().read(ShortLivedKeys().issue("", "deepgram", 7)) is None


def test_it_is_a_json_web_token_that_tells_nothing_of_the_key() -> None:
    text = KEYS.issue("ab12cd34", "deepgram", 7)
    head, body, _ = (base64.urlsafe_b64decode(part + "==") for part in text.split("."))
    assert json.loads(head) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(body)["exp"] == 7
    assert b"ab12" not in body
    assert KEYS.issue("ab12cd34", "deepgram", 7) != text


@pytest.mark.parametrize("at", range(-1, 210, 9))
def test_a_changed_one_is_none(at: int) -> None:
    text = KEYS.issue("ab12", "openai", 1000, prefix="ek_")
    assert at < len(text)
    assert KEYS.read(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 or len(text) :]) is None


@pytest.mark.parametrize("change", [lambda text: text[3:], lambda text: text + ".", lambda text: text[:-1], str.lower])
def test_nor_is_a_part_of_one(change: Any) -> None:
    assert KEYS.read(change(KEYS.issue("ab12", "openai", 1000, prefix="ek_"))) is None


def test_one_without_a_signature_is_none() -> None:
    body = KEYS.issue("", "openai", 1 << 40).split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    assert KEYS.read(f"{head}.{body}.") is None


@given(st.text(max_size=200) | st.text("ab.", max_size=20))
def test_any_text_reads_as_nothing(text: str) -> None:
    assert KEYS.read(text) is None


def test_a_session_is_none_unless_given() -> None:
    said = KEYS.read(KEYS.issue("", "deepgram", 7))
    assert isinstance(said, ShortLivedKey)
    assert said.session == {}


# --- in a server ----------------------------------------------------------------------------------------------------


async def made(server: Running, scope: str, key: str = "one", lifetime_s: float = 60) -> str:
    """One that the server's own pages hand out."""
    if scope == "deepgram":
        _, body = await server.post("/v1/auth/grant", headers=bearer(key), json={"ttl_seconds": lifetime_s})
        return str(body["access_token"])
    _, body = await server.post("/v1/realtime/client_secrets", headers=bearer(key))
    return str(body["value"])


@pytest.mark.parametrize("scope", ["openai", "deepgram"])
@pytest.mark.parametrize("keys", [("one",), ()], ids=["with keys", "open"])
async def test_one_opens_the_live_paths_of_its_protocol_alone(scope: str, keys: tuple[str, ...]) -> None:
    async with serving(security=SecuritySettings(api_keys=keys)) as server:
        key = await made(server, scope)
        opened = set()
        for family in FAMILIES:
            for socket in family.sockets:
                path = socket.path.format_map(defaultdict(lambda: "a"))
                status, _ = await server.refusal(path, headers={**bearer(key), "Connection": "close"})
                assert status in {403, 426}  # without that header, it would be upgraded
                if status != 403:
                    opened.add(socket.path)
        assert opened == {socket.path for family in FAMILIES if family.name == scope for socket in family.sockets}
        for page in PAGES:
            path = page.path.format_map(defaultdict(lambda: "a"))
            status, _ = await server._ask(page.method, path, headers=bearer(key))
            assert (status == 403) is (page.path not in opened), page.path


@pytest.mark.parametrize("scope", ["openai", "deepgram"])
async def test_none_makes_another(scope: str) -> None:
    async with serving(security=SecuritySettings(api_keys=("one",))) as server:
        key = await made(server, scope)
        for path in MAKERS:
            status, body = await server.post(path, headers=bearer(key))
            assert status == 403
            assert "value" not in body
            assert "access_token" not in body


async def test_one_counts_against_the_limits_of_the_key_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("one streams=1\ntwo\n")
    async with serving(security=SecuritySettings(api_keys_file=str(path))) as server:
        headers = bearer(await made(server, "openai"))
        async with server.connect("/v1/realtime", headers=headers) as ws:
            await ws.receive_json()
            for same in (headers, bearer("one"), bearer(await made(server, "openai"))):
                assert (await server.refusal("/v1/realtime", headers=same))[0] == 503
            async with server.connect("/v1/realtime", headers=bearer(await made(server, "openai", "two"))) as other:
                await other.receive_json()


async def test_with_the_key_that_made_it_goes_whoever_came_by_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("one\ntwo\n")
    async with serving(security=SecuritySettings(api_keys_file=str(path))) as server:
        first, second = [bearer(await made(server, "openai", key)) for key in ("one", "two")]
        async with (
            server.connect("/v1/realtime", headers=first) as gone,
            server.connect("/v1/realtime", headers=second) as stays,
        ):
            path.write_text("two\n")
            while (await gone.receive(timeout=5)).type.name == "TEXT":
                pass
            assert gone.close_code == 1008
            status, error = await server.refusal("/v1/realtime", headers=first)
            assert (status, error["code"]) == (401, "invalid_api_key")
            assert not stays.closed
            assert (await server.refusal("/v1/realtime", headers={**second, "Connection": "close"}))[0] == 426


async def test_a_connection_outlives_the_key_that_opened_it() -> None:
    async with serving(security=SecuritySettings(api_keys=("one",))) as server:
        headers = bearer(await made(server, "deepgram", lifetime_s=1))
        begun_s = time.monotonic()
        async with server.connect("/v1/listen?encoding=linear16&sample_rate=16000", headers=headers) as ws:
            while (status := (await server.post("/v1/listen", headers=headers, data=b"x"))[0]) != 401:
                assert status == 400
                assert time.monotonic() < begun_s + 5
                await asyncio.sleep(0.05)
            assert time.monotonic() >= begun_s + 1 - 0.1
            await ws.send_str('{"type":"CloseStream"}')
            assert (await ws.receive_json(timeout=10))["type"] in {"Results", "Metadata"}
        status, body = await server.refusal("/v1/listen", headers=headers)
        assert (status, body["err_code"]) == (401, "INVALID_AUTH")
        assert "expired" in body["err_msg"]


async def test_making_them_is_counted_and_told_and_none_gets_into_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(ServerSettings(log_level="debug", log_json=True))
    async with serving(security=SecuritySettings(api_keys=("one",))) as server:
        keys = [await made(server, scope) for scope in ("openai", "deepgram", "deepgram")]
        async with server.connect("/v1/realtime", headers=bearer(keys[0])) as ws:
            await ws.receive_json()
        async with server.connect("/v1/listen", protocols=("bearer", keys[1])) as ws:
            assert ws.protocol == "bearer"
        await server.get("/v1/models", headers=bearer(keys[2]))
        text = server.services.metrics.exposition().decode()
    assert 'fastring_short_lived_keys_total{protocol="deepgram"} 2.0' in text
    lines = [line for line in stream.getvalue().splitlines() if "short-lived key made" in line]
    assert [json.loads(line)["protocol"] for line in lines] == ["openai", "deepgram", "deepgram"]
    for key in keys:
        assert key.rpartition(".")[2] not in stream.getvalue()
        assert key.split(".")[1] not in stream.getvalue()
