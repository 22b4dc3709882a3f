"""The page of limits names settings that exist, tests that exist, and defaults as they are."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from fastring.config import Settings

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| limit")
]
SETTINGS = Settings()


def value_of(setting: str) -> object:
    section, _, name = setting.partition(".")
    return getattr(getattr(SETTINGS, section), name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_settings_and_tests_exist(row: list[str]) -> None:
    _, _, setting, told, test = row
    for name in re.findall(r"`([a-z]+\.[a-z_]+)`", f"{setting} {told}"):
        value_of(name)
    path, _, function = test.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert not function or re.search(rf"def {function}\(", source), test


@pytest.mark.parametrize("row", [row for row in ROWS if row[2]], ids=lambda row: row[0])
def test_defaults_are_as_they_are(row: list[str]) -> None:
    _, default, setting, _, _ = row
    value = value_of(setting.strip("`"))
    assert isinstance(value, (int, float))
    if default == "none":
        assert value == 0
    elif setting == "`server.max_streams`":
        assert value == 256
    else:
        figures = [
            float(number) * {"MiB": 1 << 20, "h": 3600}.get(unit, 1)
            for number, unit in re.findall(r"(\d+) ?(MiB|h|s|KiB)?", default)
        ]
        assert value in figures, (default, value)


def test_every_bound_of_the_server_is_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
    bounds = [
        f"{section}.{field.name}"
        for section in ("server", "security")
        for field in dataclasses.fields(getattr(SETTINGS, section))
        if field.name.startswith("max_") or field.name.endswith(("_timeout_s", "_queue", "handshake_s"))
    ]
    assert [name for name in bounds if f"`{name}`" not in page] == []
