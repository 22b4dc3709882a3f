"""The tree itself: tests mirror the source, files stay readable, the public surface stays light."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "fastring"
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if not path.name.startswith("_"))

# Modules of pure declarations: nothing runs in them that a test of their users would not show.
WITHOUT_TWIN = {"client/events.py", "server/station.py"} | {str(m) for m in MODULES if m.parent.name == "events"}


@pytest.mark.parametrize("module", [str(m) for m in MODULES if str(m) not in WITHOUT_TWIN])
def test_every_module_has_its_test(module: str) -> None:
    twin = ROOT / "tests" / Path(module).parent / f"test_{Path(module).stem}.py"
    assert twin.exists(), f"{module} is not tested by {twin.relative_to(ROOT)}"


@pytest.mark.parametrize("header", sorted(p.name for p in (ROOT / "csrc" / "core").glob("*.hpp")))
def test_every_core_header_says_what_it_is_for(header: str) -> None:
    first = (ROOT / "csrc" / "core" / header).read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("// "), header


# Where a file is longer than one can hold in mind: source, and tests and what is run by hand.
LONGEST = {"src": 400, "csrc": 400, "tests": 500, "benchmarks": 500, "scripts": 500}


@pytest.mark.parametrize("folder", LONGEST)
def test_no_file_is_longer_than_one_can_hold_in_mind(folder: str) -> None:
    ours = (
        p for p in (ROOT / folder).rglob("*") if p.suffix in {".py", ".cpp", ".hpp", ".js", ".mjs", ".css", ".html"}
    )
    lengths = {str(p.relative_to(ROOT)): p.read_bytes().count(b"\n") for p in ours if "node_modules" not in p.parts}
    assert {name: length for name, length in lengths.items() if length > LONGEST[folder]} == {}


# What it means to check something. A helper that does so is called assert_*, as those of NumPy are.
CHECKS = ("pytest.raises", "pytest.warns", "pytest.fail")


def checks(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    called = [ast.unparse(node.func) for node in ast.walk(test) if isinstance(node, ast.Call)]
    return any(isinstance(node, ast.Assert) for node in ast.walk(test)) or any(
        name in CHECKS or name.rpartition(".")[2].startswith("assert_") for name in called
    )


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_every_test_says_what_it_checks(folder: str) -> None:
    """None that passes because nothing happened to raise."""
    paths = [path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    tests = [
        (f"{path.relative_to(ROOT)}::{node.name}", node)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]
    assert len(tests) > 5
    assert [name for name, node in tests if not checks(node)] == []


@pytest.mark.parametrize("module", [str(m) for m in MODULES])
def test_every_module_opens_with_a_sentence(module: str) -> None:
    assert re.match(r'r?"""(fastring|[A-Z`])', (SOURCE / module).read_text(encoding="utf-8")), module


def test_public_names_are_sorted_and_there() -> None:
    fastring = importlib.import_module("fastring")
    assert list(fastring.__all__) == sorted(fastring.__all__)
    assert [name for name in fastring.__all__ if not hasattr(fastring, name)] == []


def test_bare_import_stays_light() -> None:
    code = "import sys, fastring; print(' '.join(sys.modules))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    heavy = {
        "numpy",
        "typing",
        "fastring._native",
        "aiohttp",
        "pydantic",
        "faster_whisper",
        "onnxruntime",
        "av",
        "soxr",
        "redis",
        "typer",
        "asyncio",
    }
    assert loaded & heavy == set()


def test_the_extension_is_of_this_version() -> None:
    fastring = importlib.import_module("fastring")
    native = importlib.import_module("fastring._native")
    assert native.__version__ == fastring.__version__


def test_the_changelog_knows_this_version() -> None:
    fastring = importlib.import_module("fastring")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "[Unreleased]" in changelog or f"[{fastring.__version__}]" in changelog


def test_the_base_package_needs_numpy_alone() -> None:
    requires = importlib.metadata.requires("fastring") or []
    assert [re.split(r"[<>=~]", r)[0] for r in requires if "extra ==" not in r] == ["numpy"]


@pytest.mark.parametrize("module", ["fastring", "fastring.audio", "fastring.analysis", "fastring.session"])
def test_subnormals_survive_the_import(module: str) -> None:
    """A shared object linked with -ffast-math would switch denormals off for the whole process."""
    code = f"import {module}, numpy as np; print(float(np.float32(1e-40) * np.float32(1)) > 0)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"
