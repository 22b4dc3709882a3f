"""A page in real Chromium, a recording for its microphone, against a real server; the code is that of the docs page."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from node_clients import FOLDER, run_node

from fastring.recordings import recording, recording_path

if TYPE_CHECKING:
    from collections.abc import Callable

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "clients" / "browser.md"
SPOKEN = "seen_2"
SECONDS = 3.8


def documented(language: str) -> str:
    """The guide's only block in that language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def backend(server_url: str, api_key: str) -> Callable[..., Any]:
    """What a web app's own server asks for: the answer to a body."""

    def ask(path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {api_key}"}
        asked = urllib.request.Request(server_url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)

    return ask


@pytest.fixture
def short_lived_key(backend: Callable[..., Any]) -> str:
    """For `/v1/listen`, by a page."""
    return str(backend("/v1/auth/grant")["access_token"])


@pytest.fixture
def site(pages: Any, server_url: str, short_lived_key: str) -> Any:
    """The pages, and the guide's script with a key that expires: of another origin than the server's."""
    guide = documented("html").replace("127.0.0.1:8000", server_url.partition("://")[2])
    pages.files.update(
        {
            "/page.html": ("text/html", (FOLDER / "page.html").read_bytes()),
            "/guide.html": ("text/html", guide.replace('const key = ""', f'const key = "{short_lived_key}"').encode()),
            "/microphone.js": ("text/javascript", documented("js").encode()),
            "/speech.wav": ("audio/wav", recording_path(SPOKEN).read_bytes()),
        }
    )
    return pages


@pytest.fixture
def browse(server_url: str, api_key: str, site: Any) -> Any:
    """Let the page do something."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")

    def browsing(*asks: dict[str, Any]) -> list[Any]:
        common = {
            "server": server_url.replace("http", "ws", 1),
            "http": server_url,
            "key": api_key,
            "query": "model=nova-3&interim_results=true",
            "seconds": SECONDS,
            "file": "/speech.wav",
        }
        placed = [
            {
                **common,
                "address": f"http://{it.get('host', '127.0.0.1')}:{site.port}/{it.get('page', 'page.html')}",
                **it,
            }
            for it in asks
        ]
        order = {"executable": executable, "wav": str(recording_path(SPOKEN)), "asks": placed}
        answers: list[Any] = json.loads(run_node("browser.mjs", json.dumps(order)))
        return answers

    return browsing


@pytest.mark.parametrize(
    "how",
    [{"mimeType": "audio/webm;codecs=opus"}, {"mimeType": "audio/mp4"}, {"worklet": True}],
    ids=["webm", "mp4", "worklet"],
)
def test_what_the_microphone_hears_is_told_while_it_is_spoken(browse: Any, how: dict[str, Any]) -> None:
    (heard,) = browse({"does": "live", **how})
    finals = [it for it in heard["messages"] if it["type"] == "Results" and it["is_final"]]
    words = [word["word"] for it in finals for word in it["channel"]["alternatives"][0]["words"]]
    assert words == recording(SPOKEN).text.split()
    assert heard["protocol"] == "token"  # and never the key
    assert heard["interim"] > 0
    assert heard["messages"][-1]["type"] == "Metadata"
    assert heard["messages"][-1]["duration"] == pytest.approx(SECONDS, abs=1.0)
    assert heard["code"] == 1000


def test_the_page_of_the_guide_shows_what_is_said(browse: Any) -> None:
    wanted = recording(SPOKEN).text
    (shown,) = browse({"does": "click", "page": "guide.html", "button": "#start", "text": "#text", "wanted": wanted})
    assert wanted in shown


def test_keys_and_origins_decide_what_a_page_may(browse: Any) -> None:
    upload, stranger, foreign, wrong, foreign_upload = browse(
        {"does": "upload"},
        {"does": "upload", "key": "wrong"},
        {"does": "refused", "host": "localhost"},
        {"does": "refused", "key": "wrong"},
        {"does": "upload", "host": "localhost"},
    )
    assert upload["status"] == 200
    assert upload["id"] == upload["body"]["metadata"]["request_id"]
    assert upload["body"]["results"]["channels"][0]["alternatives"][0]["transcript"] == recording(SPOKEN).text
    assert stranger["status"] == 401
    assert foreign["code"] == wrong["code"] == 1006
    assert "error" in foreign_upload


def test_a_page_starts_the_session_that_its_backend_agreed_on(browse: Any, backend: Callable[..., Any]) -> None:
    """The secret holds the session, which is as large as may be: the browser and the server take so long a name."""
    transcription = {"model": "whisper-1", "language": "en", "prompt": "a" * 3700}
    session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
    secret = backend("/v1/realtime/client_secrets", session=session)
    assert len(secret["value"]) > 5000
    (heard,) = browse({"does": "realtime", "key": secret["value"]})
    assert heard["protocol"] == "realtime"
    assert heard["first"]["type"] == "session.created"
    assert heard["first"]["session"]["audio"] == secret["session"]["audio"]
