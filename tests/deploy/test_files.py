"""The unit and the container file: their paths, settings and commands exist, and nothing runs as root."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import serving
from typer.testing import CliRunner

from fastring.cli.app import app
from fastring.config_sources import setting_fields
from fastring.server.routes import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
UNIT = (ROOT / "deploy/systemd/fastring.service").read_text(encoding="utf-8")
CONTAINER = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
VARIABLES = {name for field in setting_fields() for name in field.env}


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {line.removeprefix("!") for line in IGNORED.splitlines() if line.startswith("!")}
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINER, re.MULTILINE)
        for source in shlex.split(line)[:-1]
    ]
    assert "src" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert source in kept
    needed = set(re.findall(r'readme = "(\S+)"', (ROOT / "pyproject.toml").read_text("utf-8"))) | {"LICENSE", "NOTICE"}
    assert needed <= set(copied)


@pytest.mark.parametrize("text", [UNIT, CONTAINER], ids=["unit", "container"])
def test_settings_and_commands_are_real(text: str) -> None:
    assert set(re.findall(r"\bFASTRING_\w+", text)) <= VARIABLES
    for command in re.findall(r"/bin/fastring (\w+)|\"fastring\", \"(\w+)\"", text):
        name = "".join(command)
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0, name


def test_the_container_is_probed_where_the_server_answers_without_a_key() -> None:
    (path,) = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", CONTAINER)
    assert path in {page.path for family in FAMILIES for page in family.pages if page.open_to_all}


def test_the_image_installs_what_the_package_offers() -> None:
    """The command itself runs in scripts/wheel_test.sh, without the extras."""
    (extras,) = re.findall(r'/opt/fastring/bin/pip install --no-cache-dir "\.\[([a-z,]+)\]"', CONTAINER)
    offered = importlib.metadata.metadata("fastring").get_all("Provides-Extra") or []
    assert set(extras.split(",")) <= set(offered)
    assert re.search(r"^COPY --from=build /opt/fastring /opt/fastring$", CONTAINER, re.MULTILINE)
    assert "PATH=/opt/fastring/bin:" in CONTAINER


async def test_the_health_check_tells_a_server_from_none() -> None:
    """The command as it stands in the image, asked of another port."""
    (line,) = re.findall(r"^  CMD (\[.*\])$", CONTAINER, re.MULTILINE)
    python, *arguments = json.loads(line)
    assert python == "python"

    def ask(netloc: str) -> int:
        command = [sys.executable, *(part.replace("127.0.0.1:8000", netloc) for part in arguments)]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode

    async with serving() as server:
        assert await asyncio.to_thread(ask, server.netloc) == 0
    assert await asyncio.to_thread(ask, server.netloc) != 0


def test_nothing_runs_as_root() -> None:
    stages = CONTAINER.split("\nFROM ")
    assert len(stages) == 3
    assert re.search(r"^USER 10001$", stages[-1], re.MULTILINE)
    assert stages[-1].index("USER") < stages[-1].index("ENTRYPOINT")
    assert "DynamicUser=yes" in UNIT


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd on this machine")
    unit = tmp_path / "fastring.service"
    unit.write_text(UNIT.replace("/opt/fastring/bin/fastring", "/bin/true"), encoding="utf-8")
    result = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    complaints = [line for line in (result.stdout + result.stderr).splitlines() if "fastring.service" in line]
    assert complaints == []


def test_the_unit_waits_longer_than_a_drain() -> None:
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    (drain,) = (field.default for field in setting_fields() if field.path == "server.drain_s")
    assert int(seconds) >= drain + 10
