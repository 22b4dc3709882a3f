from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

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
