"""The process that decodes, as its owner sees it: messages on a socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.audio.decoder_worker import DATA, END, FAILED, OPEN_STREAM, READY, SAMPLES, SocketFeed, receive, send
from fastring.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no socket can be handed over on this system")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8), st.binary(max_size=200)), max_size=5))
def test_messages_arrive_as_they_were_sent(messages: list[tuple[int, int, bytes]]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for kind, channels, data in messages:
            send(ours, kind, data, channels)
        assert [receive(theirs) for _ in messages] == messages


def test_long_ones_too_and_the_end_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    data = os.urandom(3_000_000)
    sending = threading.Thread(target=send, args=(ours, DATA, data))
    sending.start()
    assert receive(theirs) == (DATA, 0, data)
    sending.join()
    ours.sendall(b"half")
    ours.close()
    with pytest.raises(EOFError):
        receive(theirs)


def test_an_answer_is_given_when_more_is_asked_for(pair: tuple[socket.socket, socket.socket]) -> None:
    owner, theirs = pair
    feed = SocketFeed(theirs, max_burst_samples=100)

    def decode() -> None:
        assert feed.read(3) == b"abc"
        assert feed.read(10) == b"de"
        feed.put(np.full(60, 0.5, np.float32))
        assert feed.read(10) == b"f"
        feed.put(np.zeros((40, 2), np.float32)[:, 0])
        feed.put(np.zeros(0, np.float32))
        assert feed.read(10) == b""
        with pytest.raises(DecodeError, match="more than 100 samples"):
            feed.put(np.zeros(101, np.float32))
        feed.finish(DecodeError("broken"))
        assert feed.read(10) == b""

    thread = threading.Thread(target=decode)
    thread.start()
    send(owner, DATA, b"abcde")
    kind, channels, samples = receive(owner)
    assert (kind, channels, np.frombuffer(samples, np.int16).tolist()) == (SAMPLES, 0, [16384] * 60)
    send(owner, DATA, b"f")
    assert receive(owner) == (SAMPLES, 0, bytes(80))
    send(owner, END)
    for _ in range(2):
        kind, _, told = receive(owner)
        assert (kind, json.loads(told)) == (FAILED, ["DecodeError", "broken"])
        send(owner, DATA, b"more")
    owner.shutdown(socket.SHUT_WR)
    thread.join(10)
    assert not thread.is_alive()


def test_the_process_takes_sockets_ignores_signals_and_ends_when_hung_up_on() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.settimeout(30)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from fastring.audio.decoder_worker import run; run({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
        )
    assert ours.recv(1) == READY
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    owner, other = socket.socketpair(socket.AF_UNIX)
    owner.settimeout(30)
    with owner:
        with other:
            socket.send_fds(ours, [READY], [other.fileno()])
        send(owner, OPEN_STREAM, b'{"sample_rate": 16000, "channels": "mix", "max_burst_samples": 1000}')
        send(owner, DATA, b"nonsense" * 5_000)
        kind, _, told = receive(owner)
        assert (kind, json.loads(told)[0]) == (FAILED, "DecodeError")
    ours.close()
    assert process.wait(30) == 0
