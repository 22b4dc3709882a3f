"""What every test run checks first, and what every test shares."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from full_figures import FIGURES, table
from hypothesis import HealthCheck, settings

from fastring.asr.ending import THREAD_PREFIX

ROOT = Path(__file__).resolve().parent.parent

# A busy machine is slow to draw examples; that says nothing about the code.
settings.register_profile("fastring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fastring")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to test an extension that is older than its source: an editable install does not rebuild by itself."""
    import fastring._native as native

    built = Path(native.__file__).stat().st_mtime
    sources = [path for suffix in ("*.cpp", "*.hpp") for path in (ROOT / "csrc").rglob(suffix)]
    sources = [path for path in sources if "tests" not in path.parts]
    newer = sorted(path.relative_to(ROOT) for path in sources if path.stat().st_mtime > built)
    if newer:
        pytest.exit(f"the extension is older than {newer[0]}: type `make dev` first", returncode=2)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def _ends_its_engines() -> Iterator[None]:
    """A test that leaves threads of an engine behind is told by its own file, not by whichever file looks next."""
    before = _engine_threads()
    yield
    end_s = time.monotonic() + 5  # an abandoned call may be on its way out
    while (left := _engine_threads() - before) and time.monotonic() < end_s:
        time.sleep(0.02)
    assert not left, f"threads of an engine were left behind: {sorted(thread.name for thread in left)}"


def _engine_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)}


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tell what a test measured: `make test-full` shows it in a table at the end."""
    return lambda line: record_property(FIGURES, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After `pytest -m full`, the figures of all tests."""
    if config.option.markexpr != "full":
        return
    terminalreporter.section("full tests: time, and what they measured")
    for line in table(terminalreporter.getreports("passed") + terminalreporter.getreports("failed")):
        terminalreporter.write_line(line)
