"""Clients that say nothing: that never send audio, and whose process is stopped while the kernel keeps its sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from serving import BASE, settings_for_tests

from fastring.config import ResumeSettings, Settings
from fastring.server.endpoints import openai_realtime
from fastring.server.routes import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Running, Serve

SUPPORT = Path(__file__).resolve().parents[1] / "support"
CLIENT = """
import os, signal, socket, sys
from raw_websocket import HANDSHAKE, TEXT, frame

address, path, greedy = sys.argv[1], sys.argv[2], sys.argv[3] == "greedy"
host, port = address.split(":")
peer = socket.create_connection((host, int(port)))
peer.sendall(HANDSHAKE.format(path=path, more="").encode())
assert b"101" in peer.recv(4096)
if greedy:  # asks for far more than it reads, until no more can be sent
    peer.settimeout(0.5)
    asked = frame(TEXT, '{"command":"get_stats"}') * 2000
    try:
        for _ in range(300):
            peer.sendall(asked)
    except (TimeoutError, ConnectionError):  # the server may be done with it first
        pass
print("stopping", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
BOUND_BYTES = 4 << 20  # 1.5 MiB were seen; what it asks for would be two hundred times that


@contextlib.contextmanager
def stopped_client(server: Running, path: str, kind: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, server.netloc, path, kind], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        yield client
    finally:
        client.send_signal(signal.SIGKILL)
        client.communicate()


def settings() -> Settings:
    made = settings_for_tests(max_streams=1, heartbeat_s=0.5, send_timeout_s=0.5)
    return Settings(server=made.server, endpoint=made.endpoint, voice=made.voice, resume=ResumeSettings(wait_s=0))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
@pytest.mark.parametrize(
    ("path", "kind"), [(BASE + "voice/a", "silent"), (BASE + "audio/a", "greedy")], ids=["silent", "greedy"]
)
async def test_a_stopped_client_costs_little_and_not_for_long(serve: Serve, path: str, kind: str) -> None:
    async with serve(settings()) as server:
        tracemalloc.start()
        try:
            with stopped_client(server, path, kind) as client:
                assert client.stdout is not None
                assert await asyncio.to_thread(client.stdout.readline) == "stopping\n"
                stopped_s = time.monotonic()
                await server.empty()
                assert time.monotonic() - stopped_s < 5
                assert tracemalloc.get_traced_memory()[1] < BOUND_BYTES
                assert client.poll() is None
                async with server.connect(path) as ws:  # its place is free
                    assert (await ws.receive_json(timeout=5))["type"] == "ready"
        finally:
            tracemalloc.stop()


OPENINGS = {
    "/v1/realtime": "/v1/realtime?intent=transcription",
    "/v1/listen": "/v1/listen?encoding=linear16&sample_rate=16000",
    "/ws/recite": "/ws/recite?reference=zero",
}


@pytest.mark.parametrize("path", [socket.path for family in FAMILIES for socket in family.sockets])
async def test_whoever_never_sends_audio_is_closed_in_time(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every protocol. Its answers to our pings do not count: aiohttp's client gives them by itself."""
    assert openai_realtime._IDLE_S == 600.0  # as the page of limits says
    monkeypatch.setattr(openai_realtime, "_IDLE_S", 0.6)
    async with serve(idle_timeout_s=0.6, heartbeat_s=0.2) as server:
        await server.post(f"{BASE}start/mute")
        address = OPENINGS.get(path, path).format(stream_id="mute" if "control" in path else "never")
        started_s = time.monotonic()
        async with server.connect(address) as ws:
            while (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert 0.5 < time.monotonic() - started_s < 4
            assert ws.close_code in (1008, 1011)
        await server.post(f"{BASE}stop/mute")
        await server.empty()
