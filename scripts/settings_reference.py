"""Writes docs/reference/settings.md from the settings themselves; `--check` only says whether it is current."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import get_type_hints

from fastring.config import Settings
from fastring.config_sources import SettingField, setting_fields

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"

HEAD = """# Settings

Every setting has a default, and may be set in four places; each wins over the one before it:

1. the default,
2. a TOML file, named by `--config FILE` or by `FASTRING_CONFIG`: one table per section,
3. the environment: `FASTRING_SECTION__NAME`, and for some settings a second name; lists are comma-separated, and an
   empty variable counts as not set,
4. a flag: `--port 9000` where a command has one, `--set section.name=value` for any setting.

`fastring config` prints the settings in force and where each comes from; `fastring config --toml` prints a file to
start with. A wrong value, or a name that does not exist, stops the command and is told with its source and its limit.

This page is made by `scripts/settings_reference.py`.
"""


def page() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for section, section_type in get_type_hints(Settings).items():
        fields = [field for field in setting_fields() if field.section == section]
        parts.append(f"## `[{section}]`\n\n{section_type.__doc__}\n")
        parts.append("| setting | type | default | what it is | environment |\n|---|---|---|---|---|")
        parts.extend(_row(field) for field in fields)
        parts.append("")
    return "\n".join(parts)


def _row(field: SettingField) -> str:
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    kind = field.type_name.replace("|", "or")
    env = ", ".join(f"`{name}`" for name in field.env)
    what = field.help.replace("|", r"\|")  # a bare one would begin another column
    return f"| `{field.name}` | {kind} | `{json.dumps(default)}` | {what} | {env} |"


def main() -> int:
    """Write or check."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
