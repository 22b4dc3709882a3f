from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fastring.asr.cores import available_cores, divide_cores

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_quota_it_is_the_affinity(tmp_path: Path) -> None:
    expected = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert available_cores(tmp_path) == expected


@pytest.mark.parametrize(("text", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_a_quota_of_cgroup_2_counts(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert available_cores(tmp_path) == (cores or available_cores(tmp_path / "none"))


@pytest.mark.parametrize(("quota", "cores"), [("100000", 1), ("-1", None)])
def test_a_quota_of_cgroup_1_counts(tmp_path: Path, quota: str, cores: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_cores(tmp_path) == (cores or available_cores(tmp_path / "none"))


@pytest.mark.parametrize("cores", [1, 2, 3, 8, 64])
@pytest.mark.parametrize(("workers", "threads"), [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (3, 0)])
def test_what_it_chooses_fits_the_cores(cores: int, workers: int, threads: int) -> None:
    chosen_workers, chosen_threads = divide_cores(cores, workers, threads)
    assert chosen_workers >= 1
    assert chosen_threads >= 1
    if max(workers, threads) <= cores:
        assert chosen_workers * chosen_threads <= cores
    assert workers in (0, chosen_workers)
    assert threads in (0, chosen_threads)
