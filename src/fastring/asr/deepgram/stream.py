"""The engine deepgram: live streams, opened and closed by detected speech, behind the interface of every engine.

Jobs come while somebody speaks. The first of an utterance takes a connection from the pool, each further one sends the
audio that is new, and the last one a Finalize; then the connection waits, with signs of life, for the next utterance.
Where a connection breaks, the job that meets it goes on on another one, from the first sample that was not final: the
job carries that audio. All of it runs on one event loop in a thread of the engine's own; `transcribe` waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fastring.asr.deepgram.connection import tls_context
from fastring.asr.deepgram.connections import Connections
from fastring.asr.deepgram.messages import SAMPLE_RATE
from fastring.asr.deepgram.transcript import Transcript
from fastring.asr.transcriber import Capabilities, Hypothesis
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeVar

    from fastring.asr.deepgram.connection import Connection
    from fastring.asr.deepgram.messages import Result
    from fastring.asr.transcriber import Job
    from fastring.config import DeepgramSettings

    Answer = TypeVar("Answer")

__all__ = ["DeepgramTranscriber"]

_NEWS_S = 0.1  # a partial waits this long for something new; without, it says so
_GRACE_S = 0.3  # for the answer to a Finalize that had nothing left to flush, which the service need not give
_NOTHING_LEFT = SAMPLE_RATE // 10  # samples: too little for a word
_CLOSE_S = 3.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    """What is kept of one stream."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    transcript: Transcript | None = None
    connection: Connection | None = None


class DeepgramTranscriber:
    """Deepgram's live service; see `Transcriber` for the contract. Thread-safe.

    Args:
        settings: key, address, model, bounds and times.
        on_interim: called with the stream's id and all words of the segment so far, whenever there are new ones.
        on_final: called with the stream's id and the words of a segment that is complete. Both are called on the
            engine's own thread and must not block; one that raises is logged.
    """

    def __init__(
        self,
        settings: DeepgramSettings,
        *,
        on_interim: Callable[[str, Hypothesis], object] | None = None,
        on_final: Callable[[str, Hypothesis], object] | None = None,
    ) -> None:
        self._settings = settings
        self._on_interim = on_interim
        self._on_final = on_final
        self._chunk_bytes = 2 * settings.chunk_size_ms * SAMPLE_RATE // 1000
        self._streams: dict[str, _Stream] = {}
        self._connections = Connections(settings)
        self._capabilities = Capabilities(
            engine="deepgram",
            model=settings.model,
            sample_rate=SAMPLE_RATE,
            progressive=True,
            concurrency=settings.connections,
            hop_ms=settings.chunk_size_ms,
        )
        if settings.base_url.lower().startswith(("https:", "wss:")):
            tls_context()  # now, and not while the first speaker waits
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fastring-deepgram", daemon=True)
        self._thread.start()

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    @property
    def counts(self) -> dict[str, int]:
        """Connections `opened`, `reused` and `failed` so far, and `open` now."""
        return {**self._connections.counts, "open": len(self._connections)}

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`.

        Raises:
            EngineUnavailableError: if the service cannot be had, within the retries that the settings allow.
            QueueFullError: if every connection is in use.
        """
        return [self._wait(self._hear(job, bytes(float32_to_pcm16(job.samples).data))) for job in jobs]

    def reach(self) -> list[str]:
        """See `Reachable`: a connection is opened, and waits for the first stream."""
        try:
            self._wait(self._connections.reach())
        except EngineUnavailableError as error:
            return [str(error)]
        return []

    def forget(self, stream_id: str) -> None:
        """Drop what is kept for a stream; its connection waits for others, or is closed if somebody was speaking."""
        with contextlib.suppress(RuntimeError):  # closed: nothing is kept any more
            self._loop.call_soon_threadsafe(self._forget, stream_id)

    def close(self) -> None:
        """CloseStream on every connection, then end the thread."""
        if not self._thread.is_alive():
            return
        try:
            self._wait(asyncio.wait_for(self._connections.close(), _CLOSE_S))
        except (asyncio.TimeoutError, TimeoutError):
            _log.warning("Deepgram did not hang up within %.0f s", _CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # --- the engine's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        if not self._thread.is_alive():
            work.close()
            raise EngineUnavailableError("the engine is closed", reason="closed", passing=False)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _forget(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)
        self._connections.release(stream_id)

    async def _hear(self, job: Job, pcm: bytes) -> Hypothesis:
        stream = self._streams.setdefault(job.stream_id, _Stream())
        async with stream.lock:
            transcript = stream.transcript
            if transcript is None or (transcript.utterance, transcript.start) != (job.utterance, job.start):
                transcript = stream.transcript = Transcript(job.utterance, job.start)
            tries = self._settings.retries + 1
            while True:
                tries -= 1
                try:
                    return await self._try(stream, transcript, job, pcm)
                except EngineUnavailableError as error:
                    await self._give_up(stream, error)
                    if not error.passing or error.reason == "timeout" or not tries:
                        raise

    async def _try(self, stream: _Stream, transcript: Transcript, job: Job, pcm: bytes) -> Hypothesis:
        """Answer a job on a connection that works, or raise."""
        connection = await self._connection(stream, transcript, job)
        await self._send(connection, transcript, job, pcm)
        if job.kind == "partial":
            await self._await_news(connection, transcript)
        else:
            await self._flush(connection, transcript)
        is_new = transcript.has_news
        words = transcript.words(job.start + len(job.samples))
        hypothesis = Hypothesis(
            tuple(replace(word, start=max(word.start, job.start)) for word in words), transcript.language, is_new
        )
        if job.kind == "final":
            connection.rest()
            stream.connection = stream.transcript = None
            self._call(self._on_final, job.stream_id, hypothesis)
        return hypothesis

    async def _connection(self, stream: _Stream, transcript: Transcript, job: Job) -> Connection:
        """The one that hears this segment, or another one that will."""
        connection = stream.connection
        if connection is None or connection.lost is not None or connection.transcript is not transcript:
            if connection is not None:
                connection.rest()  # a segment before this one, whose end nobody asked for
            connection = await self._connections.lease(job.stream_id, job.language)
            connection.on_result = self._take
            connection.transcript = transcript
            transcript.connect(connection.position)
            stream.connection = connection
        return connection

    async def _send(self, connection: Connection, transcript: Transcript, job: Job, pcm: bytes) -> None:
        """Send what the connection has not had yet, in chunks."""
        at = 2 * (transcript.sent_until - job.start)
        while at < len(pcm):
            chunk = pcm[at : at + self._chunk_bytes]
            await connection.send(chunk)
            transcript.sent(len(chunk) // 2)
            at += len(chunk)

    async def _await_news(self, connection: Connection, transcript: Transcript) -> None:
        await connection.wait_for(lambda: transcript.has_news, _NEWS_S)
        if connection.silent_s > self._settings.timeout_s:
            raise self._too_late()

    async def _flush(self, connection: Connection, transcript: Transcript) -> None:
        """Have everything said that was sent."""
        if transcript.sent_until == transcript.start:
            return
        transcript.asked()
        await connection.finalize()
        if await connection.wait_for(lambda: transcript.flushed, min(_GRACE_S, self._settings.timeout_s)):
            return
        if transcript.unsettled > _NOTHING_LEFT and not await connection.wait_for(
            lambda: transcript.flushed, max(0.0, self._settings.timeout_s - _GRACE_S)
        ):
            raise self._too_late()

    def _too_late(self) -> EngineUnavailableError:
        return EngineUnavailableError(f"Deepgram has not answered for {self._settings.timeout_s:g} s", reason="timeout")

    async def _give_up(self, stream: _Stream, error: EngineUnavailableError) -> None:
        """Part with a connection that failed."""
        connection, stream.connection = stream.connection, None
        if connection is not None:
            if not connection.heard:  # it opened, and that was all: the service is not well
                self._connections.failed(error, connection.opened_s)
            await connection.abort()

    def _take(self, connection: Connection, result: Result) -> None:
        self._connections.works()
        transcript = connection.transcript
        if transcript is None or not transcript.take(result) or self._on_interim is None:
            return
        heard = Hypothesis(transcript.peek(), transcript.language)
        self._call(self._on_interim, connection.owner, heard)

    def _call(self, callback: Callable[[str, Hypothesis], object] | None, stream_id: str, heard: Hypothesis) -> None:
        if callback is None:
            return
        try:
            callback(stream_id, heard)
        except Exception:
            _log.exception("a callback for %s raised", stream_id)
