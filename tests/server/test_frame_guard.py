"""The guard before aiohttp's parser: what it lets through, hands over, puts off and holds back."""

from __future__ import annotations

import asyncio
import itertools
from unittest import mock

import pytest
from aiohttp import EofStream, WebSocketError, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketReader
from hypothesis import given
from hypothesis import strategies as st
from raw_websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

from fastring.server.frame_guard import FrameGuard


class Parser:
    """Keeps what the guard lets through."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        self.ended = True


FRAMES = st.builds(
    lambda opcode, size, width: frame(opcode, bytes(size), width=width),
    st.sampled_from([TEXT, BINARY, PING, PONG]),
    st.sampled_from([0, 1, 5, 125]) | st.integers(0, 125),
    st.sampled_from([0, 2, 8]),
) | st.builds(lambda size: frame(BINARY, bytes(size)), st.sampled_from([126, 127, 300, 65_535, 65_536]))


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=30), st.booleans())
def test_the_guard_finds_the_first_bare_frame_however_the_bytes_are_cut(
    frames: list[bytes], cuts: list[int], bare: bool
) -> None:
    async def walk() -> None:
        parser, errors = Parser(), list[Exception]()
        guard = FrameGuard(parser, errors.append)
        good = b"".join(frames)
        data = good + (frame(TEXT, b"bare", mask=None) + frame(CLOSE) if bare else b"")
        at = turn = 0
        while at < len(data):
            step = cuts[turn % len(cuts)] * (1 if len(data) < 2000 else 999)
            assert guard.feed_data(data[at : at + step]) == (False, b"")
            at, turn = at + step, turn + 1
        assert len(errors) == guard.broken == bare
        assert guard.left.is_set() == bare
        # Of a header that came in parts the parser may have seen a few bytes, and waits for the rest.
        assert parser.data[: len(good)] == good
        assert len(parser.data) - len(good) <= (2 if bare else 0)

    asyncio.run(walk())


MESSAGES = st.builds(
    lambda opcode, size, width: (opcode, bytes(i % 120 for i in range(size)), width),
    st.sampled_from([TEXT, BINARY]),
    st.sampled_from([0, 1, 2, 5, 125, 126, 700]),
    st.sampled_from([0, 2, 8]),
) | st.builds(lambda size: (BINARY, bytes(size), 0), st.sampled_from([1000, 1001, 66_000]))
KINDS = st.sampled_from(["whole", "fragments", "ping"])


@given(
    st.lists(st.tuples(MESSAGES, KINDS), max_size=8),
    st.lists(st.integers(1, 400), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.sampled_from([1 << 20, 600]),
)
def test_taken_where_it_arrives_or_read_later_every_message_comes_once_and_in_order(
    sent: list[tuple[tuple[int, bytes, int], str]], cuts: list[int], takes: list[bool], reads: list[bool], long: int
) -> None:
    """aiohttp's own parser and queue behind the guard; the taker declines and the reader is late as they please."""

    async def walk() -> None:
        queue = WebSocketDataQueue(halting()[0], 1 << 16, loop=asyncio.get_running_loop())
        guard = FrameGuard(WebSocketReader(queue, 1 << 20, False, True), queue.set_exception, queue._buffer)
        heard: list[bytes] = []
        wants, turns = itertools.cycle(takes), itertools.cycle(reads)

        def take(message: bytes | str, now: float) -> bool:
            assert now >= 0
            if wanted := next(wants):
                heard.append(message.encode() if isinstance(message, str) else message)
            return wanted

        guard.taker = take
        data = b"".join(wire(message, kind) for message, kind in sent)
        at = 0
        for cut in itertools.cycle(cuts):
            if at >= len(data):
                break
            guard.feed_data(data[at : at + cut * (1 if len(data) < 5000 else 99)])
            at += cut * (1 if len(data) < 5000 else 99)
            while queue._buffer and (next(turns) or at >= len(data)):
                told = guard.read(await queue.read())
                heard.append(told.data.encode() if isinstance(told.data, str) else bytes(told.data))
                await asyncio.sleep(0)  # what waits for its turn comes in
        assert heard == [b"ping" if kind == "ping" else payload for (_, payload, _), kind in sent]

    with mock.patch("fastring.server.frame_guard._LONG_BYTES", long):
        asyncio.run(walk())


def wire(message: tuple[int, bytes, int], kind: str) -> bytes:
    opcode, payload, width = message
    if kind == "ping":
        return frame(PING, b"ping")
    if kind == "whole" or len(payload) > 10_000:
        return frame(opcode, payload, width=width)
    cut = len(payload) // 2
    return frame(opcode, payload[:cut], fin=False) + frame(CONTINUATION, payload[cut:])


async def test_of_a_read_full_of_messages_a_few_are_taken_and_the_others_wait_their_turn() -> None:
    parser, taken = Parser(), list[bytes | str]()
    guard = FrameGuard(parser, lambda error: None)
    guard.taker = lambda message, _now: taken.append(message) is None
    one = frame(BINARY, b"12345678")
    guard.feed_data(one * 1000)
    assert 0 < len(taken) <= 64
    for _ in range(10):
        await asyncio.sleep(0)
    assert parser.data == one * (1000 - len(taken))


class Halting(asyncio.Transport):
    """A transport that notes whether it may read."""

    reads = True
    aborted = False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None:
        self.aborted = True


def halting() -> tuple[BaseProtocol, Halting]:
    """aiohttp's own protocol, after an upgrade, on such a transport."""
    protocol, transport = BaseProtocol(asyncio.get_running_loop()), Halting()
    protocol.transport, protocol._upgraded = transport, True
    return protocol, transport


@pytest.mark.parametrize("bare", [False, True], ids=["all good", "a bare one among them"])
async def test_a_read_of_tiny_frames_is_worked_off_in_several_turns(bare: bool) -> None:
    """In order, nothing twice, nothing read meanwhile, and what is wrong is found where it stands."""
    parser, errors = Parser(), list[Exception]()
    protocol, transport = halting()
    guard = FrameGuard(parser, errors.append, wire=protocol)
    good = b"".join(frame(PING, bytes([number % 256])) for number in range(5_000))
    sent = good + (frame(TEXT, b"bare", mask=None) + frame(CLOSE) if bare else b"") + good
    guard.feed_data(sent[:20_001])
    assert 0 < len(parser.data) <= 200 * 7
    assert not transport.reads
    guard.feed_data(sent[20_001:])  # what had come before the transport heard
    most, turns = 0, 0
    while not transport.reads:
        before = len(parser.data)
        await asyncio.sleep(0)
        most, turns = max(most, len(parser.data) - before), turns + 1
        assert turns < 1000
    assert most <= 200 * 7 + 2
    assert parser.data[: len(good)] == good
    assert (len(errors), guard.left.is_set()) == (bare, bare)
    assert bare or parser.data == sent
    assert not transport.aborted


async def test_what_comes_although_nothing_is_read_is_bounded() -> None:
    protocol, transport = halting()
    guard = FrameGuard(Parser(), lambda error: None, wire=protocol)
    tiny = frame(PING, b"") * 10_000
    for _ in range(100):
        guard.feed_data(tiny)
        if transport.aborted:
            break
    assert transport.aborted


async def test_while_nobody_empties_the_queue_nothing_more_is_read() -> None:
    """aiohttp's own parser, queue and flow control, which the guard must not override."""
    protocol, transport = halting()
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(protocol, 1 << 14, loop=loop)
    guard = FrameGuard(WebSocketReader(queue, 1 << 20, False, True), queue.set_exception, queue._buffer, wire=protocol)
    sent = [str(number).encode() for number in range(20_000)]
    stream = b"".join(frame(BINARY, payload) for payload in sent)
    given = 0
    for _ in range(1000):  # as a socket would: while reading is not paused
        if transport.reads and given < len(stream):
            guard.feed_data(stream[given : given + 20_000])
            given += 20_000
        await asyncio.sleep(0)
    assert not transport.reads
    assert given <= 40_000
    assert len(queue._buffer) < 1000
    heard = []
    while len(heard) < len(sent):
        heard.append((await asyncio.wait_for(queue.read(), 5)).data)
        if transport.reads and given < len(stream):
            guard.feed_data(stream[given : given + 20_000])
            given += 20_000
        if len(heard) % 50 == 0:
            await asyncio.sleep(0)
        assert len(queue._buffer) < 1000
    assert heard == sent
    assert transport.reads
    assert not transport.aborted


@pytest.mark.parametrize("fragments", [1, 3])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_while_a_long_message_waits_to_be_read_nothing_more_is_taken_in(opcode: int, fragments: int) -> None:
    protocol, transport = halting()
    queue = WebSocketDataQueue(protocol, 1 << 16, loop=asyncio.get_running_loop())
    reader = WebSocketReader(queue, 8 << 20, False, True)
    guard = FrameGuard(reader, queue.set_exception, queue._buffer, longest=8 << 20, wire=protocol)
    guard.feed_data(frame(BINARY, b"before"))
    part = bytes(range(128)) * 20_000
    for number in range(fragments):
        data = frame(CONTINUATION if number else opcode, part, fin=number == fragments - 1)
        for at in range(0, len(data), 100_001):
            assert transport.reads
            guard.feed_data(data[at : at + 100_001])
    assert not transport.reads
    guard.feed_data(frame(BINARY, b"after") + frame(CLOSE))  # what was on its way
    guard.feed_eof()
    await asyncio.sleep(0.01)
    assert len(queue._buffer) == 2
    assert guard.read(await queue.read()).data == b"before"
    long = guard.read(await queue.read())
    assert type(long.data) is (bytearray if opcode == TEXT else bytes)
    assert (long.type, long.data) == (opcode, part * fragments)
    assert guard.read(await queue.read()).data == b"after"
    assert transport.reads
    assert (await queue.read()).type is WSMsgType.CLOSE
    with pytest.raises(EofStream):
        await asyncio.wait_for(queue.read(), 5)


async def test_a_message_that_grows_too_long_is_refused_by_the_frame_that_makes_it_so() -> None:
    parser, errors = Parser(), list[WebSocketError]()
    guard = FrameGuard(parser, errors.append, longest=3_000_000)
    guard.feed_data(frame(BINARY, bytes(2_000_000), fin=False))
    assert errors == []
    guard.feed_data(frame(CONTINUATION, bytes(1_000_001), fin=False)[:14])  # its header says so
    assert [error.code for error in errors] == [1009]
    assert "3000001" in str(errors[0])
    guard.feed_data(bytes(1_000_001) + frame(CLOSE))
    assert (parser.data, guard.left.is_set()) == (b"", True)


async def test_nobody_can_ask_for_the_message_of_another_place() -> None:
    """What stands for a long message in the queue cannot be guessed, and stands for one message only."""
    queue = WebSocketDataQueue(halting()[0], 1 << 16, loop=asyncio.get_running_loop())
    guard = FrameGuard(
        WebSocketReader(queue, 8 << 20, False, True), queue.set_exception, queue._buffer, longest=8 << 20
    )
    tokens = set()
    for _ in range(3):
        guard.feed_data(frame(BINARY, bytes(2 << 20)))
        message = await queue.read()
        assert len(message.data) == 16
        assert guard.read(message._replace(data=bytes(16))).data == bytes(16)
        assert len(guard.read(message).data) == 2 << 20
        assert guard.read(message) == message
        tokens.add(message.data)
        await asyncio.sleep(0)
    assert len(tokens) == 3


async def test_what_had_come_before_the_peer_left_is_heard() -> None:
    protocol, _ = halting()
    queue = WebSocketDataQueue(protocol, 1 << 14, loop=asyncio.get_running_loop())
    guard = FrameGuard(WebSocketReader(queue, 1 << 20, False, True), queue.set_exception, queue._buffer, wire=protocol)
    sent = [str(number).encode() for number in range(3000)]
    guard.feed_data(b"".join(frame(BINARY, payload) for payload in sent))
    guard.feed_eof()
    assert guard.left.is_set()
    heard = []
    while len(heard) < len(sent):
        heard.append((await asyncio.wait_for(queue.read(), 5)).data)
    assert heard == sent
    with pytest.raises(EofStream):
        await asyncio.wait_for(queue.read(), 5)


async def test_of_a_message_that_is_too_long_nothing_is_kept() -> None:
    parser = Parser()
    guard = FrameGuard(parser, lambda error: None, longest=1000)
    guard.taker = lambda message, _now: True
    guard.feed_data(frame(BINARY, bytes(1001))[:500])
    assert len(parser.data) == 500
