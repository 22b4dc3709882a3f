"""The receiving half: what is handled at once, what has to wait, and that the order is kept."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import WSMessage, WSMsgType

from fastring.errors import AudioFormatError
from fastring.events import Audio, Failure
from fastring.protocols.native import NativeCodec
from fastring.server.intake import Intake
from fastring.server.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastring.events import Command

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class FakeSocket:
    """Offers what is brought to the taker, and queues the rest, as `Socket` does."""

    def __init__(self) -> None:
        self.taker: Callable[[bytes | str, float], bool] | None = None
        self.queue: asyncio.Queue[WSMessage] = asyncio.Queue()

    def hand_to(self, taker: Callable[[bytes | str, float], bool] | None) -> None:
        self.taker = taker

    async def receive(self) -> WSMessage:
        return await self.queue.get()

    def bring(self, data: bytes, now: float = 0.0) -> bool:
        """True if it was taken at once."""
        if self.queue.empty() and self.taker is not None and self.taker(data, now):
            return True
        self.queue.put_nowait(WSMessage(WSMsgType.BINARY, data, None))
        return False

    def end(self) -> None:
        self.queue.put_nowait(WSMessage(WSMsgType.CLOSE, 1000, None))


class Desk:
    """A station with a switch, and everything around an intake."""

    slice_bytes = 100

    def __init__(self) -> None:
        self.congested = False
        self.heard: list[bytes] = []
        self.callers: list[str] = []
        self.answers: list[Any] = []
        self.wait_s = 0.0
        self.socket = FakeSocket()
        self.outbox = Outbox(4)
        codec = NativeCodec("s", encoding="mulaw")
        self.intake = Intake(
            self.socket,  # type: ignore[arg-type]
            codec,
            self,  # type: ignore[arg-type]
            self.outbox,
            name="s",
            answer=self.answers.append,
            pace=lambda _bytes, _now: self.wait_s,
        )

    def receive(self, command: Command, now: float) -> None:
        assert isinstance(command, Audio)
        if command.data == b"bad":
            raise AudioFormatError("bad audio")
        self.heard.append(command.data)
        self.callers.append(WHO.get())


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    WHO.set("the connection")
    running = asyncio.ensure_future(desk.intake.run())
    await asyncio.sleep(0)
    WHO.set("whoever reads the socket")
    yield desk
    desk.intake.stop()
    desk.socket.end()
    assert (await asyncio.wait_for(running, 5)).type is WSMsgType.CLOSE
    assert desk.socket.taker is None


async def test_a_short_message_is_handled_where_it_arrives_as_the_connection(desk: Desk) -> None:
    assert desk.socket.bring(b"one", 7.0)
    assert desk.heard == [b"one"]
    assert desk.callers == ["the connection"]
    assert desk.intake.heard_s == 7.0


async def test_what_is_wrong_with_it_is_answered(desk: Desk) -> None:
    assert desk.socket.bring(b"bad")
    assert desk.answers == [Failure("invalid_field", "bad audio")]


async def test_behind_one_that_waits_all_wait_and_the_order_is_kept(desk: Desk) -> None:
    desk.congested = True
    assert not desk.socket.bring(b"one")
    desk.congested = False
    assert not desk.socket.bring(b"two"), "the first has not been handled yet"
    await settle()
    assert desk.heard == [b"one", b"two"]
    assert desk.socket.bring(b"three")


async def test_a_long_message_is_cut_and_those_behind_it_wait(desk: Desk) -> None:
    assert not desk.socket.bring(bytes(250))
    await asyncio.sleep(0)
    assert not desk.socket.bring(b"after")
    await settle()
    assert [len(data) for data in desk.heard] == [100, 100, 50, 5]


async def test_while_answers_pile_up_nothing_is_taken(desk: Desk) -> None:
    for number in range(3):
        desk.outbox.put(Failure(str(number), ""))
    assert not desk.socket.bring(b"one")
    await settle()
    assert desk.heard == []
    await desk.outbox.take()
    await settle()
    assert desk.heard == [b"one"]


async def test_who_sends_too_much_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr("fastring.server.intake.time.monotonic", lambda: 10.0)
    monkeypatch.setattr("fastring.server.intake.asyncio.sleep", sleep)
    desk.wait_s = 3.0
    assert desk.socket.bring(b"one", 10.0)
    desk.wait_s = 0.0
    assert not desk.socket.bring(b"two", 10.0)
    for _ in range(20):
        await real(0)
    assert slept == [3.0]
    assert desk.heard == [b"one", b"two"]
    assert desk.socket.bring(b"three", 10.0)


async def test_who_sent_too_much_and_then_nothing_is_held_back_for_no_longer_than_its_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10.0
    monkeypatch.setattr("fastring.server.intake.time.monotonic", lambda: now)
    desk.wait_s = 3.0
    assert desk.socket.bring(b"one", now)
    assert desk.intake.holds_back
    now = 13.1
    assert not desk.intake.holds_back, "else its silence would be taken for ours, and its name never given to another"


async def test_after_stop_nothing_is_handed_on(desk: Desk) -> None:
    desk.intake.stop()
    assert not desk.socket.bring(b"one")
    await settle()
    assert desk.heard == []


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
