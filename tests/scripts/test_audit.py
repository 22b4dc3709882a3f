"""The audit, with a pip-audit that finds something, finds nothing, or cannot ask."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "audit.py"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AUDIT = loaded()
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["3.14.5"], "aliases": [], "description": "x"}
CLEAN = {"dependencies": [{"name": "aiohttp", "version": "3.14.5", "vulns": []}, {"name": "own", "skip_reason": "x"}]}
HOLED = {"dependencies": [{"name": "aiohttp", "version": "3.14.4", "vulns": [HOLE]}]}


@pytest.mark.parametrize(
    ("said", "exit_code", "arguments", "result", "told"),
    [
        (json.dumps(CLEAN), 0, [], 0, "0 known holes in 1 installed packages"),
        (json.dumps({"dependencies": CLEAN["dependencies"][1:]}), 0, [], 0, "NOTHING WAS CHECKED"),
        (json.dumps(HOLED), 1, [], 1, "aiohttp 3.14.4: PYSEC-2026-1, mended in 3.14.5"),
        ("", 1, [], 0, "NOTHING WAS CHECKED"),
        ("", 1, ["--strict"], 1, "NOTHING WAS CHECKED"),
        ("[]", 1, ["--strict"], 1, "NOTHING WAS CHECKED"),
    ],
    ids=["clean", "an index without advisories", "holed", "out of reach", "out of reach, strict", "another answer"],
)
def test_what_is_found_fails_and_what_cannot_be_asked_is_told(
    said: str,
    exit_code: int,
    arguments: list[str],
    result: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    peer = tmp_path / "pip-audit"
    peer.write_text(f"#!/bin/sh\necho 'no network' >&2\nprintf '%s' '{said}'\nexit {exit_code}\n")
    peer.chmod(peer.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert AUDIT.main(arguments) == result
    assert told in capsys.readouterr().out
