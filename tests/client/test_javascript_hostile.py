"""The JavaScript client in real Chromium under conditions that nobody wants: each stream ends in time and says why."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any

import pytest
from hostile_servers import Closing, Refusing, silent
from hurried import unlimited
from node_clients import run_node
from serving import serving

HURRIED = {"deadAfterS": 0.6, "firstWaitS": 0.05, "longestWaitS": 0.2, "giveUpS": 1.5}


async def browse(**order: Any) -> dict[str, Any]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    order = {"executable": executable, **order}
    out = await asyncio.to_thread(run_node, "fastring_hostile.mjs", json.dumps(order), timeout_s=90)
    told: dict[str, Any] = json.loads(out)
    return told


def case(name: str, server: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "server": server,
        "options": {**HURRIED, "streamId": name},
        "seconds": 0.3,
        "act": None,
        **more,
    }


async def test_every_stream_ends_in_time_and_says_why(unused_tcp_port: int) -> None:
    wrong, forbidden = Refusing(status=401), Refusing(status=403)
    full, over, away = Refusing(status=503, retry_after="1"), Closing(code=1013), Closing(code=1012)
    policy = Closing(code=1008)
    async with (
        serving(unlimited()) as server,
        wrong.up(),
        forbidden.up(),
        full.up(),
        over.up(),
        away.up(),
        policy.up(),
        silent() as nobody,
    ):
        cases = [
            case("wrong", wrong.url),
            case("forbidden", forbidden.url),
            case("full", full.url),
            case("over", over.url),
            case("away", away.url),
            case("policy", policy.url),
            case("silent", nobody),
            case("gone", f"http://127.0.0.1:{unused_tcp_port}"),
            case("nowhere", "http://nowhere.invalid"),
            case("aborted", f"http://127.0.0.1:{unused_tcp_port}", act="abort"),
            case("closed", f"http://127.0.0.1:{unused_tcp_port}", act="close"),
            case("fine", act="close"),
        ]
        told = await browse(url=server.url, cases=cases, microphone=True)
    assert told["complaints"] == []
    endings = told["endings"]
    fine = endings.pop("fine")
    assert (fine["error"], fine["kinds"][-1]) == (None, "closed")
    codes = {name: (each["error"]["code"], each["error"]["status"]) for name, each in endings.items()}
    gave_up = ("gave_up", 0)
    assert codes == {
        "wrong": ("refused", 401),
        "forbidden": ("refused", 403),
        "full": gave_up,
        "over": gave_up,
        "away": gave_up,
        "policy": ("closed", 1008),
        "silent": gave_up,
        "gone": gave_up,
        "nowhere": gave_up,
        "aborted": ("aborted", 0),
        "closed": gave_up,
    }
    assert {each["error"]["name"] for each in endings.values()} == {"StreamError"}
    assert "refused with 401" in endings["wrong"]["error"]["message"]
    waits = [later - earlier for earlier, later in zip(full.asked, full.asked[1:], strict=False)]
    assert waits
    assert min(waits) > 0.9, "the server said when to come back"
    assert told["denied"] == {"name": "StreamError", "code": "microphone", "cause": "NotAllowedError", "over": False}
