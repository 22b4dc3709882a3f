from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import huggingface_hub.constants  # noqa: F401  # reads HF_HUB_OFFLINE once, when it is imported: before any test sets it
import pytest

from fastring.asr import models
from fastring.asr.models import resolve_model
from fastring.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGITS = resolve_model("digits")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download needs, serving the bundled model under any name."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        files = sorted(DIGITS.iterdir())
        if "/tree/" in self.path:
            tree = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name} for path in files
            ]
            data = json.dumps(tree).encode()
        elif self.path.startswith("/api/models/"):
            names = [{"rfilename": path.name} for path in files]
            data = json.dumps({"id": "x/y", "sha": COMMIT, "siblings": names, "private": False, "tags": []}).encode()
        elif "/resolve/" in self.path:
            data = (DIGITS / self.path.rsplit("/", 1)[1].split("?")[0]).read_bytes()
        else:
            data = b"hub"
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_digits_ships() -> None:
    assert {"model.bin", "config.json", "tokenizer.json", "LICENSE.txt"} <= {path.name for path in DIGITS.iterdir()}


def test_a_folder_is_taken_as_it_is() -> None:
    assert resolve_model(str(DIGITS)) == DIGITS


def test_a_folder_hides_a_name_only_if_it_holds_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    with pytest.raises(ModelUnavailableError, match="not on this machine"):
        resolve_model("small", cache_dir=str(tmp_path / "cache"), download=False)
    for file in DIGITS.iterdir():
        (tmp_path / "small" / file.name).write_bytes(file.read_bytes())
    assert resolve_model("small") == Path("small")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match=r"no model\.bin, no tokenizer\.json"):
        resolve_model(str(tmp_path))


def test_a_transformers_folder_tells_how_to_convert(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="ct2-transformers-converter"):
        resolve_model(str(tmp_path))


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="folder"):
        resolve_model(str(tmp_path / "model.bin"))


@pytest.mark.parametrize("name", ["huge", "../nowhere/at/all", "./nowhere", ""])
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match="large-v3"):
        resolve_model(name)


def test_a_download_shows_its_progress_and_is_kept(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    folder = resolve_model("base", cache_dir=str(tmp_path))
    assert (folder / "model.bin").read_bytes() == (DIGITS / "model.bin").read_bytes()
    assert "%" in capfd.readouterr().err
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert resolve_model("base", cache_dir=str(tmp_path)) == folder


def test_an_unreachable_hub_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailableError, match="--model digits") as caught:
        resolve_model("base", cache_dir=str(tmp_path))
    assert "hf download Systran/faster-whisper-base" in str(caught.value)


def test_a_silent_hub_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_REACH_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(ModelUnavailableError, match="--model PATH"):
            resolve_model("base", cache_dir=str(tmp_path))
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize("switch", ["argument", "environment"])
def test_downloads_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    if switch == "environment":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailableError, match="switched off"):
        resolve_model("base", cache_dir=str(tmp_path), download=switch == "environment")
