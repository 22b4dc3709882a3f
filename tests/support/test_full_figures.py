from __future__ import annotations

import pytest
from full_figures import FIGURES, table


def report(name: str, seconds: float, *figures: str, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=f"tests/{name}",
        location=("", 0, ""),
        keywords={},
        outcome="passed",
        longrepr=None,
        when=when,  # type: ignore[arg-type]
        user_properties=[("other", "x"), *((FIGURES, figure) for figure in figures)],
        duration=seconds,
    )


def test_the_longest_comes_first_with_its_figures_and_the_sum_last() -> None:
    reports = [
        report("a.py::one", 2.0),
        report("b.py::two", 61.4, "x 1\ny 2", "z 3"),
        report("b.py::two", 9, when="setup"),
    ]
    assert table(reports) == [
        "    61 s  passed  b.py::two",
        "            x 1",
        "            y 2",
        "            z 3",
        "     2 s  passed  a.py::one",
        "    63 s  in all",
    ]


def test_a_figure_that_a_test_tells_is_in_its_report(figures: object, request: pytest.FixtureRequest) -> None:
    assert callable(figures)
    figures("so many")
    assert (FIGURES, "so many") in request.node.user_properties
