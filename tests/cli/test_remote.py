"""`fastring transcribe --server`: a server of its own does the work."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from collections.abc import Iterator

import pytest
from serving import SCRIPT, serving
from typer.testing import CliRunner, Result

from fastring.cli.app import app
from fastring.cli.remote import transcribe_remotely
from fastring.recordings import recording_path


@pytest.fixture
def url() -> Iterator[str]:
    started, where = threading.Event(), []

    async def run() -> None:
        end = asyncio.Event()
        async with serving() as server:
            where.extend([server.url, asyncio.get_running_loop(), end])
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(10)
    yield where[0]
    where[1].call_soon_threadsafe(where[2].set)
    thread.join(10)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["transcribe", *map(str, arguments)])


def test_a_server_does_the_work(url: str) -> None:
    result = run("--server", url, recording_path("seen_0"))
    assert result.exit_code == 0
    assert SCRIPT[0] in result.stdout.splitlines()  # beside the log of the server, which is of this process
    lines = run("--server", url, "--json", recording_path("seen_0")).stdout.splitlines()
    report = json.loads(next(line for line in lines if line.startswith("{")))
    assert report["segments"][0]["text"] == SCRIPT[0]
    assert 0 <= report["segments"][0]["start"] < report["segments"][0]["end"] < 4


def test_what_cannot_be_is_told() -> None:
    assert run("--mic").exit_code == 2
    assert run().exit_code == 2
    result = run("--server", "http://127.0.0.1:1", recording_path("seen_0"))
    assert result.exit_code == 1
    assert "no server" in result.stderr


def test_a_microphone_needs_an_extra_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "sounddevice" else found(name))
    result = run("--server", "http://127.0.0.1:1", "--mic")
    assert result.exit_code == 2
    assert '`fastring transcribe --mic` needs sounddevice: pip install "fastring[mic]"' in result.stderr


def test_times_are_samples(url: str) -> None:
    finals = transcribe_remotely(url, recording_path("seen_0"), api_key="", language="", hear=lambda _: None)
    assert finals[0].text == SCRIPT[0]
    assert isinstance(finals[0].start, int)
