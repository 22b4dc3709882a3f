"""The process: ready, busy, stopped by a signal, gone in time and without a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from serving import BASE, TWO_UTTERANCES, chunks

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings, ServerSettings, Settings
from fastring.errors import ConfigError
from fastring.server.run import run_server, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Running, Serve

SERVER = """
import sys
from fastring.asr.engines import create_transcriber
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import AsrSettings, ServerSettings, Settings
from fastring.server.run import run_server

engine, delay_s = sys.argv[1], float(sys.argv[2])
asr = AsrSettings(model="digits", workers=1, threads=1)
settings = Settings(server=ServerSettings(port=0, log_json=True), asr=asr)
transcriber = create_transcriber(asr) if engine == "digits" else ScriptedTranscriber(["a b c d"], delay_s=delay_s)
run_server(settings, transcriber, on_ready=lambda url: print(url, flush=True))
print("over", flush=True)
"""


TLS_SERVER = """
import sys
from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import ServerSettings, Settings
from fastring.server.run import run_server

settings = Settings(server=ServerSettings(port=0, tls_certificate=sys.argv[1], handshake_s=0.5))
run_server(settings, ScriptedTranscriber(["a b"]), on_ready=lambda url: print(url, flush=True))
"""


@contextlib.contextmanager
def process(engine: str = "scripted", delay_s: float = 0.0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, engine, str(delay_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


async def talk(url: str, number: int, codes: list[int | None]) -> None:
    """Stream without end, until the server hangs up."""
    async with aiohttp.ClientSession() as client, client.ws_connect(f"{url}{BASE}voice/t{number}") as ws:

        async def speak() -> None:
            while not ws.closed:
                for chunk in chunks(TWO_UTTERANCES):
                    await ws.send_bytes(chunk)
                    await asyncio.sleep(0.01)

        speaking = asyncio.ensure_future(speak())
        async for _ in ws:
            pass
        codes.append(ws.close_code)
        speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await speaking


@pytest.mark.parametrize(
    ("number", "engine", "delay_s"),
    [(signal.SIGINT, "digits", 0.0), (signal.SIGTERM, "scripted", 10.0)],
    ids=["Ctrl-C with real speech", "SIGTERM with a hung engine"],
)
async def test_under_load_it_ends_in_time_without_a_traceback(
    number: signal.Signals, engine: str, delay_s: float
) -> None:
    if engine == "digits":
        pytest.importorskip("faster_whisper")
    with process(engine, delay_s) as (child, url):
        codes: list[int | None] = []
        talks = [asyncio.ensure_future(talk(url, n, codes)) for n in range(4)]
        await asyncio.sleep(1.0)
        started = time.monotonic()
        child.send_signal(number)
        await asyncio.wait_for(asyncio.gather(*talks), 6)
        out, err = await asyncio.get_running_loop().run_in_executor(None, child.communicate)
        assert time.monotonic() - started < 5
        assert child.returncode == 0, err
        assert out == "over\n"
        assert "Traceback" not in err
        assert codes == [1012] * 4
        events = [json.loads(line)["event"] for line in err.splitlines()]
        assert "going down" in events


def test_a_hangup_is_only_a_reload_of_keys() -> None:
    with process("scripted") as (child, _):
        child.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert child.poll() is None


async def test_a_second_signal_ends_it_at_once() -> None:
    with process("scripted", 10.0) as (child, url):
        codes: list[int | None] = []
        talking = asyncio.ensure_future(talk(url, 0, codes))
        await asyncio.sleep(0.7)
        child.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        await asyncio.get_running_loop().run_in_executor(None, child.wait)
        assert time.monotonic() - started < 1
        talking.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await talking


def run(settings: Settings) -> None:
    def refuse(_url: str) -> Any:
        raise AssertionError("it listens")

    run_server(settings, ScriptedTranscriber(["a"]), on_ready=refuse)


def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"{port}: .* is taken: .*--port N"):
            run(Settings(server=ServerSettings(port=port)))


def test_a_public_address_without_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="FASTRING_API_KEYS"):
        run(Settings(server=ServerSettings(host="0.0.0.0", port=0)))


def test_a_missing_key_file_is_named_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match="nowhere"):
        run(Settings(security=SecuritySettings(api_keys_file="/nowhere/keys"), server=ServerSettings(port=0)))
    assert set(threading.enumerate()) <= before


class Counted(ScriptedTranscriber):
    """Counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    "settings",
    [
        Settings(server=ServerSettings(host="0.0.0.0", port=0)),
        Settings(server=ServerSettings(port=0, protocols=("gopher",))),
        Settings(server=ServerSettings(port=0, host="no.such.host.invalid")),
    ],
    ids=["public", "no such protocol", "no such host"],
)
def test_the_engine_is_closed_once_whatever_happens(settings: Settings) -> None:
    engine = Counted(["a"])
    with pytest.raises(ConfigError):
        run_server(settings, engine, on_ready=lambda url: None)
    assert engine.closed == 1


def test_the_engine_is_closed_once_after_serving() -> None:
    engine = Counted(["a"])

    def stop(_url: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_server(Settings(server=ServerSettings(port=0)), engine, on_ready=stop)
    assert engine.closed == 1


async def first_bytes_of(server: Running, sent: bytes, *, trickle: bool = False) -> tuple[bytes, float]:
    """Send that, keep the line open, and see what comes back, and when it is over."""
    host, _, port = server.netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    started = time.monotonic()

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in sent if trickle else [sent]:
                writer.write(bytes([byte]) if isinstance(byte, int) else byte)
                await writer.drain()
                await asyncio.sleep(0.05)

    sending = asyncio.ensure_future(send())
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 10)
    sending.cancel()
    writer.close()
    return answer, time.monotonic() - started


SLOW = f"GET {BASE}health HTTP/1.1\r\nHost: localhost\r\nX-Padding: ".encode() + b"x" * 2000


@pytest.mark.parametrize(("sent", "trickle"), [(b"", False), (SLOW, False), (SLOW, True)])
async def test_a_handshake_that_takes_for_ever_is_cut_off(serve: Serve, sent: bytes, trickle: bool) -> None:
    async with serve(handshake_s=0.4) as server:
        answer, took_s = await first_bytes_of(server, sent, trickle=trickle)
        assert answer == b""
        assert 0.3 < took_s < 2


async def test_a_body_that_never_comes_is_408(serve: Serve) -> None:
    async with serve(handshake_s=0.4) as server:
        head = f"POST {BASE}start/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n".encode()
        answer, took_s = await first_bytes_of(server, head + b'{"sample_rate":' + b" " * 400, trickle=False)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"server.handshake_s" in answer
        assert took_s < 4


CERTIFICATE = str(Path(__file__).parent.parent / "support" / "localhost.pem")
"""Made for these tests alone: anybody may have its key."""


async def test_tls_with_a_certificate_of_ones_own() -> None:
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    child = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", TLS_SERVER, CERTIFICATE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        assert url.startswith("https://")
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(f"{url}{BASE}voice/a", ssl=trust) as ws:
                assert (await ws.receive_json())["type"] == "ready"
            with pytest.raises(aiohttp.ClientError):
                await client.get(f"{url}/")  # nobody trusts it unasked
            with pytest.raises(aiohttp.ClientError):
                await client.get(url.replace("https", "http"))
        host, port = url.removeprefix("https://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""  # a TLS handshake that never comes
        assert time.monotonic() - started < 3
        writer.close()
    finally:
        child.terminate()
        _, err = child.communicate(timeout=10)
    assert "Traceback" not in err


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_sighup_takes_a_renewed_certificate_and_no_broken_one(tmp_path: Path) -> None:
    """What is served to the next handshake; connections that are open do not notice."""
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(Path(CERTIFICATE).read_bytes())
    child = subprocess.Popen(
        [sys.executable, "-c", TLS_SERVER, str(certificate)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stderr is not None
        host, port = child.stdout.readline().strip().removeprefix("https://").split(":")
        old = ssl.get_server_certificate((host, int(port)))
        certificate.write_text("no certificate at all")
        child.send_signal(signal.SIGHUP)
        assert "certificate not reloaded" in child.stderr.readline()
        assert ssl.get_server_certificate((host, int(port))) == old
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
        subprocess.run([*new, *files, "-subj", "/CN=localhost"], check=True, capture_output=True)
        certificate.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "cert").read_bytes())
        child.send_signal(signal.SIGHUP)
        assert "certificate reloaded" in child.stderr.readline()
        assert ssl.get_server_certificate((host, int(port))) == (tmp_path / "cert").read_text()
    finally:
        child.terminate()
        child.communicate(timeout=10)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls_certificate": "/no/such.pem"}, "cannot be loaded"),
        ({"tls_certificate": __file__}, "cannot be loaded"),
        ({"tls_certificate": CERTIFICATE, "tls_key": __file__}, "cannot be loaded"),
        ({"tls_key": CERTIFICATE}, "server.tls_certificate is not"),
    ],
)
def test_a_certificate_that_cannot_be_had_is_told(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        tls_context(ServerSettings(**settings))  # type: ignore[arg-type]
