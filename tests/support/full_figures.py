"""The table at the end of `make test-full`: how long each test took, and what it measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

FIGURES = "figures"


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line a test, longest first, each followed by its figures; the sum at the end."""
    calls = sorted((report for report in reports if report.when == "call"), key=lambda report: -report.duration)
    lines = []
    for report in calls:
        lines.append(f"{report.duration:6.0f} s  {report.outcome:6}  {report.nodeid.removeprefix('tests/')}")
        said = [str(value) for name, value in report.user_properties if name == FIGURES]
        lines += [f"{'':10}  {line}" for figures in said for line in figures.splitlines()]
    return [*lines, f"{sum(report.duration for report in calls):6.0f} s  in all"]
