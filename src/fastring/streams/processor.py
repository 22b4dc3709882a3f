"""StreamingAudioProcessor: several live streams, each analysed chunk by chunk as its audio comes in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastring.analysis.realtime import RealtimeAnalysisResult, RealtimeAudioAnalyzer
from fastring.audio.ring import RingBuffer
from fastring.config import AnalysisSettings
from fastring.errors import AudioFormatError, ConfigError, StreamExistsError, UnknownStreamError
from fastring.session.stats import LatencyLog, buffer_stats
from fastring.streams.callbacks import callback_runner, running_loop, stop_runners
from fastring.streams.intake import Encoding, check_encoding, for_float32_ring

if TYPE_CHECKING:
    from types import TracebackType

    from fastring.streams.intake import AudioInput, Float32

__all__ = ["AnalysisCallback", "StreamingAudioProcessor"]

AnalysisCallback = Callable[[RealtimeAnalysisResult], "Awaitable[None] | None"]

_FLOAT32_BYTES = 4
_WAITING_RESULTS = 256  # results that may wait for a slow callback; the oldest go first


class _Listener:
    """One callback, and the results that wait for it."""

    def __init__(self, name: str, callback: Callable[..., Any]) -> None:
        self._waiting: deque[tuple[Any, ...]] = deque(maxlen=_WAITING_RESULTS)
        self.dropped = 0
        self.runner = callback_runner(name, callback, self._next)

    def put(self, *arguments: Any) -> None:
        """Have it called with these, when it has time. Within an event loop."""
        self.runner.start(running_loop())
        self.dropped += len(self._waiting) == _WAITING_RESULTS
        self._waiting.append(arguments)
        self.runner.wake()

    def _next(self) -> tuple[Any, ...] | None:
        return self._waiting.popleft() if self._waiting else None

    def stats(self) -> dict[str, Any]:
        runner = self.runner
        return {
            "name": runner.name.partition(":")[2],
            "delivered": runner.delivered,
            "errors": runner.errors,
            "last_error": runner.last_error,
            "dropped": self.dropped,
        }


class _Stream:
    """A stream: its ring, its analyzer, its latest result and its counts."""

    def __init__(self, stream_id: str, sample_rate: int, channels: int, encoding: Encoding) -> None:
        self.stream_id = stream_id
        self.sample_rate = sample_rate
        self.channels = channels
        self.encoding = encoding
        self.analyzer = RealtimeAudioAnalyzer(sample_rate, channels)
        self.ring = RingBuffer(AnalysisSettings().ring_bytes // (_FLOAT32_BYTES * channels), channels, "float32")
        self.latest: RealtimeAnalysisResult | None = None
        self.listeners: list[_Listener] = []
        self.latency = LatencyLog()
        self.started_s = time.monotonic()
        self.messages = 0
        self.bytes = 0
        self.malformed = 0

    def process(self, audio: AudioInput) -> RealtimeAnalysisResult:
        try:
            samples = self._samples(audio)
            frames = self.ring.write(samples)  # checks before it writes
        except AudioFormatError:
            self.malformed += 1
            raise
        self.ring.read(0)  # comes upon what a chunk longer than the ring overwrote
        self.ring.commit(self.ring.available)
        before = time.perf_counter()
        result = self.analyzer.analyze(samples, (self.ring.write_index - frames) / self.sample_rate)
        self.latency.add(time.perf_counter() - before)
        self.messages += 1
        self.bytes += samples.nbytes
        self.latest = result
        return result

    def _samples(self, audio: AudioInput) -> Float32:
        samples = for_float32_ring(audio, self.encoding)
        if isinstance(samples, np.ndarray):
            return samples
        if len(samples) % _FLOAT32_BYTES:
            raise AudioFormatError(f"{len(samples)} bytes: no multiple of {_FLOAT32_BYTES}, the bytes of a sample")
        return np.frombuffer(samples, dtype="<f4")

    def stats(self) -> dict[str, Any]:
        return {
            "stream_id": self.stream_id,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "encoding": self.encoding,
            "buffer": buffer_stats(self.ring),
            "messages": self.messages,
            "bytes": self.bytes,
            "malformed": self.malformed,
            "analysis": self.latency.stats(),
            "callbacks": [listener.stats() for listener in self.listeners],
            "uptime_s": time.monotonic() - self.started_s,
        }


class StreamingAudioProcessor:
    """Analyses live streams; several at once, none in another's way.

        processor = StreamingAudioProcessor()
        await processor.start_stream("mic", sample_rate=44100)
        result = await processor.process_audio("mic", data)   # bytes of float32, or an array
        await processor.stop_stream("mic")

    `process_audio` measures where it is awaited: that takes microseconds. Callbacks run apart (plain ones in a thread
    of their own, async ones as a task), so a slow or raising one holds nothing up; it is counted in `get_stats`.

    Args:
        sample_rate: of streams that are started without one, 8000..192000 Hz.
        channels: of streams that are started without a count, 1..32.
        encoding: how bytes are read where a stream does not say: float32 or linear16.
    """

    def __init__(self, sample_rate: int = 44100, channels: int = 1, encoding: Encoding = "float32") -> None:
        self._defaults = (sample_rate, channels, check_encoding(encoding))
        self._streams: dict[str, _Stream] = {}
        self._everywhere: list[_Listener] = []

    def __repr__(self) -> str:
        return f"<StreamingAudioProcessor {self.list_streams()}>"

    async def start_stream(
        self,
        stream_id: str,
        sample_rate: int | None = None,
        *,
        channels: int | None = None,
        encoding: Encoding | None = None,
        callback: AnalysisCallback | None = None,
    ) -> str:
        """Start a stream.

        Args:
            stream_id: its name, not empty.
            sample_rate: in Hz, 8000..192000.
            channels: interleaved channels, 1..32.
            encoding: how bytes are read: float32 or linear16.
            callback: as with `register_callback`.

        Returns:
            `stream_id`.

        Raises:
            StreamExistsError: it runs already.
            ConfigError: an argument out of range.
        """
        if not stream_id or not isinstance(stream_id, str):
            raise ConfigError(f"stream_id = {stream_id!r}: must be a string that is not empty")
        if stream_id in self._streams:
            raise StreamExistsError(f"there is a stream {stream_id!r} already")
        rate, count, default_encoding = self._defaults
        self._streams[stream_id] = _Stream(
            stream_id,
            rate if sample_rate is None else sample_rate,
            count if channels is None else channels,
            default_encoding if encoding is None else check_encoding(encoding),
        )
        if callback is not None:
            self.register_callback(stream_id, callback)
        return stream_id

    async def process_audio(self, stream_id: str, audio: AudioInput) -> RealtimeAnalysisResult:
        """Take a chunk of any length and measure it.

        Args:
            stream_id: which stream.
            audio: bytes in the stream's encoding, or a float32 or int16 array of shape (n * channels,) or
                (n, channels).

        Returns:
            What is known after this chunk; `timestamp` is where the chunk begins, in seconds of the stream.

        Raises:
            UnknownStreamError: no such stream.
            AudioFormatError: wrong dtype, shape or byte count; nothing was taken, and the stream goes on.
        """
        stream = self._stream(stream_id)
        result = stream.process(audio)
        for listener in stream.listeners:
            listener.put(result)
        for listener in self._everywhere:
            listener.put(stream_id, result)
        return result

    def get_latest_analysis(self, stream_id: str) -> RealtimeAnalysisResult | None:
        """The latest result of a stream; None before its first audio.

        Raises:
            UnknownStreamError: no such stream.
        """
        return self._stream(stream_id).latest

    def get_audio(self, stream_id: str, seconds: float = 1.0) -> Float32:
        """The latest audio of a stream, as far as it is still held (about 6 s of 44.1 kHz mono).

        Returns:
            float32, shape (n,) or, with several channels, (n, channels).

        Raises:
            UnknownStreamError: no such stream.
            ConfigError: `seconds` is negative, or not a number.
        """
        stream = self._stream(stream_id)
        if not seconds >= 0:
            raise ConfigError(f"seconds = {seconds!r}: must be at least 0")
        end = stream.ring.write_index
        start = max(stream.ring.oldest_index, end - round(min(seconds * stream.sample_rate, stream.ring.capacity)))
        return stream.ring.read_at(start, end - start)

    def register_callback(self, stream_id: str | None, callback: Callable[..., Any]) -> None:
        """Call back with every result from now on.

        Args:
            stream_id: of one stream: `callback(result)`. None: of all streams: `callback(stream_id, result)`.
            callback: plain or async.

        Raises:
            UnknownStreamError: no such stream.
            TypeError: `callback` cannot be called.
        """
        name = getattr(callback, "__qualname__", type(callback).__name__)
        listeners = self._everywhere if stream_id is None else self._stream(stream_id).listeners
        listeners.append(_Listener(f"{stream_id or '*'}:{name}", callback))

    async def stop_stream(self, stream_id: str, *, timeout_s: float = 5.0) -> dict[str, Any]:
        """End a stream; its callbacks get what waits for them first, as long as that takes no more than `timeout_s`.

        Returns:
            Its last stats.

        Raises:
            UnknownStreamError: no such stream.
        """
        stream = self._stream(stream_id)
        del self._streams[stream_id]
        await stop_runners([listener.runner for listener in stream.listeners], timeout_s)
        stream.ring.close()
        return stream.stats()

    async def close(self) -> None:
        """Stop all streams."""
        for stream_id in self.list_streams():
            await self.stop_stream(stream_id)
        await stop_runners([listener.runner for listener in self._everywhere], 5.0)

    def get_stats(self, stream_id: str | None = None) -> dict[str, Any]:
        """Counts of one stream (the fields of the native protocol's stats, and `callbacks`), or of all of them.

        Returns:
            With `stream_id`, that stream's; without, `stream_count`, `streams` {id: stats} and `callbacks`, which are
            those of all streams.

        Raises:
            UnknownStreamError: no such stream.
        """
        if stream_id is not None:
            return self._stream(stream_id).stats()
        return {
            "stream_count": len(self._streams),
            "streams": {name: stream.stats() for name, stream in self._streams.items()},
            "callbacks": [listener.stats() for listener in self._everywhere],
        }

    def list_streams(self) -> list[str]:
        """The names of all streams, oldest first."""
        return list(self._streams)

    async def __aenter__(self) -> StreamingAudioProcessor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _stream(self, stream_id: str) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise UnknownStreamError(f"there is no stream {stream_id!r}: await start_stream first")
        return stream
