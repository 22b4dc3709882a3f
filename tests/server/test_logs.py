from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from serving import BASE, SCRIPT, chunks, listen, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import ServerSettings
from fastring.server.logs import Throttle, configure_logging, escape_control_characters, limit_tracebacks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Serve


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers = logging.root.handlers[:]
    level = logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_strangers_text_forges_no_line() -> None:
    entry = escape_control_characters(None, "info", {"name": "a\nlevel=error\x1b[31m\u202e", "exception": "a\nb"})
    assert entry == {"name": "a\\nlevel=error\\x1b[31m\\u202e", "exception": "a\nb"}


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "readable"])
def test_lines_bear_level_and_fields(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(ServerSettings(log_json=as_json, log_level="info"))
    structlog.get_logger("fastring.server").info("connected", connection="voice/a\nb")
    structlog.get_logger("fastring.server").debug("not shown")
    logging.getLogger("library").warning("a line\nand %s", "another")
    *lines, foreign = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert "a line\\nand another" in (json.loads(foreign)["event"] if as_json else foreign)
    assert "voice/a" in lines[0]
    if as_json:
        parsed = json.loads(lines[0])
        assert (parsed["event"], parsed["level"], parsed["connection"]) == ("connected", "info", "voice/a\\nb")


def test_a_flood_of_tracebacks_is_cut_short_and_counted() -> None:
    now = 0.0
    process = limit_tracebacks(Throttle(2, 10.0, lambda: now))

    def entry() -> dict[str, object]:
        try:
            raise ValueError("boom\n")
        except ValueError as error:
            return {"event": "failed", "exc_info": (ValueError, error, None)}

    entries = [process(None, "error", entry()) for _ in range(5)]
    assert ["exc_info" in one for one in entries] == [True, True, False, False, False]
    assert "boom" in str(entries[-1]["error"])
    assert all(character.isprintable() for character in str(entries[-1]["error"]))
    now = 10.0
    assert process(None, "error", entry())["tracebacks_left_out"] == 3
    assert process(None, "info", {"event": "fine"}) == {"event": "fine"}


NO_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nA\x1b[31m: b\r\n\r\n",
]


async def test_requests_that_are_no_http_cost_a_line_a_second_and_no_traceback(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(ServerSettings(log_json=True))
    async with serve() as server:
        host, _, port = server.netloc.partition(":")
        for request in NO_HTTP * 10:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 5)
            assert answer.startswith(b"HTTP/1.") or not answer
            assert b"Traceback" not in answer
            writer.close()
        assert (await server.get("/"))[0] == 200
    lines = stream.getvalue().splitlines()
    assert 1 <= len(lines) <= 5, lines
    assert "malformed request from 127.0.0.1" in json.loads(lines[0])["event"]
    assert not any("Traceback" in line or "\x1b" in line for line in lines)


async def test_every_line_of_a_stream_bears_its_id_from_socket_to_engine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(ServerSettings(log_json=True, log_level="debug"))
    pcm = silence(0.3) + speech("seen_0") + silence(0.5)
    failing = ScriptedTranscriber(SCRIPT, fails=lambda job: job.stream_id.startswith("bad"))
    async with serve(transcriber=failing) as server:
        for name in ("good", "bad"):
            async with server.connect(f"{BASE}voice/{name}") as ws:
                for chunk in chunks(pcm):
                    await ws.send_bytes(chunk)
                await ws.send_str('{"type":"close"}')
                await listen(ws)
        await server.empty()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for name in ("good", "bad"):
        own = [line for line in lines if line.get("stream_id") == name]
        assert {line["number"] for line in own} == {own[0]["number"]}
        assert {line["owner"] for line in own} == {""}
        outcome = "job answered" if name == "good" else "job failed"
        events = [line["event"] for line in own]
        assert events[0] == "connected"
        assert outcome in events
        assert "disconnected" in events
    assert all("stream_id" in line for line in lines if line["event"].startswith("job"))
