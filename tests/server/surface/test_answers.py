from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter, ValidationError
from serving import BASE, VOICE, silence

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
    assert TypeAdapter(kind).validate_python(body, strict=True) == body  # raises where it is not; nothing left over


async def test_the_stats_of_every_kind_of_stream_are_described(server: Running) -> None:
    async with server.connect(f"{VOICE}v") as voice, server.connect("/ws/live") as live:
        await voice.send_bytes(silence(1.0))
        await live.send_bytes(silence(1.0))
        _, listed = await server.get(f"{BASE}list")
        while len(listed["streams"]) < 2:
            await asyncio.sleep(0.01)
            _, listed = await server.get(f"{BASE}list")
        assert {stream["kind"] for stream in listed["streams"]} == {"voice", "source"}
        for stream in listed["streams"]:
            _, stats = await server.get(f"{BASE}stats/{stream['stream_id']}")
            assert TypeAdapter(StreamStats).validate_python(stats, strict=True) == stats


def test_what_a_start_may_ask_for_is_bounded() -> None:
    parameters = TypeAdapter(AudioParameters)
    assert parameters.validate_python({"channels": 32}) == {"channels": 32}
    with pytest.raises(ValidationError):
        parameters.validate_python({"sample_rate": 7999})
