from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import fastring.server
from fastring.config import SecuritySettings
from fastring.recordings import recording
from fastring.server.endpoints.dashboard import FILES, RECORDINGS

if TYPE_CHECKING:
    from serving import Running, Serve

FOLDER = Path(fastring.server.__file__).parent / "dashboard"


def test_every_file_of_the_folder_is_served() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*FILES, "index.html"}


@pytest.mark.parametrize("name", [*FILES, "index.html"])
def test_a_file_is_readable_in_one_go(name: str) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 250
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_a_module_asks_for_none_that_is_not_served(name: str) -> None:
    asked = re.findall(r'from "\./([^"]+)"', (FOLDER / name).read_text(encoding="utf-8"))
    assert set(asked) <= set(FILES)


async def test_the_page_takes_nothing_from_elsewhere_and_runs_nothing_inline(serve: Serve) -> None:
    async with serve(security=SecuritySettings(api_keys=("secret",))) as server:
        async with server.client.get(server.url + "/") as response:
            assert (response.status, response.content_type) == (200, "text/html")
            policy = response.headers["Content-Security-Policy"]
            page = await response.text()
        for name in FILES:
            assert (await server.get(f"/dashboard/{name}"))[0] == 200
    assert "default-src 'none'; script-src 'self'; style-src 'self'; " in policy
    assert not re.search(r"unsafe|http|\*", policy)
    assert not re.search(r"""<script>|<style|\son\w+=|\sstyle=|["']//|https?:""", page)
    assert set(re.findall(r'"dashboard/([^"]+)"', page)) <= set(FILES)


@pytest.mark.parametrize("path", ["/", "/dashboard/app.js", "/dashboard/icon.svg"])
async def test_a_file_is_sent_once_and_small(server: Running, path: str) -> None:
    async with server.client.get(server.url + path, headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        plain, tag = await response.read(), response.headers["ETag"]
        assert response.headers["Cache-Control"] == "no-cache"
    async with server.client.get(server.url + path, headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert int(response.headers["Content-Length"]) < len(plain)
        assert (await response.read(), response.headers["ETag"]) == (plain, tag)
    for known, status in ((tag, 304), ('"other"', 200), (f'"other", {tag}', 304), ("*", 304)):
        async with server.client.get(server.url + path, headers={"If-None-Match": known}) as response:
            assert (response.status, response.headers["ETag"]) == (status, tag)


@pytest.mark.parametrize("name", ["other.js", "..%2Fapp.py", "%2e%2e%2fapp.py", "index.html", "recordings/"])
async def test_nothing_else_is_served(server: Running, name: str) -> None:
    assert (await server.get(f"/dashboard/{name}"))[0] == 404


async def test_recordings_to_try(server: Running) -> None:
    status, body = await server.get("/dashboard/recordings")
    assert status == 200
    assert [item["name"] for item in body["recordings"]] == list(RECORDINGS)
    for item in body["recordings"]:
        assert item["text"] == recording(item["name"]).text
        async with server.client.get(f"{server.url}/dashboard/recordings/{item['name']}") as response:
            assert (response.status, response.content_type) == (200, "audio/wav")
            assert len(await response.read()) == recording(item["name"]).path.stat().st_size
    status, refused = await server.get("/dashboard/recordings/other")
    assert (status, refused["error"]["param"]) == (404, "name")


async def test_it_is_a_family_of_its_own(serve: Serve) -> None:
    async with serve(protocols=("native",)) as server:
        assert (await server.get("/"))[0] == 404
        assert (await server.get("/dashboard/app.js"))[0] == 404
