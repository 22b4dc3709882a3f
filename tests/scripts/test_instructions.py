"""The gate on instruction counts: what turns it red."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from callgrind.measure import BASELINE, ISAS, LIMIT, compare, per_operation, run

ANALYSIS = "full analysis 1024 @ 44.1 kHz"


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (1.029, True), (1.031, False), (1.2, False), (0.5, True)])
def test_a_slow_down_turns_it_red(factor: float, good: bool) -> None:
    lines, verdict = compare({"rfft": 1000.0 * factor, "ring": 500.0}, {"rfft": 1000.0, "ring": 500.0})
    assert verdict is good
    assert ("TOO MANY" in lines[0]) is not good
    assert "ok" in lines[1]
    assert ("better" in lines[0]) is (factor < 2 - LIMIT)


def test_an_operation_without_a_baseline_is_red() -> None:
    lines, good = compare({"new": 1.0}, {})
    assert not good
    assert "no baseline yet" in lines[0]


def test_the_stored_baselines_are_whole() -> None:
    stored = json.loads(BASELINE.read_text(encoding="utf-8"))
    assert stored
    for build in stored.values():
        assert set(build) == set(ISAS)
        assert len({frozenset(counts) for counts in build.values()}) == 1


@pytest.mark.full
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_an_analyzer_that_is_a_fifth_slower_turns_it_red(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["cmake", "--preset", "instructions"], ["cmake", "--build", "--preset", "instructions"]):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    driver = str(root / "build/instructions/fastring_driver")
    compiler = run(driver, isa="baseline").splitlines()[0]
    stored = json.loads(BASELINE.read_text(encoding="utf-8"))
    if compiler not in stored:
        pytest.skip(f"no baseline for {compiler}")
    baseline = {ANALYSIS: stored[compiler]["baseline"][ANALYSIS]}
    assert compare({ANALYSIS: per_operation(driver, ANALYSIS, "baseline")}, baseline)[1]
    monkeypatch.setenv("FASTRING_SLOW_DOWN", "1")
    slower = per_operation(driver, ANALYSIS, "baseline")
    assert slower / baseline[ANALYSIS] == pytest.approx(1.2, abs=0.04)
    lines, good = compare({ANALYSIS: slower}, baseline)
    assert not good
    assert "TOO MANY" in lines[0]
