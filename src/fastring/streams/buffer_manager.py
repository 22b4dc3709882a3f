"""AudioBufferManager: named streams of audio, each with its ring and its callbacks, none in another's way."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, SupportsFloat

from fastring.audio.ring import RingBuffer
from fastring.config import AnalysisSettings
from fastring.errors import ConfigError, StreamExistsError, UnknownStreamError
from fastring.session.stats import buffer_stats
from fastring.streams.callbacks import (
    CallbackRunner,
    Completion,
    LoopThread,
    callback_runner,
    running_loop,
    stop_runners,
)
from fastring.streams.intake import Encoding, check_encoding, check_size, for_float32_ring

__all__ = ["AudioBufferManager", "ChunkCallback"]

if TYPE_CHECKING:
    from types import TracebackType

    from fastring.streams.intake import AudioInput, Float32

ChunkCallback = Callable[["Float32", int], "Awaitable[None] | None"]

_FLOAT32_BYTES = 4


class _Listener:
    """One callback of a stream, with a reader of its own: what it misses, it alone misses."""

    def __init__(self, stream: _Stream, callback: ChunkCallback) -> None:
        self._stream = stream
        self.reader = stream.ring.reader(start=stream.ring.write_index)
        name = getattr(callback, "__qualname__", type(callback).__name__)
        self.runner = callback_runner(f"{stream.stream_id}:{name}", callback, self._next_chunk)

    def _next_chunk(self) -> tuple[Float32, int] | None:
        stream = self._stream
        if self.reader.available < stream.chunk_size:
            return None
        return self.reader.read(stream.chunk_size), stream.sample_rate

    def announce(self) -> None:
        """Wake the callback if there is a whole chunk for it."""
        if self.reader.available >= self._stream.chunk_size:
            self.runner.wake()

    def stats(self) -> dict[str, Any]:
        return {
            "name": self.runner.name.partition(":")[2],
            "delivered": self.runner.delivered,
            "errors": self.runner.errors,
            "last_error": self.runner.last_error,
            "dropped": self.reader.dropped,
            "pending": self.reader.available,
        }


class _Stream:
    """A named stream: its ring and its listeners."""

    def __init__(
        self, stream_id: str, sample_rate: int, *, channels: int, encoding: Encoding, chunk_size: int, max_size: int
    ) -> None:
        self.stream_id = stream_id
        self.sample_rate = sample_rate
        self.channels = channels
        self.encoding = encoding
        self.chunk_size = chunk_size
        self.ring = RingBuffer(max_size, channels, "float32")
        self.listeners: list[_Listener] = []
        self.processing = False
        self.writes = 0

    @property
    def runners(self) -> list[CallbackRunner]:
        return [listener.runner for listener in self.listeners]

    def write(self, audio: AudioInput) -> int:
        written: int = self.ring.write(for_float32_ring(audio, self.encoding))
        self.writes += 1
        if self.processing:
            for listener in self.listeners:
                listener.announce()
        return written

    def stats(self) -> dict[str, Any]:
        listeners = [listener.stats() for listener in self.listeners]
        return {
            "stream_id": self.stream_id,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "chunk_size": self.chunk_size,
            "processing": self.processing,
            "writes": self.writes,
            "buffer": buffer_stats(self.ring),
            "callbacks": listeners,
            **{key: sum(listener[key] for listener in listeners) for key in ("delivered", "errors", "dropped")},
        }


class AudioBufferManager:
    """Named streams of live audio. Audio goes in with `write`, whole chunks come out at the callbacks.

    Every callback has a reader of its own on its stream's ring. One that raises is logged and counted, and goes on
    with the next chunk; one that is too slow loses the oldest audio, counted in its `dropped`, and no other callback
    or stream notices. Plain callbacks run in a thread of their own, so they may block; async ones run as tasks in the
    event loop in which `start_processing` was called, or, in a program without one, in a loop thread of the manager.

    All methods are plain calls. `start_processing`, `stop_processing`, `remove_stream` and `close` may be awaited as
    well: within an event loop, `await` is how to wait until the callbacks have ended; without one, the call waits.
    Writes to one stream come from one thread at a time; different streams may be written from different threads.

        manager = AudioBufferManager(chunk_size=1024)
        manager.create_stream("mic", sample_rate=44100)
        manager.register_callback("mic", lambda chunk, sample_rate: print(chunk.shape))
        manager.start_processing()
        manager.write("mic", samples)
        manager.stop_processing()

    Args:
        chunk_size: samples per channel in what a callback gets, at least 1.
        max_size: samples per channel that a stream holds at most; None: about 1 MB.

    Raises:
        ConfigError: a size out of range.
    """

    def __init__(self, chunk_size: int = 1024, *, max_size: int | None = None) -> None:
        self.chunk_size = check_size("chunk_size", chunk_size)
        self._max_size = None if max_size is None else check_size("max_size", max_size)
        if max_size is not None and max_size < chunk_size:
            raise ConfigError(f"max_size = {max_size}: must be at least chunk_size ({chunk_size})")
        self._streams: dict[str, _Stream] = {}
        self._lock = threading.Lock()
        self._processing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: LoopThread | None = None

    def __repr__(self) -> str:
        state = "processing" if self._processing else "at rest"
        return f"<AudioBufferManager {self.list_streams()} in chunks of {self.chunk_size}, {state}>"

    def create_stream(
        self, stream_id: str, sample_rate: int = 44100, *, channels: int = 1, encoding: Encoding = "float32"
    ) -> str:
        """Add a stream.

        Args:
            stream_id: its name, not empty.
            sample_rate: in Hz, above 0; passed on to the callbacks.
            channels: interleaved channels, 1..32.
            encoding: how `write` reads bytes: float32 or linear16.

        Returns:
            `stream_id`.

        Raises:
            StreamExistsError: there is one of that name.
            ConfigError: an argument out of range.
        """
        if not stream_id or not isinstance(stream_id, str):
            raise ConfigError(f"stream_id = {stream_id!r}: must be a string that is not empty")
        if not isinstance(sample_rate, SupportsFloat) or not 0 < sample_rate < math.inf:
            raise ConfigError(f"sample_rate = {sample_rate!r}: must be above 0 Hz, and finite")
        about_a_megabyte = AnalysisSettings().ring_bytes // (_FLOAT32_BYTES * max(channels, 1))
        stream = _Stream(
            stream_id,
            sample_rate,
            channels=channels,
            encoding=check_encoding(encoding),
            chunk_size=self.chunk_size,
            max_size=self._max_size or max(about_a_megabyte, self.chunk_size),
        )
        with self._lock:
            if stream_id in self._streams:
                raise StreamExistsError(f"there is a stream {stream_id!r} already")
            stream.processing = self._processing
            self._streams[stream_id] = stream
        return stream_id

    def register_callback(self, stream_id: str, callback: ChunkCallback) -> None:
        """Call `callback(chunk, sample_rate)` for every chunk that is written from now on.

        Args:
            stream_id: whose audio.
            callback: plain or async. `chunk` is float32, shape (chunk_size,), or (chunk_size, channels) if there are
                several; it is the callback's own.

        Raises:
            UnknownStreamError: no such stream.
            TypeError: `callback` cannot be called.
        """
        stream = self._stream(stream_id)
        listener = _Listener(stream, callback)
        with self._lock:
            stream.listeners.append(listener)
        if stream.processing:
            self._start(listener.runner)

    def start_processing(self, stream_id: str | None = None) -> Completion:
        """Let the callbacks run: those of one stream, or (None) of all, also of streams created later.

        What was written before and is still held is delivered first.
        """
        with self._lock:
            self._loop = running_loop() or self._loop
            if stream_id is None:
                self._processing = True
        for stream in self._chosen(stream_id):
            stream.processing = True
            for runner in stream.runners:
                self._start(runner)
        return Completion()

    def stop_processing(self, stream_id: str | None = None, *, timeout_s: float = 5.0) -> Completion:
        """Deliver the whole chunks that are held, then let the callbacks rest; the streams stay.

        Args:
            stream_id: which stream; None: all.
            timeout_s: a callback that needs longer is given up: what it has not got by then stays in the ring.
        """
        streams = self._chosen(stream_id)
        if stream_id is None:
            self._processing = False
        for stream in streams:
            stream.processing = False
        return stop_runners([runner for stream in streams for runner in stream.runners], timeout_s)

    def write(self, stream_id: str, audio: AudioInput) -> int:
        """Append audio to a stream; never waits.

        Args:
            stream_id: which stream.
            audio: float32 or int16 array, shape (n * channels,) interleaved or (n, channels); or bytes in the stream's
                encoding.

        Returns:
            n, the samples per channel that were written.

        Raises:
            UnknownStreamError: no such stream.
            AudioFormatError: wrong dtype, shape or byte count; nothing was written.
        """
        return self._stream(stream_id).write(audio)

    def remove_stream(self, stream_id: str, *, timeout_s: float = 1.0) -> Completion:
        """Forget a stream and what it holds. Its callbacks end after the call they are in.

        Raises:
            UnknownStreamError: no such stream.
        """
        with self._lock:
            stream = self._streams.pop(stream_id, None)
        if stream is None:
            raise _unknown(stream_id)
        stream.processing = False
        stream.ring.close()
        for runner in stream.runners:
            runner.give_up()
        return stop_runners(stream.runners, timeout_s)

    def list_streams(self) -> list[str]:
        """The names of all streams, oldest first."""
        return list(self._streams)

    def stats(self, stream_id: str | None = None) -> dict[str, Any]:
        """Counts of one stream, or of all of them.

        Returns:
            With `stream_id`: `stream_id`, `sample_rate`, `channels`, `chunk_size`, `processing`, `writes`,
            `buffer` {`capacity_samples`, `used_samples`, `usage`, `written`, `read`, `dropped`, `overflows`},
            `callbacks` [{`name`, `delivered`, `errors`, `last_error`, `dropped`, `pending`}] and the sums of
            `delivered`, `errors` and `dropped`. Without: `stream_count`, `processing`, `streams` {id: the above}, and
            the sums over all.

        Raises:
            UnknownStreamError: no such stream.
        """
        if stream_id is not None:
            return self._stream(stream_id).stats()
        streams = {name: stream.stats() for name, stream in list(self._streams.items())}
        sums = {key: sum(one[key] for one in streams.values()) for key in ("delivered", "errors", "dropped")}
        return {"stream_count": len(streams), "processing": self._processing, **sums, "streams": streams}

    def close(self, *, timeout_s: float = 5.0) -> Completion:
        """Stop processing and remove every stream."""
        stopped = self.stop_processing(timeout_s=timeout_s)

        async def finish() -> None:
            await stopped
            self._dismantle()

        if running_loop() is not None:
            return Completion(finish)
        self._dismantle()
        return Completion()

    def __enter__(self) -> AudioBufferManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AudioBufferManager:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _dismantle(self) -> None:
        with self._lock:
            streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.ring.close()
        if self._loop_thread is not None:
            self._loop_thread.close()
            self._loop_thread = None

    def _start(self, runner: CallbackRunner) -> None:
        loop = running_loop() or (self._loop if self._loop is not None and not self._loop.is_closed() else None)
        if loop is None and runner.needs_loop:
            with self._lock:
                self._loop_thread = self._loop_thread or LoopThread()
            loop = self._loop_thread.loop
        runner.start(loop)

    def _stream(self, stream_id: str) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise _unknown(stream_id)
        return stream

    def _chosen(self, stream_id: str | None) -> list[_Stream]:
        return list(self._streams.values()) if stream_id is None else [self._stream(stream_id)]


def _unknown(stream_id: str) -> UnknownStreamError:
    return UnknownStreamError(f"there is no stream {stream_id!r}")
