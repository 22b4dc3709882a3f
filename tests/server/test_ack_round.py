"""Acknowledgements: with the messages while those come, by the round once they do not, and never more than a second."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from block_runner import block_session, pcm
from kept_line import KeptLine

from fastring.config import ResumeSettings
from fastring.events import Ack, Audio, VoiceReady
from fastring.protocols.codec import Counters
from fastring.server.ack_round import ACK_BY_S, AckRound
from fastring.server.sessions.keeper import SessionKeeper
from fastring.server.sessions.resumable import Identity
from fastring.server.voice_station import VoiceStation

if TYPE_CHECKING:
    from collections.abc import Callable


BY_S = 0.05


class Debtor:
    """Notes when it was asked, and does something besides."""

    def __init__(self, then: Callable[[Debtor], object] = lambda _: None) -> None:
        self.asked: list[float] = []
        self._then = then

    def acknowledge(self, now: float) -> None:
        self.asked.append(now)
        self._then(self)


async def test_each_is_asked_once_in_time_and_not_before() -> None:
    acks = AckRound(BY_S)
    early, late = Debtor(), Debtor()
    began_s = time.monotonic()
    acks.owe(early)
    await asyncio.sleep(BY_S / 2)
    acks.owe(late)
    await asyncio.sleep(3 * BY_S)
    assert (len(early.asked), len(late.asked), len(acks)) == (1, 1, 0)
    assert early.asked[0] >= began_s + BY_S
    assert late.asked[0] >= began_s + 1.5 * BY_S - 0.001


async def test_who_says_so_anew_goes_to_the_end() -> None:
    acks = AckRound(BY_S)
    busy, silent = Debtor(), Debtor()
    acks.owe(busy)
    acks.owe(silent)
    owed_s = [time.monotonic()]
    while owed_s[-1] < owed_s[0] + 2.5 * BY_S:
        await asyncio.sleep(0.001)
        acks.owe(busy)
        owed_s.append(time.monotonic())
    assert len(silent.asked) == 1
    late = sum(after - before >= BY_S for before, after in pairwise(owed_s))  # the machine stood still
    assert len(busy.asked) <= late
    acks.forget(busy)
    busy.asked.clear()
    await asyncio.sleep(2 * BY_S)
    assert busy.asked == []


async def test_who_is_asked_may_owe_again_and_may_end_another() -> None:
    acks = AckRound(BY_S)
    victim = Debtor()
    again = Debtor(lambda it: len(it.asked) < 3 and acks.owe(it))
    for who in (Debtor(lambda _: acks.forget(victim)), victim, again):
        acks.owe(who)
    began_s = time.monotonic()
    await asyncio.sleep(6 * BY_S)
    assert victim.asked == []
    assert len(again.asked) == 3
    assert again.asked[2] >= began_s + 3 * BY_S - 0.001


async def test_a_fault_of_one_is_not_the_others() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    acks = AckRound(BY_S)
    other = Debtor()
    acks.owe(Debtor(lambda _: 1 // 0))
    acks.owe(other)
    await asyncio.sleep(3 * BY_S)
    assert len(other.asked) == 1
    assert isinstance(told[0]["exception"], ZeroDivisionError)


async def test_when_a_crowd_falls_silent_others_have_their_turn() -> None:
    acks = AckRound(BY_S)
    turns = 0

    def note(_: Debtor) -> None:
        seen.append(turns)

    seen: list[int] = []
    for _ in range(200):
        acks.owe(Debtor(note))
    until_s = time.monotonic() + 5.0
    while len(acks) and time.monotonic() < until_s:
        await asyncio.sleep(0)
        turns += 1
    assert len(seen) == 200
    assert max(seen.count(turn) for turn in set(seen)) <= 64


@pytest.mark.parametrize("message_ms", [10, 20, 32, 100, 250, 400, 850])
async def test_an_acknowledgement_goes_with_a_message(message_ms: int) -> None:
    keeper = SessionKeeper(ResumeSettings())
    identity = Identity(keeper.new_name(), "mic", "", "linear16", 16_000, 1)
    station = VoiceStation(
        identity,
        keeper=keeper,
        open_session=lambda: block_session(identity),
        ready=VoiceReady(16_000, "linear16", 1, 1.0, 1 << 20, 1.0, "e", "m", True, keeper.token(identity)),
        frame_bytes=2,
        counters=Counters(),
    )
    line = KeptLine()
    station.attach(line)
    sent_s = [message_ms / 1000 * k for k in range(1, 20_000 // message_ms)]
    acked_s = []
    for now in sent_s:
        line.posted.clear()
        station.receive(Audio(pcm(0)), now)
        acked_s += [now for event in line.posted if isinstance(event, Ack)]
    steps = [after - before for before, after in pairwise(acked_s)]
    assert max(steps) < ACK_BY_S, "the round would have to do it"
    assert min(steps) >= 0.7 - 1e-9
    assert len(keeper.acks) == 1
    station.detach()
    assert len(keeper.acks) == 0
