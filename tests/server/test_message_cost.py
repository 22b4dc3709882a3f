"""What a voice message costs while nobody speaks, in calls: they are counted, so a busy machine cannot blur them."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from raw_websocket import BINARY, RawSocket, frame
from serving import BASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from serving import Running

PYTHON_CALLS, ALL_CALLS = 37, 70
"""What it takes now, where a message completes a frame. Each call more is paid by every message of every stream."""


def calls_of(work: Callable[[], object]) -> list[str]:
    """The functions that are called, those of C in brackets."""
    calls: list[str] = []

    def note(python: FrameType, event: str, function: Any) -> None:
        if event == "call":
            calls.append(python.f_code.co_name)
        elif event == "c_call":
            calls.append(f"[{getattr(function, '__qualname__', function)}]")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls[:-1]  # the last one takes the profiler away


@pytest.mark.parametrize("message_ms", [20, 100, 250])
async def test_a_gated_message_makes_few_calls_and_no_task_timer_or_future(server: Running, message_ms: int) -> None:
    async with RawSocket(server.netloc, BASE + "voice/cost") as raw:
        await raw.frame()
        (connection,) = server.services.registry.connections
        assert isinstance(connection._transport, asyncio.Transport)
        wire = connection._transport.get_protocol()
        message = frame(BINARY, bytes(message_ms * 32))
        for _ in range(20):  # the session begins, and so does the time to the next acknowledgement
            wire.data_received(message)
        tasks = len(asyncio.all_tasks())
        rounds = [calls_of(partial(wire.data_received, message)) for _ in range(8)]
        assert len(asyncio.all_tasks()) == tasks
    for calls in rounds:
        assert not {"call_later", "call_soon", "call_at", "create_task", "create_future"} & set(calls), calls
        assert not any("future" in call.lower() for call in calls), calls
    usual = sorted(rounds, key=len)[len(rounds) // 2]  # once in a second of audio a metric is told besides
    python = [call for call in usual if not call.startswith("[")]
    assert len(python) <= PYTHON_CALLS, usual
    assert len(usual) <= ALL_CALLS, usual
