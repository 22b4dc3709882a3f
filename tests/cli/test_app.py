from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from fastring import __version__
from fastring.cli.app import app


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"fastring {__version__}")


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("serve", "demo", "analyze", "transcribe", "config", "doctor"):
        assert command in result.stdout


def test_python_m_fastring_is_the_command() -> None:
    result = subprocess.run([sys.executable, "-m", "fastring", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"fastring {__version__}"


def test_the_command_line_starts_light() -> None:
    """`fastring --version` must not wait for engines, servers and plots."""
    code = "import sys, fastring.cli.app; print(' '.join(sys.modules))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert loaded & {"aiohttp", "faster_whisper", "onnxruntime", "matplotlib", "av", "soxr"} == set()


def test_missing_terminal_packages_are_told() -> None:
    code = "import sys; sys.modules['typer'] = None; from fastring.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert 'pip install "fastring[files]"' in result.stderr
    assert "Traceback" not in result.stderr


def test_ctrl_c_while_modules_load_is_no_traceback() -> None:
    code = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from fastring.cli import main
main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (130, "")
