from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fastring.cli.app import app
from fastring.config_sources import load_settings, setting_fields


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in setting_fields():
        for name in field.env:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FASTRING_CONFIG", raising=False)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["config", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_table_of_a_terminal_shows_every_setting_and_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_MAX_QUEUE", "7")
    seen = io.StringIO()
    terminal = Console(file=seen, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr("fastring.cli.config.out", terminal)
    code, _, _ = run("--set", "server.port=9001")
    text = seen.getvalue()
    assert code == 0
    for field in setting_fields():
        assert field.name in text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "9001" in lines["port"]
    assert "7" in lines["max_queue"]
    assert "flag --set" in text


def test_json_has_value_and_source_of_each() -> None:
    code, text, _ = run("--json", "--set", "server.port=9001")
    assert code == 0
    nested = json.loads(text)
    assert nested["server"]["port"] == {"value": 9001, "source": "flag --set"}
    assert nested["asr"]["model"]["source"] == "default"


def test_the_printed_file_gives_the_same_settings_again(tmp_path: Path) -> None:
    code, text, _ = run("--toml", "--set", "server.port=9001", "--set", "security.allowed_origins=http://a,http://b")
    assert code == 0
    file = tmp_path / "fastring.toml"
    file.write_text(text, encoding="utf-8")
    loaded = load_settings(file=file, environ={})
    assert loaded.settings.server.port == 9001
    assert loaded.settings.security.allowed_origins == ("http://a", "http://b")
    assert [path for path, source in loaded.sources.items() if source != "default"] == [
        "server.port",
        "security.allowed_origins",
    ]


def test_no_form_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTRING_API_KEYS", "hush")
    for form in ([], ["--json"], ["--toml"]):
        code, text, _ = run(*form)
        assert code == 0
        assert "hush" not in text


def test_a_wrong_setting_is_told_in_one_line_and_exits_2() -> None:
    code, text, errors = run("--set", "server.prot=1")
    assert (code, text) == (2, "")
    assert errors.strip().count("\n") == 0
    assert "did you mean server.port?" in errors


def test_a_line_is_a_setting_for_whoever_reads_lines() -> None:
    _, text, _ = run("--set", "server.port=9001")
    lines = text.splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [f"{it.section}.{it.name}" for it in setting_fields()]
    assert "server.host = 127.0.0.1  # default" in lines
    assert "server.port = 9001  # flag --set" in lines
    assert [line for line in lines if line != line.rstrip()] == []
