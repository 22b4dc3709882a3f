"""A program's callback on triggers and finals, on a server of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from serving import SCRIPT, TWO_UTTERANCES, chunks, listen, settings_for_tests

from fastring.events import EarlyTrigger, Final, Latency
from fastring.server.witnesses.callback import TriggerWitness

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from serving import Serve


def final(text: str) -> Final:
    return Final(0, 0, text, (), 0.9, 0, 1, Latency(0, 0, 0, 0))


async def settled(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never was")


async def test_plain_and_async_callbacks_are_called_in_order() -> None:
    heard: list[tuple[str, str]] = []

    def plain(stream_id: str, event: Any) -> None:
        heard.append((stream_id, event.text))

    async def awaited(stream_id: str, event: Any) -> None:
        await asyncio.sleep(0)
        heard.append((stream_id, event.text))

    for callback in (plain, awaited):
        heard.clear()
        witness = TriggerWitness("a", callback)
        witness.hear(EarlyTrigger(0, 0, "0-0", "one", 0.9))
        witness.hear(final("one"))
        await settled(lambda: len(heard) == 2)
        assert heard == [("a", "one"), ("a", "one")]


async def test_one_that_raises_is_logged_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    heard = []

    def callback(_stream_id: str, event: Any) -> None:
        heard.append(event.text)
        raise RuntimeError("mine")

    witness = TriggerWitness("a", callback)
    witness.hear(final("one"))
    witness.hear(final("two"))
    await settled(lambda: len(heard) == 2)
    assert heard == ["one", "two"]


async def test_one_that_is_slow_misses_the_oldest() -> None:
    heard = []

    async def callback(_stream_id: str, event: Any) -> None:
        heard.append(event.text)
        await asyncio.sleep(0)

    witness = TriggerWitness("a", callback)
    for number in range(100):
        witness.hear(final(str(number)))
    await settled(lambda: heard[-1:] == ["99"])
    assert len(heard) == 64


async def test_on_a_server(serve: Serve) -> None:
    heard: list[tuple[str, str]] = []
    async with (
        serve(
            settings_for_tests(), on_trigger=lambda stream_id, event: heard.append((stream_id, event.text))
        ) as server,
        server.connect("/api/v1/stream/voice/mine") as ws,
    ):
        for chunk in chunks(TWO_UTTERANCES):
            await ws.send_bytes(chunk)
        await ws.send_str('{"type":"close"}')
        await listen(ws)
        await settled(lambda: len(heard) == 2)
    assert heard == [("mine", text) for text in SCRIPT]
