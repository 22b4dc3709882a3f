from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter, ValidationError
from serving import BASE

from fastring.server.surface.answers import (
    AudioParameters,
    Debug,
    Health,
    ProblemAnswer,
    Readiness,
    StreamDebug,
    StreamingMetrics,
    StreamList,
    StreamStats,
)

if TYPE_CHECKING:
    from serving import Running


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/livez", Readiness),
        ("/readyz", Readiness),
        (f"{BASE}health", Health),
        (f"{BASE}list", StreamList),
        (f"{BASE}stats/a", StreamStats),
        (f"{BASE}debug", Debug),
        (f"{BASE}debug/a", StreamDebug),
        ("/metrics/streaming", StreamingMetrics),
        (f"{BASE}stats/nobody", ProblemAnswer),
    ],
)
async def test_what_is_answered_is_of_its_type(server: Running, path: str, kind: type) -> None:
    await server.post(f"{BASE}start/a")
    _, body = await server.get(path)
    TypeAdapter(kind).validate_python(body, strict=True)


def test_what_a_start_may_ask_for_is_bounded() -> None:
    parameters = TypeAdapter(AudioParameters)
    assert parameters.validate_python({"channels": 32}) == {"channels": 32}
    with pytest.raises(ValidationError):
        parameters.validate_python({"sample_rate": 7999})
