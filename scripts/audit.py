"""Known holes in what is installed, by pip-audit: one that is found fails, advisories out of reach are told.

`python scripts/audit.py`, or `make audit`. `--strict` fails where nothing could be checked, too: before a release.
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = ["pip-audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]


def holes(report: str) -> tuple[list[str], int]:
    """One line for each advisory in a report of pip-audit, and how many packages it could look up.

    Raises:
        ValueError: it is no report, or it knows of no package.
    """
    found = json.loads(report)
    if not isinstance(found, dict) or not isinstance(found.get("dependencies"), list):
        raise ValueError("no report of pip-audit")
    checked = sum("skip_reason" not in package for package in found["dependencies"])
    if not checked:  # an index without advisories answers for every package that it does not know it
        raise ValueError("no package was found")
    lines = [
        f"{package['name']} {package.get('version', '?')}: {hole['id']}"
        + (f", mended in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "")
        for package in found["dependencies"]
        for hole in package.get("vulns", [])
    ]
    return lines, checked


def main(arguments: list[str]) -> int:
    """0: nothing found, or nothing to be had; 1: a hole, or with `--strict` no answer."""
    try:
        run = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300, check=False)
        found, checked = holes(run.stdout)
    except FileNotFoundError:
        print("audit: pip-audit is not installed")
        return 1
    except (ValueError, subprocess.TimeoutExpired):
        print("audit: the advisories cannot be reached: NOTHING WAS CHECKED")
        return 1 if "--strict" in arguments else 0
    for line in found:
        print(f"audit: {line}")
    print(f"audit: {len(found)} known holes in {checked} installed packages")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
