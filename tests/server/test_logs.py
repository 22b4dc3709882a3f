from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from fastring.config import ServerSettings
from fastring.server.logs import configure_logging, escape_control_characters

if TYPE_CHECKING:
    from collections.abc import Iterator


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
