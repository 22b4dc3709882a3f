"""The facade without `await`, against a real server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from serving import SCRIPT, TWO_UTTERANCES, chunks, serving

from fastring.client import Closed, Final, Ready
from fastring.client.sync import VoiceStream, transcribe
from fastring.errors import FastringError


@pytest.fixture
def url() -> Iterator[str]:
    started, stop, where = threading.Event(), [], []

    async def run() -> None:
        end = asyncio.Event()
        async with serving() as server:
            where.append(server.url)
            stop.append((asyncio.get_running_loop(), end))
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(10)
    yield where[0]
    loop, end = stop[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(10)


def test_a_conversation(url: str) -> None:
    with VoiceStream(url, "mic") as stream:
        for chunk in chunks(TWO_UTTERANCES):
            stream.send(chunk)
        stream.finalize()
        stream.close()
        events = list(stream)
    assert isinstance(events[0], Ready)
    assert isinstance(events[-1], Closed)
    assert [event.text for event in events if isinstance(event, Final)][:2] == list(SCRIPT)


def test_a_whole_source(url: str) -> None:
    finals = [event.text for event in transcribe(url, chunks(TWO_UTTERANCES)) if isinstance(event, Final)]
    assert finals == list(SCRIPT)


def test_errors_come_through(url: str) -> None:
    with pytest.raises(FastringError, match="no-such-file"):
        list(transcribe(url, "no-such-file.wav"))
    with pytest.raises(FastringError, match="no server"), VoiceStream("http://127.0.0.1:1"):
        pass
    with pytest.raises(RuntimeError, match="with"):
        VoiceStream(url).send(b"")
    names = {thread.name for thread in threading.enumerate()}
    assert "fastring client" not in names
