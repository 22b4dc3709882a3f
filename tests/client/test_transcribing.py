"""A whole source against a real server; `test_voice.py` has every kind of source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hurried import texts
from serving import SCRIPT, TWO_UTTERANCES, chunks

from fastring.client import transcribe
from fastring.errors import FastringError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import Running

    from fastring.client import ClientEvent


async def test_a_source_is_heard_to_its_end(server: Running) -> None:
    assert texts([event async for event in transcribe(server.url, TWO_UTTERANCES)]) == list(SCRIPT)


async def test_what_came_before_a_source_failed_is_answered(server: Running) -> None:
    def failing() -> Iterator[bytes]:
        yield from chunks(TWO_UTTERANCES)
        raise FastringError("the microphone was pulled out")

    events: list[ClientEvent] = []

    async def listen() -> None:
        async for event in transcribe(server.url, failing()):
            events.append(event)  # noqa: PERF401 - it ends with an error

    with pytest.raises(FastringError, match="pulled out"):
        await listen()
    assert texts(events) == list(SCRIPT)
