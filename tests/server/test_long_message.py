"""A message put together from frames, each unmasked in pieces of any size."""

from __future__ import annotations

import tracemalloc

import pytest
from aiohttp import WebSocketError
from hypothesis import given
from hypothesis import strategies as st
from raw_websocket import BINARY, CONTINUATION, frame

from fastring.server.long_message import LongMessage

MASK = b"\x01\x80\xfe\x37"


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.binary(max_size=10),
)
def test_however_the_bytes_are_cut_the_message_is_the_same(
    payloads: list[bytes], cuts: list[int], after: bytes
) -> None:
    message = LongMessage(BINARY, 1000)
    for number, payload in enumerate(payloads):
        masked = frame(CONTINUATION if number else BINARY, payload, mask=MASK)[6:]
        assert not message.whole
        message.begin_frame(len(payload), MASK, last=number == len(payloads) - 1)
        at = turn = 0
        while message.frame_left:
            cut = cuts[turn % len(cuts)]
            piece = masked[at : at + cut]
            if at + cut >= len(masked):
                piece += after  # of the frame that follows
            taken = message.take(b"head" + piece, 4) - 4
            assert taken == min(cut, len(masked) - at)
            at, turn = at + taken, turn + 1
    assert message.whole
    assert message.data == b"".join(payloads)


def test_a_frame_that_makes_it_too_long_is_refused_before_a_byte_of_it_is_kept() -> None:
    message = LongMessage(BINARY, 100)
    message.begin_frame(100, MASK, last=False)
    message.take(bytes(100), 0)
    with pytest.raises(WebSocketError, match="Message size 101 exceeds limit 101") as refused:
        message.begin_frame(1, MASK, last=True)
    assert refused.value.code == 1009
    assert (len(message.data), message.frame_left) == (100, 0)


def test_nothing_is_held_for_bytes_that_have_not_come() -> None:
    tracemalloc.start()
    try:
        message = LongMessage(BINARY, 1 << 40)
        message.begin_frame(1 << 39, MASK, last=True)
        message.take(bytes(1000), 0)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
