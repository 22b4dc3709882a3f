"""How long a client is without its session after the connection broke, with everything as it is by default."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import pytest
from hurried import behind_proxy, hear, of
from serving import RATE, settings_for_tests, silence

from fastring.client import AudioLost, Limits, Restarted, Resumed, VoiceStream

if TYPE_CHECKING:
    from collections.abc import Callable

DETECTED_TO_ACK_S = 1.0


async def until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.001)


async def takeovers(rounds: int) -> list[tuple[float, float]]:
    """Seconds from each cut to the session that is had back, and to the first acknowledgement of new audio."""
    took: list[tuple[float, float]] = []
    live = Limits(drop=True)
    async with behind_proxy(settings_for_tests()) as (_, proxy), VoiceStream(proxy.url, "mic", limits=live) as stream:
        talk = stream._conversation

        async def speak() -> None:
            while True:
                await stream.send(silence(0.1))
                await asyncio.sleep(0.1)

        speaking = asyncio.ensure_future(speak())
        for number in range(rounds):
            await until(lambda: talk._received > 0 and not talk._is_paced() and talk._sent - talk._received < RATE)
            (proxy.reset if number % 2 else proxy.cut)()
            cut_s, cut_at = time.monotonic(), talk.end
            await until(lambda: talk._phase != "live")
            await until(lambda: talk._phase == "live")
            back_s = time.monotonic()
            await until(lambda: talk._received > cut_at)  # noqa: B023 - called before the round is over
            took.append((back_s - cut_s, time.monotonic() - cut_s))
            await asyncio.sleep(0.2)
        speaking.cancel()
        await stream.close()
        events = await asyncio.wait_for(hear(stream), 30)
    assert of(events, Restarted) == of(events, AudioLost) == []
    assert len(of(events, Resumed)) == rounds
    return took


async def test_a_session_is_had_back_within_a_second() -> None:
    took = await takeovers(5)
    assert statistics.median(ack_s for _, ack_s in took) < DETECTED_TO_ACK_S


@pytest.mark.full
async def test_fifty_sessions_are_had_back_within_a_second(figures: Callable[[str], None]) -> None:
    took = await takeovers(50)
    for name, times in zip(("session", "acknowledgement"), zip(*took, strict=True), strict=True):
        cuts = statistics.quantiles(times, n=20)
        figures(f"{name}: median {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, longest {max(times):.2f} s")
    assert statistics.quantiles((ack_s for _, ack_s in took), n=20)[18] < DETECTED_TO_ACK_S
