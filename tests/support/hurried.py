"""What the tests of the client share: a hurried server behind a proxy that fails, and what its client has heard."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fault_proxy import FaultProxy
from serving import serving, settings_for_tests

from fastring.client import ClientEvent, Final, Limits, Patience, SpeechEnded, SpeechStarted, VoiceStream
from fastring.config import EndpointSettings, ResumeSettings, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running

    from fastring.asr.transcriber import Transcriber

FAST = Patience(dead_after_s=0.5, first_wait_s=0.01, longest_wait_s=0.05, give_up_s=20)
UNPACED = Limits(catch_up_rate=0)


def unlimited(**endpoint: Any) -> Settings:
    """A server for tests that are in a hurry."""
    return replace(
        settings_for_tests(),
        endpoint=EndpointSettings(vad="energy", **endpoint),
        resume=ResumeSettings(catch_up_rate=0),
    )


def numbered(events: list[ClientEvent]) -> list[Any]:
    """What must be told once and in order; words and latencies depend on how fast the engine was."""
    told: list[Any] = []
    for event in events:
        if isinstance(event, SpeechStarted):
            told.append(("started", event.seq, event.utterance, event.start))
        elif isinstance(event, Final):
            told.append(("final", event.seq, event.utterance, event.text, event.start, event.end))
        elif isinstance(event, SpeechEnded):
            told.append(("ended", event.seq, event.utterance, event.end))
    return told


def of(events: list[ClientEvent], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def texts(events: list[ClientEvent]) -> list[str]:
    return [event.text for event in of(events, Final)]


async def hear(stream: VoiceStream) -> list[ClientEvent]:
    return [event async for event in stream]


@contextlib.asynccontextmanager
async def behind_proxy(
    settings: Settings | None = None, engine: Transcriber | None = None
) -> AsyncIterator[tuple[Running, FaultProxy]]:
    async with serving(settings or unlimited(), engine) as server:
        port = int(server.netloc.rpartition(":")[2])
        async with FaultProxy("127.0.0.1", port) as proxy:
            yield server, proxy
