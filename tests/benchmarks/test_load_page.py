"""The load benchmark's tables: what the page says is what was measured, and a goal is met only where it is."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from load.page import PAGE, per_core, rewritten, tables

RESULTS = Path(PAGE).parent.parent.parent / "benchmarks" / "load" / "results.json"


@pytest.fixture
def data() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def test_the_page_has_the_figures_that_were_measured(data: dict[str, Any]) -> None:
    page = Path(PAGE).read_text(encoding="utf-8")
    assert rewritten(page, data) == page


def test_a_page_without_a_place_for_a_table_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="0 places for 'machine'"):
        rewritten(
            "<!-- measured cells -->\n<!-- end of cells -->\n<!-- measured real -->\n<!-- end of real -->\n"
            "<!-- measured memory -->\n<!-- end of memory -->\n<!-- measured processes -->\n"
            "<!-- end of processes -->\n",
            data,
        )


def test_goals_are_judged_by_the_figures(data: dict[str, Any]) -> None:
    good, bad = deepcopy(data), deepcopy(data)
    for kept, us in ((good, 12.0), (bad, 1000.0)):
        kept["cells"][0] |= {"speech": 0.0, "message_ms": 20, "ours": us, "bare": 10.0, "bare, answering": 12.0}
        kept["memory_kib"]["ours, idle"] = us
    for kept, word in ((good, "met"), (bad, "missed")):
        (_, _, cells), _, (_, _, memory), *_ = tables(kept)
        assert cells[0][5].endswith(word)
        assert cells[0][7].endswith(word)
        assert next(row for row in memory if row[0].startswith("connected, nothing"))[2].endswith(word)
    assert per_core(good, 0.0, 20) == 1000


def test_a_late_crowd_and_a_server_that_was_behind_are_told(data: dict[str, Any]) -> None:
    wanted = {"speech": 0.0, "streams": 600, "message_ms": 20}
    data["checks"][0] |= wanted | {"late_p99_ms": 30.0, "unanswered": 3, "p99_ms": 50.0}
    real = tables(data)[1][2][0]
    assert "(late)" in real[8]
    assert "goal 10 not shown; behind" in real[5]
    data["checks"][0] |= {"late_p99_ms": 0.5, "unanswered": 0}
    assert tables(data)[1][2][0][5].endswith("goal 10 missed")
