"""What `fastring transcribe --server` does: recordings or the microphone to a server, over the resuming client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastring.events import Final, Latency, Word

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastring.client import ClientEvent

__all__ = ["SAMPLE_RATE", "transcribe_remotely"]

SAMPLE_RATE = 16_000
_NO_TIME = Latency(0.0, 0.0, 0.0, 0.0)


def transcribe_remotely(
    url: str, source: Path | None, *, api_key: str, language: str, hear: Callable[[ClientEvent], object]
) -> list[Final]:
    """The finals with text of one source; without a path, of the microphone until Ctrl-C.

    Args:
        url: of the server.
        source: a recording; None is the microphone.
        api_key: of the server, or "".
        language: code, or "" for the server's own.
        hear: called with every event as it comes.

    Raises:
        FastringError: as `fastring.client.transcribe`.
    """
    finals: list[Final] = []
    try:
        asyncio.run(_hear(url, source, api_key, language, hear, finals))
    except KeyboardInterrupt:
        if source is not None:
            raise
    return finals


async def _hear(
    url: str, source: Path | None, api_key: str, language: str, hear: Callable[[ClientEvent], object], into: list[Final]
) -> None:
    from fastring import client

    options: dict[str, Any] = {"language": language} if language else {}
    audio: Any = client.microphone(SAMPLE_RATE) if source is None else source
    limits = client.Limits(drop=source is None)
    async for event in client.transcribe(url, audio, api_key=api_key, limits=limits, interim=False, **options):
        hear(event)
        if isinstance(event, client.Final) and event.text:
            into.append(_final(event))


def _final(final: Any) -> Final:
    """A client's final as the rest of the command knows it: times in samples."""
    words = tuple(Word(w.text, _samples(w.start), _samples(w.end), w.confidence, w.stable) for w in final.words)
    start, end = _samples(final.start), _samples(final.end)
    return Final(final.seq, final.utterance, final.text, words, final.confidence, start, end, _NO_TIME)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
