from __future__ import annotations

import asyncio

import pytest

from fastring.events import Ack, Analysis, ChannelEvent, Final, Heard, Latency, Partial, Pong, Status
from fastring.server.outbox import MAX_ONSETS, Outbox, merged

LATENCY = Latency(0, 0, 0, 0)


def partial(text: str) -> Partial:
    return Partial(0, text, "", (), 0.5, 0, 1, -20.0, 0.0, 0, LATENCY)


def final(seq: int) -> Final:
    return Final(seq, seq, "text", (), 0.5, 0, 1, LATENCY)


def analysis(end: int, onsets: tuple[int, ...] = (), peak: float = 0.1) -> Analysis:
    return Analysis(end, None, 0, None, 0, 0, 0, peak, None, None, 0, onsets, 0, 0)


async def test_what_must_arrive_keeps_its_order() -> None:
    box = Outbox(10)
    events = [final(0), Status("recovered"), final(1), Pong()]
    for event in events:
        box.put(event)
    assert await box.take() == events


async def test_it_is_idle_when_nothing_waits_and_all_that_was_taken_is_sent() -> None:
    box = Outbox(10)
    assert box.idle
    box.put(final(0))
    assert not box.idle
    await box.take()
    assert not box.idle, "what was taken is still being sent"
    again = asyncio.ensure_future(box.take())
    await asyncio.sleep(0)
    assert box.idle
    again.cancel()


async def test_the_newest_partial_and_ack_win_and_go_last() -> None:
    box = Outbox(10)
    for event in (partial("a"), Ack(1, 0), final(0), partial("b"), Ack(2, 1)):
        box.put(event)
    assert await box.take() == [final(0), partial("b"), Ack(2, 1)]


async def test_a_token_is_handed_on_to_the_next_ack() -> None:
    box = Outbox(10)
    for event in (Ack(1, 0, resume_token="t1"), Ack(2, 0), Ack(3, 1)):
        box.put(event)
    assert await box.take() == [Ack(3, 1, resume_token="t1")]
    box.put(Ack(4, 1, resume_token="t1"))
    box.put(Ack(5, 1, resume_token="t2"))
    assert await box.take() == [Ack(5, 1, resume_token="t2")]


async def test_what_is_new_replaces_what_is_old_of_its_channel_alone() -> None:
    box = Outbox(10)
    told = [(0, partial("a")), (1, partial("b")), (0, Heard(1)), (0, final(0)), (0, partial("c")), (0, Heard(2))]
    for channel, event in told:
        box.put(ChannelEvent(channel, 2, event))
    kept = [(1, partial("b")), (0, final(0)), (0, partial("c")), (0, Heard(2))]
    assert await box.take() == [ChannelEvent(channel, 2, event) for channel, event in kept]


async def test_merged_analyses_lose_no_onset() -> None:
    box = Outbox(10)
    for event in (analysis(10, (3,), 0.9), analysis(20), analysis(30, (25, 28), 0.2)):
        box.put(event)
    assert await box.take() == [analysis(30, (3, 25, 28), 0.9)]


def test_merged_onsets_are_bounded() -> None:
    one = merged(analysis(1, tuple(range(MAX_ONSETS))), analysis(2, (MAX_ONSETS,)))
    assert one.onsets == tuple(range(1, MAX_ONSETS + 1))


async def test_finals_overflow_and_partials_never_do() -> None:
    box = Outbox(4)
    for number in range(1000):
        box.put(partial(str(number)))
        box.put(analysis(number))
        box.put(Ack(number, 0))
    assert not box.overflowed
    for number in range(4):
        box.put(final(number))
    assert not box.overflowed
    assert box.crowded
    box.put(final(4))
    assert box.overflowed
    assert sum(isinstance(event, Final) for event in await box.take()) == 5


async def test_take_waits_for_something() -> None:
    box = Outbox(4)
    taking = asyncio.ensure_future(box.take())
    await asyncio.sleep(0)
    assert not taking.done()
    box.put(Pong())
    assert await taking == [Pong()]


@pytest.mark.parametrize("how", ["taken", "released"])
async def test_who_waits_for_room_is_woken(how: str) -> None:
    box = Outbox(4)
    box.put(Pong())
    waiting = asyncio.ensure_future(box.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    if how == "taken":
        await box.take()
    else:
        box.release()
    await asyncio.wait_for(waiting, 1)
