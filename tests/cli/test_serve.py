from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fastring.cli.serve import _announcer
from fastring.client import connect
from fastring.config import ServerSettings, Settings
from fastring.config_sources import CONFIG_ENV, setting_fields
from fastring.errors import ProtocolError
from fastring.recordings import recording, recording_path

for module in ("aiohttp", "faster_whisper", "av", "soxr"):
    pytest.importorskip(module)


def clean_environment(**extra: str) -> dict[str, str]:
    ours = {CONFIG_ENV, *(name for field in setting_fields() for name in field.env)}
    return {name: value for name, value in os.environ.items() if name not in ours} | extra


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "fastring", "serve", *map(str, arguments)]


@contextmanager
def served(*arguments: object, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own, and its address."""
    with subprocess.Popen(
        command("--port", 0, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**environment),
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("fastring ready on http://"), process.stderr.read() if process.stderr else ""
            yield line.split()[-1], process
        finally:
            process.kill()


async def hear(url: str, name: str, **parameters: str) -> str:
    pcm = recording_path(name).read_bytes()[44:]
    async with connect(url, name, **parameters) as stream:  # type: ignore[arg-type]
        for start in range(0, len(pcm), 3200):
            await stream.send(pcm[start : start + 3200])
        await stream.close()
        finals = [message["text"] async for message in stream if message["type"] == "final"]
    return " ".join(filter(None, finals))  # an utterance may turn out to be no speech


async def test_two_streams_at_once_and_a_clean_end() -> None:
    with served("--model", "digits") as (url, process):
        heard = await asyncio.gather(hear(url, "seen_2"), hear(url, "unseen_2"))
        assert heard == [recording("seen_2").text, recording("unseen_2").text]
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(process.communicate, timeout=10)
        assert time.monotonic() - began < 5
        assert process.returncode == 0
        assert "Traceback" not in errors


async def test_settings_come_from_file_environment_and_flags(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("hello world\n", encoding="utf-8")
    file = tmp_path / "fastring.toml"
    file.write_text(f'[asr]\nengine = "faster-whisper"\nmodel = "digits"\nscript = "{script}"\n', encoding="utf-8")
    with served("--config", file, "--engine", "scripted", FASTRING_API_KEYS="hush") as (url, _):
        with pytest.raises(ProtocolError, match="401"):
            await hear(url, "seen_0")
        assert await hear(url, "seen_0", api_key="hush") == "hello world"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--model", "no/such/folder"], ["no/such/folder"]),
        (["--port", 70000], ["server.port = 70000", "0..65535", "flag --port"]),
        (["--engine", "wisper"], ["asr.engine = 'wisper'", "faster-whisper"]),
        (["--config", "/no/such/file.toml"], ["/no/such/file.toml"]),
        (["--model", "digits", "--host", "0.0.0.0"], ["key"]),
    ],
)
def test_what_cannot_be_served_is_told_and_exits_2(arguments: list[object], parts: list[str]) -> None:
    result = subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env=clean_environment(HF_HUB_OFFLINE="1")
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr


def test_a_port_that_is_taken_is_told() -> None:
    with served("--model", "digits") as (url, _):
        port = url.rpartition(":")[2].strip("/")
        result = subprocess.run(
            command("--model", "digits", "--port", port),
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(),
        )
    assert result.returncode == 2
    assert port in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("protocols", "terminal", "told"),
    [((), True, True), (("native",), True, False), (("dashboard", "native"), True, True), ((), False, False)],
)
def test_people_are_told_of_the_page_and_scripts_get_one_line(
    protocols: tuple[str, ...],
    terminal: bool,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    _announcer(Settings(server=ServerSettings(protocols=protocols)))("http://127.0.0.1:8000")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "fastring ready on http://127.0.0.1:8000"
    assert any("in a browser" in line for line in rest) is told
