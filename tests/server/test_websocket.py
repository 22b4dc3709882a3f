"""RFC 6455 against the real server, frame by frame; the numbers are its sections."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketReader
from hypothesis import given
from hypothesis import strategies as st
from raw_websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, close, frame
from serving import BASE

from fastring.server.websocket import FrameGuard, answer_to

if TYPE_CHECKING:
    from serving import Running, Serve

PATH = BASE + "audio/rfc?update_hz=1"
ASK = '{"type":"ping"}'
END = frame(TEXT, '{"type":"close"}')


def socket(server: Running, path: str = PATH, **options: str | bytes) -> RawSocket:
    return RawSocket(server.netloc, path, **options)  # type: ignore[arg-type]


def half(text: str) -> tuple[bytes, bytes]:
    data = text.encode()
    return data[: len(data) // 2], data[len(data) // 2 :]


FIRST, SECOND = half(ASK)

GOOD = {
    "a whole message": frame(TEXT, ASK),
    "5.4 two fragments": frame(TEXT, FIRST, fin=False) + frame(CONTINUATION, SECOND),
    "5.4 an empty fragment first": frame(TEXT, b"", fin=False) + frame(CONTINUATION, ASK),
    "5.4 an empty fragment last": frame(TEXT, ASK, fin=False) + frame(CONTINUATION, b""),
    "5.4 a fragment a byte": b"".join(
        frame(CONTINUATION if i else TEXT, bytes([byte]), fin=i == len(ASK) - 1) for i, byte in enumerate(ASK.encode())
    ),
    "5.4 a ping between fragments": frame(TEXT, FIRST, fin=False) + frame(PING, b"x") + frame(CONTINUATION, SECOND),
    "5.5.2 a ping of 125 bytes": frame(PING, bytes(125)) + frame(TEXT, ASK),
    "5.5.3 a pong nobody asked for": frame(PONG, b"hello") + frame(TEXT, ASK),
    "5.2 a length in more bytes than it needs": frame(TEXT, ASK, width=2),
    "5.2 a length in eight bytes": frame(TEXT, ASK, width=8),
    "5.3 a mask of zeros": frame(TEXT, ASK, mask=bytes(4)),
    "8.1 a character cut by a fragment": frame(TEXT, b'{"type":"ping","x":"' + b"\xc3", fin=False)
    + frame(CONTINUATION, b'\xa4"}'),
    "an empty binary message": frame(BINARY, b"") + frame(TEXT, ASK),
}

BAD = {
    "5.1 no mask": (frame(TEXT, ASK, mask=None), 1002),
    "5.1 no mask on a ping": (frame(PING, b"x", mask=None), 1002),
    "5.1 no mask on a close": (frame(CLOSE, b"\x03\xe8", mask=None), 1002),
    "5.1 no mask, long": (frame(BINARY, bytes(70_000), mask=None), 1002),
    "5.2 RSV1": (frame(TEXT, ASK, rsv=4), 1002),
    "5.2 RSV2": (frame(TEXT, ASK, rsv=2), 1002),
    "5.2 RSV3": (frame(TEXT, ASK, rsv=1), 1002),
    "5.2 RSV on a ping": (frame(PING, b"", rsv=4), 1002),
    **{f"5.2 opcode {code}": (frame(code, b"x"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "5.2 a length with its top bit set": (frame(BINARY, b"", claims=(1 << 63) + 5), 1009),
    "5.2 a terabyte": (frame(BINARY, b"", claims=1 << 40), 1009),
    "5.4 a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "5.4 a last continuation of nothing": (frame(CONTINUATION, b"x", fin=False), 1002),
    "5.4 a message in a message": (frame(TEXT, FIRST, fin=False) + frame(TEXT, SECOND), 1002),
    "5.4 a message in an empty message": (frame(TEXT, b"", fin=False) + frame(TEXT, ASK), 1002),
    "5.4 a fragment in a message": (frame(BINARY, b"", fin=False) + frame(BINARY, b"", fin=False), 1002),
    "5.5 a ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "5.5 a ping of 126 bytes": (frame(PING, bytes(126)), 1002),
    "5.5.1 a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "5.5.1 a close of 126 bytes": (frame(CLOSE, struct.pack("!H", 1000) + bytes(124)), 1002),
    "5.5.1 a reason that is no UTF-8": (close(1000, b"\xff\xfe"), 1007),
    **{f"7.4 close code {code}": (close(code), 1002) for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999)},
    "7.4 close code 5000": (close(5000), 1002),
    "7.4 close code 65535": (close(65_535), 1002),
    "8.1 text that is no UTF-8": (frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), 1007),
    "8.1 a lone surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "8.1 an overlong zero": (frame(TEXT, b"\xc0\x80"), 1007),
    "8.1 beyond the last character": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "8.1 half a character at the end": (frame(TEXT, b"\xc3"), 1007),
}


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize("name", GOOD)
async def test_what_the_rules_allow_is_understood(server: Running, name: str, piece: int) -> None:
    async with socket(server) as ws:
        await ws.send(GOOD[name] + END, piece)
        heard = await ws.hear()
        kinds = [json.loads(text)["type"] for text in heard.of(TEXT)]
        assert kinds == ["ready", "pong", "closed"]
        assert (heard.code, heard.reset) == (1000, False)


@pytest.mark.parametrize("piece", [0, 1])
@pytest.mark.parametrize("name", BAD)
async def test_what_they_forbid_is_closed_with_the_code_of_it(
    server: Running, name: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastring.server.websocket.CLOSE_TIMEOUT_S", 0.3)  # of a terabyte no close is in sight
    data, code = BAD[name]
    async with socket(server) as ws:
        assert (await ws.frame())[0] == TEXT
        await ws.send(data, piece if len(data) < 500 else 0)
        heard = await ws.hear(answers=data[0] & 0x0F != CLOSE)
        assert (heard.code, heard.reset) == (code, False)
        assert len(heard.of(CLOSE)) == 1
    await server.empty()


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1008, 1011, 1012, 1014, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(server: Running, code: int) -> None:
    async with socket(server) as ws:
        await ws.send(close(code, b"so long"))
        heard = await ws.hear()
        assert (heard.code, heard.reset) == (code, False)


async def test_a_close_without_a_code_is_answered(server: Running) -> None:
    async with socket(server) as ws:
        await ws.send(close(None))
        assert (await ws.hear(answers=False)).code == 1000


async def test_nothing_after_a_close_is_obeyed(server: Running) -> None:
    async with socket(server) as ws:
        await ws.send(close(1000) + frame(TEXT, ASK) + frame(PING, b"late"))
        heard = await ws.hear(answers=False)
        assert [json.loads(text)["type"] for text in heard.of(TEXT)] == ["ready"]
        assert heard.of(PONG) == []


async def test_pings_are_echoed_and_of_many_at_least_the_last(server: Running) -> None:
    async with socket(server) as ws:
        await ws.send(frame(PING, b"") + frame(PING, bytes(range(125))))
        await ws.send(frame(TEXT, ASK))
        await asyncio.sleep(0.05)
        await ws.send(frame(PING, b"again") + END)
        pongs = (await ws.hear()).of(PONG)
        assert pongs[-1] == b"again"
        assert bytes(range(125)) in pongs


async def test_frames_that_come_with_the_handshake_are_guarded_too(server: Running) -> None:
    async with socket(server, early=frame(TEXT, ASK) + END) as ws:
        assert len((await ws.hear()).of(TEXT)) == 3
    async with socket(server, early=frame(TEXT, ASK, mask=None)) as ws:
        assert (await ws.hear()).code == 1002


async def test_a_message_far_over_the_limit_is_told_why(serve: Serve) -> None:
    """The peer is still sending when it is refused: what is on its way must not reset the connection."""
    async with serve(max_message_bytes=65_536) as server, socket(server) as ws:
        sending = asyncio.ensure_future(ws.send(frame(BINARY, bytes(8_000_000), mask=bytes(4))))
        heard = await ws.hear()
        await sending
        last = json.loads(heard.of(TEXT)[-1])
        assert (last["code"], last["fatal"]) == ("message_too_large", True)
        assert "65536" in last["message"]
        assert (heard.code, heard.reset) == (1009, False)


async def test_a_message_too_long_in_fragments_is_refused(serve: Serve) -> None:
    async with serve(max_message_bytes=65_536) as server, socket(server) as ws:
        part = frame(CONTINUATION, bytes(10_000), fin=False, mask=bytes(4))
        await ws.send(frame(BINARY, b"", fin=False) + part * 8)
        assert (await ws.hear()).code == 1009


async def test_compression_is_not_agreed_to(server: Running) -> None:
    """A small message could stand for a huge one, and audio hardly shrinks."""
    async with socket(server, more="Sec-WebSocket-Extensions: permessage-deflate\r\n") as ws:
        await ws.send(frame(TEXT, ASK, rsv=4))
        assert (await ws.hear()).code == 1002


async def test_a_peer_that_goes_on_after_an_error_is_cut_off(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastring.server.websocket.CLOSE_TIMEOUT_S", 0.2)
    async with socket(server) as ws:
        await ws.send(frame(0x3, b""))
        while (await ws.frame())[0] != CLOSE:
            pass
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 5 and not ws.reader.at_eof():
                await ws.send(frame(BINARY, bytes(1000)))
                await asyncio.sleep(0.01)
        assert time.monotonic() - started < 2
    await server.empty()


@pytest.mark.parametrize(("code", "answer"), [(None, 1000), (0, 1000), (1001, 1001), (1005, 1002), (4409, 4409)])
def test_answers(code: int | None, answer: int) -> None:
    assert answer_to(code) == answer


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
)
def test_taken_where_it_arrives_or_read_later_every_message_comes_once_and_in_order(
    sent: list[tuple[tuple[int, bytes, int], str]], cuts: list[int], takes: list[bool], reads: list[bool]
) -> None:
    """aiohttp's own parser and queue behind the guard; the taker declines and the reader is late as they please."""

    async def walk() -> None:
        loop = asyncio.get_running_loop()
        queue = WebSocketDataQueue(BaseProtocol(loop), 1 << 20, loop=loop)
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
                told = await queue.read()
                heard.append(told.data.encode() if isinstance(told.data, str) else told.data)
        assert heard == [b"ping" if kind == "ping" else payload for (_, payload, _), kind in sent]

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


class Halting:
    """A transport that notes whether it may read."""

    reads = True
    aborted = False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.parametrize("bare", [False, True], ids=["all good", "a bare one among them"])
async def test_a_read_of_tiny_frames_is_worked_off_in_several_turns(bare: bool) -> None:
    """In order, nothing twice, nothing read meanwhile, and what is wrong is found where it stands."""
    parser, transport, errors = Parser(), Halting(), list[Exception]()
    guard = FrameGuard(parser, errors.append, transport=transport)  # type: ignore[arg-type]
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
    transport = Halting()
    guard = FrameGuard(Parser(), lambda error: None, transport=transport)  # type: ignore[arg-type]
    tiny = frame(PING, b"") * 10_000
    for _ in range(100):
        guard.feed_data(tiny)
        if transport.aborted:
            break
    assert transport.aborted


async def test_fragments_without_end_are_bounded_in_bytes_and_in_time(serve: Serve) -> None:
    """Empty ones hold no byte that counts: there the message that never ends is as good as silence."""
    for part, code, seconds in ((b"x", 1009, 5.0), (b"", 1008, 0.5)):
        fragments = frame(CONTINUATION, part, fin=False) * 2000
        async with serve(max_message_bytes=20_000, idle_timeout_s=0.5) as server, socket(server) as ws:
            await ws.send(frame(BINARY, b"", fin=False))
            began = time.monotonic()
            sending = asyncio.ensure_future(flood(ws, fragments))
            heard = await ws.hear()
            sending.cancel()
            assert heard.code == code
            assert time.monotonic() - began < seconds + 3


async def flood(ws: RawSocket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await ws.send(data)
            await asyncio.sleep(0.001)


async def test_of_a_message_that_is_too_long_nothing_is_kept() -> None:
    parser = Parser()
    guard = FrameGuard(parser, lambda error: None, longest=1000)
    guard.taker = lambda message, _now: True
    guard.feed_data(frame(BINARY, bytes(1001))[:500])
    assert len(parser.data) == 500


@pytest.mark.parametrize("sign", ["messages", "pongs", "nothing"])
async def test_who_gives_no_sign_of_life_is_pinged_and_then_let_go(serve: Serve, sign: str) -> None:
    async with serve(heartbeat_s=0.2) as server, socket(server) as ws:
        await ws.frame()
        pings, began = 0, time.monotonic()
        while time.monotonic() - began < 1.0:
            if sign == "messages":
                await ws.send(frame(TEXT, ASK))
                await asyncio.sleep(0.05)
            try:
                kind, _ = await ws.frame(0.01 if sign == "messages" else 1.0)
            except asyncio.TimeoutError:
                continue
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            pings += kind == PING
            if kind == PING and sign == "pongs":
                await ws.send(frame(PONG))
        took_s = time.monotonic() - began
        assert (pings == 0) == (sign == "messages")
        assert (0.29 < took_s < 0.9) == (sign == "nothing")
        if sign == "nothing":
            await server.empty()


async def test_two_hundred_thousand_fragments_of_a_byte_cost_no_memory_and_harm_nobody(server: Running) -> None:
    piece, last = frame(CONTINUATION, b"\0", fin=False), frame(CONTINUATION, b"\0")
    async with (
        RawSocket(server.netloc, BASE + "voice/f") as raw,
        server.connect(BASE + "voice/other") as other,
    ):
        await other.receive_json()
        tracemalloc.start()
        try:
            await raw.send(frame(BINARY, b"\0", fin=False) + piece * 199_998 + last, piece=1 << 16)
            await other.send_str('{"type":"ping"}')
            assert (await other.receive_json(timeout=5))["type"] == "pong"
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()
