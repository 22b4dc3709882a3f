"""The dashboard in real Chromium against a real server with the digits model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from node_clients import start_node

from fastring.config import SecuritySettings, ServerSettings, Settings
from fastring.recordings import recording, recording_path
from fastring.server.app import build_app
from fastring.server.run import make_runner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from serving import Serve

    from fastring.asr.transcriber import Transcriber

KEY = "dashboard-test-key"
SETTINGS = Settings(server=ServerSettings(port=0, drain_s=0.2))


class Browser:
    """Chromium with a recording for its microphone, and who uses it: `dashboard.mjs`."""

    def __init__(self, executable: str) -> None:
        self._process = start_node("dashboard.mjs")
        self._write({"executable": executable, "wav": str(recording_path("seen_2"))})

    async def see(self, url: str, does: str, *, allowed: bool = True, **asked: Any) -> Any:
        """What a scene shows."""
        seen = await asyncio.to_thread(self._play, {"url": url, "does": does, "allowed": allowed, **asked})
        assert "error" not in seen, json.dumps(seen)
        return seen

    def _play(self, scene: dict[str, Any]) -> Any:
        assert self._process.stdout is not None
        self._write(scene)
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": f"Node has ended: {self._process.wait()}"}

    def _write(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Chromium goes when there is nothing more to play."""
        self._process.communicate(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    browser = Browser(executable)
    yield browser
    browser.close()


async def until(happened: Callable[[], object]) -> None:
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving_on(port: int, transcriber: Transcriber) -> AsyncIterator[None]:
    """Another server where one was before."""
    runner = make_runner(build_app(SETTINGS, transcriber), SETTINGS.server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def test_a_sample_shows_all_there_is_to_see(serve: Serve, digits: Transcriber, browser: Browser) -> None:
    said = recording("seen_2").text
    async with serve(SETTINGS, digits) as server:
        seen = await browser.see(server.url, "sample", reference=said.replace("one", "two"))
        await server.empty()
    assert seen["words"].split() == said.split()
    assert seen["spoken"].split() == said.split()[-len(seen["spoken"].split()) :]
    assert seen["broken"] == []
    assert any(tail.strip() for tail in seen["tails"])
    assert any("before the final" in trigger for trigger in seen["triggers"])
    assert {pitch for pitch in seen["pitches"] if "Hz" in pitch}
    assert len({level for level in seen["levels"] if "dB" in level}) > 10
    assert int(seen["onsets"]) >= 4
    assert "ms" in seen["latency"]
    assert ("%" in seen["buffer"], seen["dropped"]) == (True, "nothing")
    assert seen["feedback"] == ["wrong" if word == "one" else "correct" for word in said.split()]
    assert seen["score"] == "75 % right"
    assert (seen["health"], "digits" in seen["engine"]) == ("healthy", True)
    assert seen["waveform"] > 0.02
    assert seen["spectrum"] > 0.02
    # Nothing but this server is asked, and a script that somebody smuggles into the page does not run.
    assert {url.split("/")[2] for url in seen["asked"]} == {server.netloc}
    assert (seen["complaints"], seen["injected"]) == ([], [False, ["script-src-elem"]])


async def test_with_a_key_the_microphone_is_heard(serve: Serve, digits: Transcriber, browser: Browser) -> None:
    async with serve(replace(SETTINGS, security=SecuritySettings(api_keys=(KEY,))), digits) as server:
        seen = await browser.see(server.url, "microphone", key=KEY)
        await server.empty()
    assert "does not know this key" in seen["problem"]
    assert seen["connection"] == "live"
    said = recording("seen_2").text.split()
    assert seen["words"].split()[:3] == said[:3]
    assert seen["dialog"] is False  # this tab keeps it
    assert [url for url in seen["asked"] if KEY in url] == []
    assert (seen["complaints"], seen["violations"]) == ([], [])


async def test_where_the_browser_does_not_resample_the_microphone_is_heard_at_its_own_rate(
    serve: Serve, digits: Transcriber, browser: Browser
) -> None:
    async with serve(replace(SETTINGS, security=SecuritySettings(api_keys=(KEY,))), digits) as server:
        seen = await browser.see(server.url, "microphone", key=KEY, refusedHz=16_000)
        await server.empty()
    refused, taken = seen["rates"]
    assert refused == 16_000
    assert taken > 40_000
    assert seen["words"].split()[:3] == recording("seen_2").text.split()[:3]
    assert (seen["complaints"], seen["violations"]) == ([], [])


async def test_files_may_be_dropped_and_troubles_are_told_in_words(
    serve: Serve, digits: Transcriber, browser: Browser
) -> None:
    async with serve(SETTINGS, digits) as server:
        seen = await browser.see(server.url, "files", file=str(recording_path("unseen_0")), allowed=False)
        await server.empty()
    assert "The microphone is not allowed" in seen["denied"]
    assert "Allow it for this page" in seen["denied"]
    assert "The browser cannot read broken.mp3" in seen["unreadable"]
    assert seen["words"] == recording("unseen_0").text
    assert (seen["notices"], seen["complaints"], seen["violations"]) == (0, [], [])


async def test_a_lost_connection_is_resumed_and_a_server_that_starts_anew_is_found_again(
    serve: Serve, digits: Transcriber, browser: Browser
) -> None:
    async with serve(SETTINGS, digits) as server:
        port = int(server.netloc.rpartition(":")[2])
        watching = asyncio.ensure_future(browser.see(server.url, "restart"))
        await until(lambda: watching.done() or server.services.metrics.summary()["latency_sample_count"])
        for connection in list(server.services.registry.connections):
            if connection.name.startswith("voice/"):
                connection._transport.abort()
        await until(lambda: watching.done() or server.services.keeper.counts["resumed"])
        await asyncio.sleep(0.3)
    await asyncio.sleep(1.5)
    async with serving_on(port, digits):
        seen = await watching
    assert any("not reachable" in told or "going down" in told for told in seen["told"]), seen["told"]
    assert any("nothing is lost" in told for told in seen["told"])
    assert any("The server had begun anew" in told for told in seen["told"])
    assert seen["connection"] == "live"
    assert any(line.startswith("Connection lost") for line in seen["happened"])


async def test_who_presses_everything_at_once_gets_one_stream(serve: Serve, browser: Browser) -> None:
    async with serve() as server:
        seen = await browser.see(server.url, "hasty")
        await server.empty()
    assert seen["streams"] == ["audio", "voice"]
    assert "The server ended the stream" in seen["stopped"]
    assert (seen["notices"], seen["complaints"]) == ([], [])


async def test_an_hour_of_speech_does_not_fill_the_page(serve: Serve, browser: Browser) -> None:
    async with serve() as server:
        kept = (await browser.see(server.url, "hour"))["kept"]
    assert (kept["lines"], kept["known"], kept["happenings"]) == (300, 300, 60)
    assert (kept["doubtful"], kept["reply"]) == (300, "two")
    assert kept["shown"] < 30


async def test_a_server_that_is_full_says_what_is_missing(serve: Serve, browser: Browser) -> None:
    async with serve(max_streams=1) as server:
        seen = await browser.see(server.url, "full")
    assert "The measures are missing" in seen["notice"]
    assert "all of its 1 streams" in seen["notice"]
