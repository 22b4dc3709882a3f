from __future__ import annotations

import json
import socket

import pytest
from typer.testing import CliRunner

from fastring.cli.app import app
from fastring.cli.checks import CHECKS
from fastring.config_sources import setting_fields

for module in ("aiohttp", "faster_whisper", "structlog"):
    pytest.importorskip(module)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in setting_fields():
        for name in field.env:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FASTRING_CONFIG", raising=False)


def doctor(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    return result.exit_code, result.stdout


def test_a_sound_installation_is_said_to_be_one() -> None:
    code, out = doctor("--model", "digits", "--port", 0, "--set", "server.max_streams=16", "--json")
    report = json.loads(out)
    assert code == 0, out
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == ["settings", *(name for name, _ in CHECKS)]
    assert "asr.model" in report["checks"][0]["found"]


def test_what_is_wrong_is_told_with_what_to_type() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out = doctor("--model", "digits", "--port", taken.getsockname()[1], "--host", "127.0.0.1")
    assert code == 1
    failures = [line for line in out.splitlines() if line.startswith("fail")]
    assert [line.split()[1] for line in failures] == ["port"]
    assert "mend: stop what listens there" in out
    assert "1 to mend" in out


def test_settings_that_are_not_valid_end_the_examination() -> None:
    code, out = doctor("--port", 70000)
    assert code == 1
    assert "server.port = 70000" in out
    assert "python" not in out
