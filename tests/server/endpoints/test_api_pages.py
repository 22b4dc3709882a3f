from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from node_clients import run_module

from fastring.config import SecuritySettings
from fastring.server.endpoints.api_pages import ASSETS

if TYPE_CHECKING:
    from serving import Running, Serve


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
async def test_a_page_takes_everything_from_this_server(serve: Serve, path: str) -> None:
    async with serve(security=SecuritySettings(api_keys=("secret",))) as server:
        async with server.client.get(server.url + path) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            policy = response.headers["Content-Security-Policy"]
            page = await response.text()
        assert "default-src 'none'; script-src 'self';" in policy
        assert "http" not in policy
        assert "//" not in page
        assert "<script>" not in page
        for asset in ASSETS:
            if asset in page:
                assert (await server.get(asset))[0] == 200
        assert sum(asset in page for asset in ASSETS) >= 2


@pytest.mark.parametrize(("path", "media"), [(path, media) for path, (_, media) in ASSETS.items()])
async def test_a_file_is_the_same_with_and_without_compression(server: Running, path: str, media: str) -> None:
    async with server.client.get(server.url + path, headers={"Accept-Encoding": "identity"}) as response:
        assert response.content_type == media
        assert "Content-Encoding" not in response.headers
        plain = await response.read()
    async with server.client.get(server.url + path, headers={"Accept-Encoding": "gzip"}) as response:
        assert await response.read() == plain
    assert len(plain) > 50
    assert plain[:2] != gzip.compress(b"")[:2]


async def test_the_documents_are_served(server: Running) -> None:
    assert (await server.get("/api/openapi.json"))[1]["openapi"] == "3.1.0"
    assert (await server.get("/api/asyncapi.json"))[1]["asyncapi"] == "3.0.0"


LOOK = """
import { chromium } from "playwright-core";
const [executablePath, url, shown] = %s;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
const asked = [], complaints = [];
page.on("request", (request) => asked.push(request.url()));
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.goto(url);
await page.getByText(shown).first().waitFor({ state: "attached", timeout: 20000 });
console.log(JSON.stringify({ asked, complaints }));
await browser.close();
"""


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
async def test_chromium_shows_it_and_asks_nobody_else(server: Running, path: str) -> None:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    code = LOOK % json.dumps([executable, server.url + path, "Judge a whole recitation"])
    seen = json.loads(await asyncio.to_thread(run_module, code))
    elsewhere = [url for url in seen["asked"] if not url.startswith((server.url, "data:"))]
    assert [url for url in elsewhere if not url.endswith("logo-mini.svg")] == []
    assert [text for text in seen["complaints"] if "logo-mini.svg" not in text and "favicon" not in text] == []
