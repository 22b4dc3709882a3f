"""Every Python example of the documentation runs, and prints what stands below it."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastring.recordings import recording_path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if "```python" in path.read_text()
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED_URL = "http://127.0.0.1:8000"
MARK = "# --- the next example ---"


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A real server with the digits model."""
    for module in ("aiohttp", "faster_whisper", "av", "soxr"):
        pytest.importorskip(module)
    command = [sys.executable, "-m", "fastring", "serve", "--port", "0", "--model", "digits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready on " in line
        yield line.rpartition("ready on ")[2].strip()
        process.terminate()


def examples(page: Path) -> list[tuple[str, str | None]]:
    """The page's Python blocks in order, each with the text block that follows it at once, if one does."""
    text = page.read_text(encoding="utf-8")
    fences = [(match.group(1), match.group(2), match.start(), match.end()) for match in FENCE.finditer(text)]
    found: list[tuple[str, str | None]] = []
    for index, (language, body, _, end) in enumerate(fences):
        if language == "python":
            after = fences[index + 1] if index + 1 < len(fences) else None
            expects = after is not None and after[0] == "text" and not text[end : after[2]].strip()
            found.append((body, after[1] if after is not None and expects else None))
    return found


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_examples_run_and_print_what_they_say(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    blocks = examples(page)
    code = "".join(f"{block}\nprint({MARK!r}, flush=True)\n" for block, _ in blocks)
    if DOCUMENTED_URL in code:
        code = code.replace(DOCUMENTED_URL, request.getfixturevalue("server_url"))
    shutil.copy(recording_path("seen_8"), tmp_path / "speech.wav")
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    printed = result.stdout.split(f"{MARK}\n")[:-1]
    checker = doctest.OutputChecker()
    for (block, expected), got in zip(blocks, printed, strict=True):
        if expected is not None:
            assert checker.check_output(expected, got, doctest.ELLIPSIS), f"{block}\nprinted:\n{got}\nnot:\n{expected}"


def test_there_are_examples_to_run() -> None:
    assert ROOT / "README.md" in PAGES
    assert sum(len(examples(page)) for page in PAGES) >= 10


ALL_PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in (link for link in links if "://" not in link):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_no_cell_of_a_table_is_a_page_of_its_own(page: Path) -> None:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    long = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row) if len(cell) > 360]
    assert long == []


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in contents] == []
