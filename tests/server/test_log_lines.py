"""The log never stops the server: not with nobody at the other end, not with somebody who does not read."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest
from serving import BASE

from fastring.server.log_lines import LogLines

if TYPE_CHECKING:
    from pathlib import Path

SERVER = """
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import ServerSettings, Settings
from fastring.server.run import run_server

settings = Settings(server=ServerSettings(port=0, log_level="debug"))
run_server(settings, ScriptedTranscriber(["a b"]), on_ready=lambda url: print(url, flush=True))
"""


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as file:
        lines = LogLines(file)
        for number in range(2000):
            lines.write(f"line {number} \u00e4\n")
        assert lines.drain(5)
    assert path.read_text(encoding="utf-8").splitlines() == [f"line {number} \u00e4" for number in range(2000)]


def test_a_stream_without_a_descriptor_is_written_to() -> None:
    stream = io.StringIO()
    lines = LogLines(stream)
    lines.write("hello\n")
    assert lines.drain(5)
    assert stream.getvalue() == "hello\n"


def test_what_nobody_takes_is_bounded_and_counted() -> None:
    reading, writing = os.pipe()
    taken: list[bytes] = []
    with os.fdopen(reading, "rb") as reader:
        with os.fdopen(writing, "w") as writer:
            lines = LogLines(writer, most=100)
            began = time.monotonic()
            for _ in range(5000):
                lines.write("x" * 1000 + "\n")
            assert time.monotonic() - began < 1
            assert not lines.drain(0.1)
            reads = threading.Thread(target=lambda: taken.extend(reader))
            reads.start()
            assert lines.drain(5)
            lines.write("the last\n")  # tells what was lost, if nothing has yet
            assert lines.drain(5)
        reads.join(5)
    assert len(taken) < 3000
    assert any(b"lines of the log were lost" in line for line in taken)
    assert b"the last\n" in taken


@pytest.mark.parametrize("end", ["closed", "never read"])
async def test_a_server_whose_log_goes_nowhere_serves_on(end: str) -> None:
    """Each connection writes lines; whoever should read them has gone, or sleeps."""
    reading, writing = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=writing, text=True)  # noqa: ASYNC220
    os.close(writing)
    try:
        assert child.stdout is not None
        url = (await asyncio.to_thread(child.stdout.readline)).strip()
        if end == "closed":
            os.close(reading)
        async with aiohttp.ClientSession() as client:
            for number in range(3 if end == "closed" else 250):  # 400 bytes each: more than a pipe holds
                async with client.ws_connect(f"{url}{BASE}voice/{'x' * 100}{number}") as ws:
                    assert (await ws.receive_json(timeout=5))["type"] == "ready"
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 10) == 0
    finally:
        child.kill()
        child.communicate()
        if end != "closed":
            os.close(reading)
