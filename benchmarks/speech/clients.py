"""Clients that speak to a server as people do: in real time, over sockets, each something else, none in step."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from speech_corpus import RATE, Spoken, phrases

from fastring.client import ClientStream, connect
from fastring.errors import FastringError, ProtocolError

CHUNK_S = 0.04
STAGGER_S = 2.0  # over which the clients start
DRAIN_S = 45.0  # what has not been answered this long after the last sample counts as lost
_BLOCKS = 4
_GOLDEN = 0.6180339887


@dataclass
class Heard:
    """What one client said and was told. Times are monotonic seconds."""

    spoken: Spoken
    began_s: float = 0.0  # when its first sample was spoken
    messages: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    refused: str = ""  # why the server did not let it in

    @property
    def answered(self) -> bool:
        """Whether all it said was answered: the server said `closed`."""
        return bool(self.messages) and self.messages[-1][1]["type"] == "closed"


def scripts(count: int, seconds: float) -> list[Spoken]:
    """What each client says: digits in phrases. All say the same phrases in the end, each in another order.

    So what differs between clients is how they are served, not what they say.
    """
    blocks = [phrases(seconds / _BLOCKS, seed=100 + number) for number in range(_BLOCKS)]
    return [_joined(blocks[number % _BLOCKS :] + blocks[: number % _BLOCKS]) for number in range(count)]


def _joined(blocks: list[Spoken]) -> Spoken:
    words = []
    at = 0
    for block in blocks:
        words += [(text, at + begin, at + end) for text, begin, end in block.words]
        at += len(block.samples)
    return Spoken(np.concatenate([block.samples for block in blocks]), words)


async def speak_together(url: str, spoken: list[Spoken]) -> list[Heard]:
    """All clients at once; they start apart, and never at even distances."""
    starts_s = [STAGGER_S * (number * _GOLDEN % 1) for number in range(len(spoken))]
    clients = [speak(url, f"client-{n}", said, starts_s[n]) for n, said in enumerate(spoken)]
    return list(await asyncio.gather(*clients))


async def speak(url: str, name: str, spoken: Spoken, after_s: float = 0.0) -> Heard:
    """One client from its first sample to `closed`, or to the end of its patience, or of the server."""
    heard = Heard(spoken)
    await asyncio.sleep(after_s)
    try:
        async with connect(url, name) as stream:
            await _converse(stream, heard)
    except ProtocolError as error:
        heard.refused = str(error)
    except FastringError:
        pass  # the server has gone: not answered
    return heard


async def _converse(stream: ClientStream, heard: Heard) -> None:
    reader = asyncio.ensure_future(_read(stream, heard))
    try:
        await _send(stream, heard)
        await asyncio.wait_for(reader, DRAIN_S)
    except asyncio.TimeoutError:
        pass
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _send(stream: ClientStream, heard: Heard) -> None:
    """A chunk goes out when its last sample has been spoken; a slow server makes nobody speak later."""
    samples, size = heard.spoken.samples, round(CHUNK_S * RATE)
    heard.began_s = time.monotonic()
    for begin in range(0, len(samples), size):
        end = min(begin + size, len(samples))
        await asyncio.sleep(max(0.0, heard.began_s + end / RATE - time.monotonic()))
        await stream.send(samples[begin:end])
    await stream.close()


async def _read(stream: ClientStream, heard: Heard) -> None:
    async for message in stream:
        heard.messages.append((time.monotonic(), message))
