"""Over the wire: keys, origins, and hostile bytes on every endpoint."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import websockets
from hypothesis import given, settings
from hypothesis import strategies as st

import fastring
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings, ServerSettings, Settings
from fastring.errors import ConfigError
from fastring.server.app import build_app
from fastring.server.endpoints.api_pages import ASSETS
from fastring.server.routes import FAMILIES

if TYPE_CHECKING:
    from serving import Running, Serve

BASE = "/api/v1/stream/"
KEYS = SecuritySettings(api_keys=("right-key",))
SOCKETS = [socket.path for family in FAMILIES for socket in family.sockets]
ASKED = {"/ws/recite": "/ws/recite?reference=one"}  # where a query must be given
SOCKET_NAMES = [socket.name for family in FAMILIES for socket in family.sockets]
PAGES = [page for family in FAMILIES for page in family.pages]
ENDPOINTS = [ASKED.get(path, path).format_map(defaultdict(lambda: "a")) for path in SOCKETS]
# The sockets that speak the native protocol; how others take hostile input, their own tests show.
OURS = [(path, name) for path, name in zip(ENDPOINTS, SOCKET_NAMES, strict=True) if path.startswith(("/api/", "/ws/"))]
GUARDED = [(page.method, page.path.format_map(defaultdict(lambda: "a"))) for page in PAGES if not page.open_to_all]
CODES = {"invalid_json", "unknown_type", "invalid_base64", "odd_length", "partial_frame", "invalid_field"}


def test_every_path_is_in_the_reference(root: Path) -> None:
    reference = root / "docs" / "reference"
    pages = (reference / "http.md").read_text(encoding="utf-8")
    sockets = (reference / "protocol.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"`{page.method} {page.path.replace('{stream_id}', '{id}')}`" in pages
    for path in SOCKETS:
        assert f"`{path}`" in sockets


def test_what_may_be_asked_without_a_key_is_known() -> None:
    pages = {page.path for page in PAGES if page.open_to_all}
    scripts = {f"/static/{module.name}" for module in (Path(fastring.__file__).parent / "js").glob("*.js")}
    description = {"/api/docs", "/api/redoc", "/api/openapi.json", "/api/asyncapi.json", *ASSETS}
    dashboard = {"/", "/dashboard/{file}", "/dashboard/recordings", "/dashboard/recordings/{name}"}
    assert pages == {BASE + "health", "/livez", "/readyz", *dashboard, *scripts, *description}


async def test_families_are_switched_on_by_name(serve: Serve) -> None:
    async with serve(protocols=("native",)) as server:
        assert (await server.get(BASE + "health"))[0] == 200


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"server.protocols = 'gopher': must be of dashboard, native"):
        build_app(Settings(server=ServerSettings(protocols=("gopher",))), ScriptedTranscriber(("zero",)))


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_every_page_but_health_and_root_wants_a_key(serve: Serve, method: str, path: str) -> None:
    async with serve(security=KEYS) as server:
        status, body = await server._ask(method, path)
        assert status == 401
        assert path.startswith(("/v1/", "/v2/")) or body["error"]["code"] == "unauthorized"
        status, _ = await server._ask(method, path, headers={"Authorization": "Bearer right-key"})
        assert status != 401
        assert (await server.get(BASE + "health"))[0] == 200


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_every_socket_wants_a_key(serve: Serve, path: str) -> None:
    async with serve(security=KEYS) as server:
        for headers in ({}, {"Authorization": "Token wrong-key"}):
            status, error = await server.refusal(path, headers=headers)
            assert status == 401
            assert path.startswith(("/v1/", "/v2/")) or error["code"] == "unauthorized"
        assert len(server.services.registry) == 0


async def test_a_key_opens_by_header_and_by_subprotocol(serve: Serve) -> None:
    async with serve(security=KEYS) as server:
        async with server.connect(BASE + "audio/a", headers={"Authorization": "Token right-key"}) as ws:
            assert (await ws.receive_json())["type"] == "ready"
        async with server.connect(BASE + "audio/a", protocols=("bearer", "right-key")) as ws:
            assert ws.protocol == "bearer"
            assert (await ws.receive_json())["type"] == "ready"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await server.connect(BASE + "audio/a", protocols=("bearer", "wrong-key"))
        assert caught.value.status == 401


async def test_a_foreign_page_is_kept_out_of_an_open_server(server: Running) -> None:
    status, error = await server.refusal(BASE + "voice/a", headers={"Origin": "https://evil.example"})
    assert (status, error["code"]) == (403, "forbidden_origin")
    status, error = await server.post(BASE + "start/a", headers={"Origin": "https://evil.example"})
    assert status == 403
    status, error = await server.refusal(BASE + "voice/a", headers={"Host": "evil.example"})
    assert (status, error["code"]) == (403, "forbidden_host")
    async with server.connect(BASE + "voice/a", origin=server.url) as ws:
        assert (await ws.receive_json())["type"] == "ready"


async def test_an_allowed_origin_may_connect(serve: Serve) -> None:
    security = SecuritySettings(allowed_origins=("https://app.example",))
    async with (
        serve(security=security) as server,
        server.connect(BASE + "voice/a", origin="https://app.example") as ws,
    ):
        assert (await ws.receive_json())["type"] == "ready"


# --- what is no WebSocket -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_plain_request_is_told_to_upgrade(server: Running, path: str) -> None:
    status, body = await server.get(path)
    assert status == 426
    assert path.startswith(("/v1/", "/v2/")) or body["error"]["code"] == "upgrade_required"
    assert len(server.services.registry) == 0


async def test_compression_is_never_agreed_on(server: Running) -> None:
    async with websockets.connect(server.ws_url(BASE + "audio/a"), compression="deflate") as ws:
        await ws.recv()
        assert ws.protocol.extensions == []


async def test_another_client_library_works_as_well(server: Running) -> None:
    async with websockets.connect(server.ws_url(BASE + "voice/a")) as ws:
        assert json.loads(await ws.recv())["type"] == "ready"
        await ws.ping()
        await ws.send(bytes(3200))
        await ws.send('{"type":"close"}')
        kinds = [json.loads(message)["type"] async for message in ws]
        assert kinds[-1] == "closed"
        assert ws.close_code == 1000


# --- hostile input --------------------------------------------------------------------------------------------------


async def open_any(server: Running, path: str) -> Any:
    if "control" in path:
        await server.post(BASE + "start/a")
    ws = await server.connect(path)
    if "control" not in path and "recite" not in path:
        await ws.receive_json(timeout=5)
    return ws


async def still_there(ws: Any) -> list[dict[str, Any]]:
    """Ping; return what was said before the pong."""
    await ws.send_str('{"type":"ping"}')
    said = []
    while (message := await ws.receive_json(timeout=5))["type"] != "pong":
        said.append(message)
    return said


HOSTILE = st.lists(
    st.binary(max_size=300)
    | st.text(max_size=100)
    | st.sampled_from(
        ["[" * 5000, '{"type":"audio","data":"' + "A" * 3001 + '"}', '{"type":"finalize","x":NaN}', "\x00"]
    )
    | st.builds(
        lambda kind, data: json.dumps({"type": kind, "data": data, "source": data, "seq": data, "command": data}),
        st.sampled_from(["audio", "finalize", "resume", "ready", "closed", ""]),
        st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
    ),
    max_size=12,
)


@pytest.mark.parametrize(("path", "name"), OURS, ids=[name for _, name in OURS])
async def test_whatever_comes_is_answered_and_the_stream_goes_on(server: Running, path: str, name: str) -> None:
    ws = await open_any(server, path)
    other = await server.connect(BASE + "audio/bystander")
    await other.receive_json(timeout=5)
    loop = asyncio.get_running_loop()
    conversations: list[list[bytes | str]] = []

    @given(HOSTILE)
    @settings(max_examples=60)
    def collect(messages: list[bytes | str]) -> None:
        conversations.append(messages)

    await loop.run_in_executor(None, collect)
    errors = 0
    for messages in conversations:
        for message in messages:
            text = message if isinstance(message, str) else None
            if text is None:
                await ws.send_bytes(message)
            elif text.isascii() or text.encode("utf-8", "ignore").decode() == text:
                await ws.send_str(text)
        for answer in await still_there(ws):
            if answer["type"] == "error":
                errors += 1
                assert answer["code"] in CODES
                assert answer["fatal"] is False
    assert errors > 20
    assert await still_there(other) == []
    stats = (await server.get("/metrics"))[1]
    malformed = next(
        line for line in stats.splitlines() if line.startswith(f'fastring_malformed_total{{endpoint="{name}"')
    )
    assert float(malformed.split()[-1]) > 0
    await ws.close()
    await other.close()


@pytest.mark.parametrize("path", ENDPOINTS, ids=SOCKET_NAMES)
async def test_broken_frames_end_their_connection_alone(
    server: Running, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[object] = []
    log = SimpleNamespace(exception=lambda *_, **facts: failed.append(facts))
    monkeypatch.setattr("fastring.server.problems.log", log)
    other = await server.connect(BASE + "audio/bystander")
    await other.receive_json(timeout=5)
    if "control" in path:
        await server.post(BASE + "start/a")
    host, port = server.netloc.split(":")
    chance = random.Random(7)
    for number in range(40):
        raw = socket.create_connection((host, int(port)))
        raw.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        raw.sendall(chance.randbytes(chance.randrange(1, 400)))
        await asyncio.sleep(0.002)
        if number % 2:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset
        raw.close()
    assert await still_there(other) == []
    assert failed == []  # a client that leaves is no fault of ours
    await other.close()
    await server.post(BASE + "stop/a")
    await server.empty()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /api/v1/stream/start/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000 + b"\r\n",
    ],
    ids=["noise", "version", "long path", "negative length", "two hosts", "many headers"],
)
async def test_broken_requests_are_refused(server: Running, request_bytes: bytes) -> None:
    host, port = server.netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_bytes)
    status = await asyncio.wait_for(reader.readline(), 5)
    assert status == b"" or status.split()[1] in (b"400", b"403", b"414", b"431")
    writer.close()
    assert (await server.get(BASE + "health"))[0] == 200
