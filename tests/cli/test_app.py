from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fastring import __version__
from fastring.cli.app import EXAMPLES, app

COMMANDS = app.registered_commands


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"fastring {__version__}")


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("serve", "demo", "analyze", "transcribe", "config", "doctor"):
        assert command in result.stdout


@pytest.mark.parametrize("command", ["", *(str(command.name or command.callback.__name__) for command in COMMANDS)])
def test_help_fits_a_narrow_window_and_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert ("Example: fastring " if command else "Exit codes: ") in result.stdout


def test_the_examples_of_the_help_are_commands_that_parse() -> None:
    command = typer.main.get_command(app)
    for function, example in EXAMPLES.items():
        program, name, *arguments = shlex.split(example.partition(" > ")[0])
        assert (program, name) == ("fastring", function.__name__)
        context = command.make_context("fastring", [name, *arguments])
        context.command.get_command(context, name).make_context(name, arguments, parent=context)


def test_a_shell_completes_commands_and_options() -> None:
    words = {"COMP_WORDS": "fastring tr", "COMP_CWORD": "1", "_FASTRING_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from fastring.cli import main; main()"]
    result = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["transcribe"]


def test_python_m_fastring_is_the_command() -> None:
    result = subprocess.run([sys.executable, "-m", "fastring", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"fastring {__version__}"


def test_the_command_line_starts_light() -> None:
    """`fastring --version` must not wait for engines, servers and plots."""
    code = "import sys, fastring.cli.app; print(' '.join(sys.modules))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    assert loaded & {"aiohttp", "faster_whisper", "onnxruntime", "matplotlib", "av", "soxr"} == set()


@pytest.mark.parametrize(
    ("command", "extras"), [("", "files"), ("serve", "server,asr"), ("transcribe", "asr"), ("doctor", "files")]
)
def test_missing_terminal_packages_are_told(command: str, extras: str) -> None:
    code = "import sys; sys.modules['typer'] = None; from fastring.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == f'error: the commands need typer: pip install "fastring[{extras}]"\n'


@pytest.mark.parametrize(("engine", "extras"), [("faster-whisper", "asr,server"), ("scripted", "server")])
def test_all_that_a_server_lacks_is_told_at_once(engine: str, extras: str) -> None:
    code = """
import importlib.util, sys
found = importlib.util.find_spec
missing = {"aiohttp", "faster_whisper"}
importlib.util.find_spec = lambda name, *rest: None if name in missing else found(name, *rest)
from fastring.cli import main
main()
"""
    command = [sys.executable, "-c", code, "serve", "--engine", engine]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith(f'pip install "fastring[{extras}]"\n')


@pytest.mark.parametrize("module", ["typer", "numpy"])
def test_ctrl_c_while_modules_load_is_no_traceback(module: str, tmp_path: Path) -> None:
    """Also where it comes up in the middle of one that makes an error of its own of it, as extensions do."""
    (tmp_path / f"{module}.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n    for _ in range(100): pass\n"
        "except KeyboardInterrupt as error:\n    raise ImportError('initialization failed') from error\n"
    )
    code = "from fastring.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "serve"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (130, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["--version"], ["--help"], ["config"]])
def test_a_full_disk_is_told_in_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "fastring", *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert result.stderr == "error: cannot write the output: No space left on device\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "fastring", "config", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == b""
