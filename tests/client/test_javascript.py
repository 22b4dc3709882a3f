"""The JavaScript client in real Chromium, against a real server, through a proxy that fails."""

from __future__ import annotations

import asyncio
import json
import shutil
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hurried import behind_proxy, unlimited
from node_clients import run_node
from serving import RATE, SCRIPT, TWO_UTTERANCES

if TYPE_CHECKING:
    from fault_proxy import FaultProxy

OPTIONS = {"deadAfterS": 1, "firstWaitS": 0.02, "longestWaitS": 0.1, "giveUpS": 20}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "two.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(TWO_UTTERANCES)
    return path


async def browse(proxy: FaultProxy, wav: Path, **order: Any) -> list[dict[str, Any]]:
    """The events of one stream of a page, while the connection fails three times."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    order = {"executable": executable, "url": proxy.url, "wav": str(wav), "options": OPTIONS, **order}
    failing = asyncio.ensure_future(_fail(proxy))
    try:
        out = await asyncio.to_thread(run_node, "fastring.mjs", json.dumps(order), timeout_s=60)
    finally:
        failing.cancel()
    events: list[dict[str, Any]] = json.loads(out)
    return events


async def _fail(proxy: FaultProxy) -> None:
    begun = 0
    while begun < 20_000:  # audio is on its way
        await asyncio.sleep(0.01)
        begun = proxy.passed("up")
    for fault in (proxy.cut, lambda: proxy.stall(1.5), proxy.reset):
        fault()
        await asyncio.sleep(0.6)


def numbered(events: list[dict[str, Any]]) -> list[Any]:
    fields = ("type", "seq", "utterance", "start", "end", "text")
    return [[event.get(field) for field in fields] for event in events if "seq" in event]


async def test_a_page_that_is_cut_off_tells_what_an_uncut_one_does(recorded: Path) -> None:
    async with behind_proxy(unlimited(stall_ms=0)) as (server, proxy):
        told = await browse(proxy, recorded, microphone=False, seconds=3.0)
        async with server.connect("/api/v1/stream/voice/uncut") as ws:
            await ws.send_bytes(TWO_UTTERANCES)
            await ws.send_str('{"type":"close"}')
            expected = []
            while not expected or expected[-1]["type"] != "closed":
                expected.append(await ws.receive_json(timeout=10))
    assert numbered(told) == numbered(expected)
    kinds = [event["type"] for event in told]
    assert kinds[0] == "ready"
    assert kinds[-1] == "closed"
    assert kinds.count("resumed") >= 2
    assert not {"restarted", "audio_lost"} & set(kinds)


async def test_what_the_microphone_hears_survives_the_same(recorded: Path) -> None:
    async with behind_proxy(unlimited(stall_ms=0)) as (_, proxy):
        told = await browse(proxy, recorded, microphone=True, seconds=6.0)
    finals = [event["text"] for event in told if event["type"] == "final"]
    assert finals[:2] == list(SCRIPT)
    assert [event["seq"] for event in told if "seq" in event] == list(range(3 * len(finals)))
    kinds = {event["type"] for event in told}
    assert "resumed" in kinds
    assert not {"restarted", "audio_lost"} & kinds
