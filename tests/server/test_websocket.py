"""RFC 6455 against the real server, frame by frame; the numbers are its sections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from raw_websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, close, frame
from serving import BASE

from fastring.server.websocket import answer_to

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
