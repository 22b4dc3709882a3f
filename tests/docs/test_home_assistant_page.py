"""The page on Home Assistant: its client code hears a recording, as it stands there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from digits import DIGITS, DigitsEngine
from serving import serving

from fastring.recordings import recording
from fastring.server.wyoming import WyomingServer

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("wyoming")
pytest.importorskip("faster_whisper")


async def test_the_code_of_the_page_hears_a_recording(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (root / "docs" / "clients" / "home_assistant.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code.group(1), names)
    async with serving(DIGITS, DigitsEngine()) as server:
        wyoming = WyomingServer(server.services)
        port = await wyoming.start("127.0.0.1", 0)
        heard = await names["transcribe"](str(recording("seen_8").path), port)
        await wyoming.close()
    assert heard == recording("seen_8").text
    chunks = re.findall(r"^'(.*)'$", capsys.readouterr().out, re.MULTILINE)
    assert "".join(chunks) == heard
