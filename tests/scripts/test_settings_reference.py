from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fastring.config_sources import setting_fields

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "settings_reference.py"
PAGE = ROOT / "docs" / "reference" / "settings.md"


def test_the_page_is_current() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False)
    assert result.returncode == 0, "type: python scripts/settings_reference.py"


@pytest.mark.parametrize("field", setting_fields(), ids=lambda field: field.path)
def test_every_setting_stands_on_it(field: object) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"`{field.name}`" in text  # type: ignore[attr-defined]
    assert all(f"`{name}`" in text for name in field.env)  # type: ignore[attr-defined]
