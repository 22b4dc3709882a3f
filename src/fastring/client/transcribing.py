"""The events of a whole source: a stream that is fed to its end while it is listened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastring.client.voice import VoiceStream

if TYPE_CHECKING:
    from fastring.client.events import ClientEvent
    from fastring.client.sources import Source

__all__ = ["transcribe"]


async def transcribe(
    url: str, source: Source, stream_id: str | None = None, **options: Any
) -> AsyncIterator[ClientEvent]:
    """The events of a whole source, as they come.

        async for event in transcribe("http://127.0.0.1:8000", "talk.mp3"):
            if isinstance(event, Final):
                print(event.text)

    Args:
        url: of the server.
        source: a path, an array, bytes, or an iterator or async iterator of arrays or bytes; `microphone()` is one.
        stream_id: a name; None makes one.
        options: of `VoiceStream`.

    Raises:
        FastringError: as `VoiceStream` and `VoiceStream.feed`.
    """
    async with VoiceStream(url, stream_id, **options) as stream:
        loop = asyncio.get_running_loop()
        feeder = loop.create_task(stream.feed(source), name=f"feed {stream.stream_id}")
        failed = loop.create_task(_failure_of(feeder, stream))
        try:
            async for event in stream:
                yield event
            await feeder
        finally:
            for task in (feeder, failed):
                task.cancel()
            await asyncio.gather(feeder, failed, return_exceptions=True)


async def _failure_of(feeder: asyncio.Task[None], stream: VoiceStream) -> None:
    """A source that fails ends the stream: what came before is still answered."""
    await asyncio.wait([feeder])
    if not feeder.cancelled() and feeder.exception() is not None:
        await stream.close()
