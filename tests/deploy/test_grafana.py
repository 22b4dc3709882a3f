"""The dashboard asks for metrics that the server has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serving import serving

if TYPE_CHECKING:
    from fastring.server.metrics import Metrics

DASHBOARD = json.loads((Path(__file__).resolve().parents[2] / "deploy/grafana/fastring.json").read_text("utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES += [variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable]
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}


def series(metrics: Metrics) -> set[str]:
    """Every name that a scrape may hold."""
    return {family.name + ending for family in metrics.registry.collect() for ending in ENDINGS.get(family.type, ("",))}


async def test_every_query_names_a_metric_that_is_there() -> None:
    async with serving() as server:
        known = series(server.services.metrics)
    for query in QUERIES:
        names = re.findall(r"\bfastring_\w+", query)
        assert names, query
        assert set(names) <= known, query
        assert query.count("(") == query.count(")"), query


@pytest.mark.parametrize(
    "metric",
    [
        "first_partial",
        "final_lag",
        "revised_words",
        "real_time_factor",
        "queue",
        "gap_seconds",
        "dropped",
        "vad_frames",
    ],
)
def test_what_users_notice_is_shown(metric: str) -> None:
    assert any(metric in query for query in QUERIES)
