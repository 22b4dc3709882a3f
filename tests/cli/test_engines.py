"""Engines by name at the commands: what they say without a key, and a server whose cloud goes away."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from deepgram_peer import KEY, DeepgramPeer, Fault
from typer.testing import CliRunner, Result

from fastring.asr.transcriber import Job
from fastring.asr.whisper import WhisperTranscriber
from fastring.cli.app import app
from fastring.client import connect
from fastring.config import AsrSettings
from fastring.recordings import recording, recording_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

pytest.importorskip("av")

AUSTEN = Path(__file__).parent.parent / "asr" / "austen"


@pytest.fixture(scope="module")
def hear() -> Callable[[NDArray[np.float32]], Any]:
    """The digits model, as a service would hear with its own."""
    whisper = WhisperTranscriber(AsrSettings(model="digits", workers=1))
    return lambda samples: whisper.transcribe([Job(0, "", 0, "final", 0, samples)])[0].words


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(app, ["transcribe", *map(str, arguments)], env=environment)


@pytest.mark.parametrize(
    ("engine", "name"), [("deepgram", "DEEPGRAM"), ("deepgram-batch", "DEEPGRAM"), ("openai", "OPENAI")]
)
def test_without_a_key_it_says_what_to_export(engine: str, name: str) -> None:
    environment = {f"{name}_API_KEY": "", f"{name}_BASE_URL": ""}
    result = run("--engine", engine, recording_path("seen_0"), **environment)
    assert result.exit_code == 2
    assert f"export {name}_API_KEY=" in result.stderr


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch"])
def test_a_file_is_transcribed_by_the_service(hear: Callable[..., Any], engine: str) -> None:
    with DeepgramPeer(hear) as peer:
        environment = {"DEEPGRAM_API_KEY": KEY, "DEEPGRAM_BASE_URL": peer.url.replace("http", "ws")}
        result = run("--engine", engine, recording_path("seen_8"), **environment)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == recording("seen_8").text.split()
    assert bool(peer.handshakes) == (engine == "deepgram")


def test_a_wrong_key_ends_the_command_and_says_so(hear: Callable[..., Any]) -> None:
    with DeepgramPeer(hear) as peer:
        settings = ("--set", f"deepgram.base_url={peer.url}")
        result = run("--engine", "deepgram", *settings, recording_path("seen_8"), DEEPGRAM_API_KEY="wr0ng")
    assert result.exit_code == 1
    assert "DEEPGRAM_API_KEY" in result.stderr
    assert "wr0ng" not in result.stderr + result.stdout


WRONG = [
    ({"DEEPGRAM_API_KEY": "wr0ng"}, (), "set DEEPGRAM_API_KEY"),
    ({"DEEPGRAM_API_KEY": KEY}, ("--set", "deepgram.model=nosuchmodel"), "deepgram.model"),
    ({"DEEPGRAM_API_KEY": KEY, "DEEPGRAM_BASE_URL": "http://127.0.0.1:9"}, (), "deepgram.base_url"),
]


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch"])
@pytest.mark.parametrize(("environment", "arguments", "named"), WRONG, ids=["key", "model", "address"])
def test_what_is_wrong_is_named_by_every_command(
    hear: Callable[..., Any], engine: str, environment: dict[str, str], arguments: tuple[str, ...], named: str
) -> None:
    with DeepgramPeer(hear) as peer:
        known = {"DEEPGRAM_BASE_URL": peer.url, **environment}
        told = run("--engine", engine, *arguments, recording_path("seen_0"), **known)
        looked = CliRunner().invoke(app, ["doctor", "--engine", engine, *arguments], env=known)
    assert named in told.stderr
    assert (told.exit_code, looked.exit_code) == (1, 1)
    (found,) = [line for line in looked.stdout.splitlines() if line.startswith("fail")]
    assert named in found
    assert "wr0ng" not in told.stderr + looked.stdout


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch"])
def test_a_service_that_would_serve_is_asked_for_next_to_nothing(hear: Callable[..., Any], engine: str) -> None:
    with DeepgramPeer(hear) as peer:
        settings = ["--set", f"deepgram.base_url={peer.url}", "--set", f"deepgram.api_key={KEY}"]
        looked = CliRunner().invoke(app, ["doctor", "--engine", engine, *settings])
    assert f"ok   model       {engine} is set up, and its service would serve" in looked.stdout
    assert peer.samples + sum(peer.posts) <= 1600


def test_a_server_says_at_once_what_its_speakers_would_hear(hear: Callable[..., Any]) -> None:
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", "--engine", "deepgram"]
    with DeepgramPeer(hear) as peer:
        environment = {**os.environ, "DEEPGRAM_API_KEY": "wr0ng", "DEEPGRAM_BASE_URL": peer.url}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert "ready on" in process.stdout.readline()
            warned = process.stderr.readline()
            process.terminate()
    assert warned.startswith("warning: Deepgram refuses the key")
    assert "set DEEPGRAM_API_KEY" in warned
    assert "wr0ng" not in warned


def test_what_stands_in_is_told(hear: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with DeepgramPeer(hear, live=503) as peer:
        settings = ("--set", f"deepgram.base_url={peer.url}", "--set", "asr.fallback=deepgram-batch")
        result = run("--engine", "deepgram", *settings, recording_path("seen_8"), DEEPGRAM_API_KEY=KEY)
    assert result.exit_code == 0, result.stderr
    assert "deepgram-batch takes over (busy)" in result.stderr
    assert result.stdout.split() == recording("seen_8").text.split()


def test_pocketsphinx_needs_nothing_but_itself() -> None:
    result = run("--engine", "pocketsphinx", AUSTEN / "0880.flac")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("he was not")


def test_a_file_is_transcribed_by_another_fastring() -> None:
    with served("--model", "digits") as url:
        settings = ("--engine", "openai", "--set", f"openai.base_url={url}/v1")
        result = run(*settings, recording_path("seen_8"), OPENAI_API_KEY="")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == recording("seen_8").text.split()


@contextlib.contextmanager
def served(*arguments: str, **environment: str) -> Iterator[str]:
    """A server of its own."""
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


async def test_a_server_whose_cloud_goes_away(hear: Callable[..., Any]) -> None:
    arguments = ("--engine", "deepgram", "--model", "digits", "--set", "asr.fallback=deepgram-batch,faster-whisper")
    arguments += ("--set", "deepgram.spare=0")  # on one that was open before, the service would go on
    name, pcm = "seen_8", recording_path("seen_8").read_bytes()[44:]
    with (
        DeepgramPeer(hear, batch=500, fault=Fault("close", 3, then=401, reason="NET-0000")) as peer,
        served(*arguments, DEEPGRAM_API_KEY=KEY, DEEPGRAM_BASE_URL=peer.url) as url,
    ):
        async with connect(url, name) as stream:
            for start in range(0, len(pcm), 3200):
                await stream.send(pcm[start : start + 3200])
            await stream.close()
            messages = [message async for message in stream]
        async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as answer:
            metrics = await answer.text()
    (ready,) = [message for message in messages if message["type"] == "ready"]
    assert (ready["engine"], ready["model"]) == ("deepgram", "nova-3")
    finals = " ".join(message["text"] for message in messages if message["type"] == "final")
    assert finals.split() == recording(name).text.split()
    told = [(message["engine"], message["reason"]) for message in messages if message["type"] == "status"]
    # Where no partial comes in between, the engine in the middle is not heard of.
    assert told in ([("deepgram-batch", "refused"), ("faster-whisper", "broken")], [("faster-whisper", "refused")])
    assert not [message for message in messages if message["type"] == "error"]
    assert 'fastring_status_messages_total{engine="faster-whisper",state="fallback"} 1.0' in metrics
