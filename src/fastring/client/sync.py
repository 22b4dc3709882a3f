"""The same without `await`: a loop in a thread of its own, and calls that wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fastring.client import voice

if TYPE_CHECKING:
    from types import TracebackType

    from fastring.client.events import ClientEvent
    from fastring.client.sources import Chunk, Source

__all__ = ["VoiceStream", "transcribe"]

T = TypeVar("T")


class VoiceStream:
    """`fastring.client.VoiceStream` for code without a loop; the same arguments, methods and errors.

        with VoiceStream("http://127.0.0.1:8000") as stream:
            stream.send(pcm16)
            stream.close()
            for event in stream:
                ...

    Send from one thread and iterate in another for live use.
    """

    def __init__(self, url: str, stream_id: str | None = None, **options: Any) -> None:
        self._open: Callable[[], voice.VoiceStream] = partial(voice.VoiceStream, url, stream_id, **options)
        self._stream: voice.VoiceStream | None = None

    def __enter__(self) -> VoiceStream:
        """Connect; see `fastring.client.VoiceStream.__aenter__`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fastring client", daemon=True)
        self._thread.start()
        try:
            self._stream = self._wait(self._enter())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the stream up, if it is not over."""
        try:
            if self._stream is not None:
                self._wait(self._stream.__aexit__(kind, error, trace))
        finally:
            self._end()

    def send(self, audio: Chunk) -> None:
        """Send audio; see `fastring.client.VoiceStream.send`."""
        stream = self._opened
        self._wait(stream.send(audio))

    def feed(self, source: Source) -> None:
        """Send all of a source, then close; see `fastring.client.VoiceStream.feed`."""
        self._wait(self._opened.feed(source))

    def finalize(self) -> None:
        """End the utterance now; its final follows."""
        self._wait(self._opened.finalize())

    def close(self) -> None:
        """Say that no audio follows."""
        self._wait(self._opened.close())

    def __iter__(self) -> Iterator[ClientEvent]:
        """Every event, in order; ends after `Closed`."""
        events = self._opened.__aiter__()
        while (event := self._wait(_next(events))) is not None:
            yield event

    @property
    def _opened(self) -> voice.VoiceStream:
        if self._stream is None:
            raise RuntimeError("the stream is not open: use it in a `with` block")
        return self._stream

    async def _enter(self) -> voice.VoiceStream:
        return await self._open().__aenter__()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


async def _next(events: AsyncIterator[ClientEvent]) -> ClientEvent | None:
    try:
        return await events.__anext__()
    except StopAsyncIteration:
        return None


def transcribe(url: str, source: Source, stream_id: str | None = None, **options: Any) -> Iterator[ClientEvent]:
    """The events of a whole source, as they come; see `fastring.client.transcribe`.

    A file goes out as fast as the server takes it. Any other source is read in the client's own thread.
    """
    with VoiceStream(url, stream_id, **options) as stream:
        failures: list[BaseException] = []
        feeder = threading.Thread(target=_feed, args=(stream, source, failures), name="fastring feed")
        feeder.start()
        yield from stream
        feeder.join()
        if failures:
            raise failures[0]


def _feed(stream: VoiceStream, source: Source, failures: list[BaseException]) -> None:
    try:
        stream.feed(source)
    except BaseException as error:
        failures.append(error)
        stream.close()
