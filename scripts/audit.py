"""Known holes in what is installed, by pip-audit: one that is found fails, advisories out of reach are told.

`python scripts/audit.py`, or `make audit`. `--strict` fails where nothing could be checked, too: before a release.
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = ["pip-audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]


def holes(report: str) -> list[str]:
    """One line for each advisory in a report of pip-audit.

    Raises:
        ValueError: it is no report.
    """
    found = json.loads(report)
    if not isinstance(found, dict) or not isinstance(found.get("dependencies"), list):
        raise ValueError("no report of pip-audit")
    return [
        f"{package['name']} {package.get('version', '?')}: {hole['id']}"
        + (f", mended in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "")
        for package in found["dependencies"]
        for hole in package.get("vulns", [])
    ]


def main(arguments: list[str]) -> int:
    """0: nothing found, or nothing to be had; 1: a hole, or with `--strict` no answer."""
    try:
        run = subprocess.run(COMMAND, capture_output=True, text=True, timeout=300, check=False)
        found = holes(run.stdout)
    except FileNotFoundError:
        print("audit: pip-audit is not installed")
        return 1
    except (ValueError, subprocess.TimeoutExpired):
        print("audit: the advisories cannot be reached: NOTHING WAS CHECKED")
        return 1 if "--strict" in arguments else 0
    for line in found:
        print(f"audit: {line}")
    print(f"audit: {len(found)} known holes in what is installed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
