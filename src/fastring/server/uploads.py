"""Recordings that clients upload: through the same session as live speech, as fast as the engine allows, off the loop.

Each upload has a thread of its own, in which `streams.transcription` decodes, listens and waits for the engine, as the
command line does; the event loop only gets the finals. What it may take is bounded before its body is read: places
(`server.max_uploads`), bytes (`server.max_upload_bytes`) and seconds (`server.max_upload_s`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fastring.asr.transcriber import join_words
from fastring.audio.decode import PcmDecoder
from fastring.audio.format import AudioFormat
from fastring.errors import AudioError, DecoderDiedError, EngineFailedError, FastringError, TranscriberError
from fastring.events import Failure, Final, Transcript
from fastring.server.problems import Problem
from fastring.server.upload_lanes import UploadLane, UploadLanes
from fastring.streams.transcription import transcribe

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from aiohttp import BodyPartReader, StreamReader, web
    from numpy.typing import NDArray

    from fastring.audio.resample import Channels
    from fastring.config import EndpointSettings
    from fastring.server.services import Services

__all__ = ["Upload", "UploadPlace", "UploadRun", "Uploads", "transcript_of"]

SESSION_RATE = 16_000
_CHUNK_S = 0.5
_READ_BYTES = 1 << 16
_LOOK_S = 0.25  # how often to look whether the client is still there


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording, and how to hear it.

    Attributes:
        data: all of its bytes.
        format: of them; a container says the rest itself.
        channels: their mean, or the one of that number.
        language: code, or "" for the configured one.
        endpoint: when its speech starts and ends, if not as configured.
        part: what the client calls it; an error names it.
    """

    data: bytes
    format: AudioFormat = AudioFormat("container")  # noqa: RUF009 - it is frozen
    channels: Channels = "mix"
    language: str = ""
    endpoint: EndpointSettings | None = None
    part: str = "file"


class Uploads:
    """The places for uploads of one server, and their share of its engine. One thread: the event loop's.

    Args:
        services: of the server.

    Attributes:
        lanes: their share.
    """

    def __init__(self, services: Services) -> None:
        self.lanes = UploadLanes(services.pool, max(1, services.capabilities.concurrency - 1))
        self._services = services
        self._taken = 0

    @property
    def running(self) -> int:
        """Places that are taken."""
        return self._taken

    @contextlib.asynccontextmanager
    async def place(self, request: web.Request) -> AsyncIterator[UploadPlace]:
        """Take a place for a request, to read its body and run it; when the client goes, what runs is given up.

        Raises:
            Problem: 429, all places are taken; 503, the server goes down.
        """
        services, most = self._services, self._services.settings.server.max_uploads
        services.registry.admit()
        if self._taken >= most:
            raise Problem(
                429,
                "too_many_uploads",
                f"{most} uploads at the same time (server.max_uploads)",
                headers={"Retry-After": "1"},
            )
        self._taken += 1
        place = UploadPlace(services, request)
        try:
            yield place
        finally:
            await place.leave()
            self._taken -= 1


class UploadPlace:
    """What one request may do with its uploads.

    Args:
        services: of the server.
        request: whose place it is.
    """

    def __init__(self, services: Services, request: web.Request) -> None:
        self._services = services
        self._request = request
        self._runs: list[UploadRun] = []

    async def read(self, body: StreamReader | BodyPartReader, most: int | None = None) -> bytes:
        """A body, or the part of one, of `most` bytes (`server.max_upload_bytes` unless told otherwise).

        Raises:
            Problem: 413, it is longer; 408, nothing more of it comes.
        """
        settings = self._services.settings.server
        limit = settings.max_upload_bytes if most is None else most
        read = body.read_chunk if hasattr(body, "read_chunk") else body.read
        data = bytearray()
        while True:
            try:
                part = await asyncio.wait_for(read(_READ_BYTES), settings.idle_timeout_s)
            except asyncio.TimeoutError:
                raise Problem(408, "idle_timeout", f"nothing came for {settings.idle_timeout_s:g} s") from None
            if not part:
                return bytes(data)
            data += part
            if len(data) > limit:
                of_what = " (server.max_upload_bytes)" if most is None else ""
                raise Problem(413, "message_too_large", f"at most {limit} bytes{of_what}")

    def run(self, upload: Upload) -> UploadRun:
        """Start to transcribe."""
        run = UploadRun(self._services, upload, gone=lambda: self._request.transport is None)
        self._runs.append(run)
        return run

    async def leave(self) -> None:
        """Give up what still runs, and wait for its thread: the engine is told to let go, so it ends soon."""
        for run in self._runs:
            run.cancel()
        for run in self._runs:
            await run.ended.wait()


class UploadRun:
    """One recording on its way to text: an async iterator of its finals that have text, in order.

    Args:
        services: of the server.
        upload: the recording.
        gone: whether the client has left.

    Attributes:
        ended: set when nothing of it is left.
        finals: those so far.
        input_channels: channels of the recording; 0 while it is not opened.

    Raises (the iteration):
        Problem: 400 if the bytes are no audio, or too much of it; 500 if the engine failed.
        ConnectionResetError: the client has left.
    """

    def __init__(self, services: Services, upload: Upload, *, gone: Callable[[], bool]) -> None:
        self.ended = asyncio.Event()
        self.finals: list[Final] = []
        self.input_channels = 0
        self._services = services
        self._upload = upload
        self._gone = gone
        self._samples = 0
        self._name = services.session_name("upload")
        self._loop = asyncio.get_running_loop()
        self._lane = UploadLane(services.uploads.lanes, self._name, self._soon)
        self._told: asyncio.Queue[Final | BaseException | None] = asyncio.Queue()
        threading.Thread(target=self._run, name=f"fastring-{self._name}", daemon=True).start()

    @property
    def transcript(self) -> Transcript:
        """All of it, once the iteration is over."""
        return transcript_of(self.finals, self._samples)

    async def whole(self) -> Transcript:
        """Wait for the end."""
        async for _ in self:
            pass
        return self.transcript

    def cancel(self) -> None:
        """Give up; the engine lets go of what it has of it."""
        self._lane.cancel()

    async def __aiter__(self) -> AsyncIterator[Final]:
        """The finals as they come; may be iterated once."""
        while True:
            try:
                told = await asyncio.wait_for(self._told.get(), _LOOK_S)
            except asyncio.TimeoutError:
                if self._gone():
                    raise ConnectionResetError("the client has left") from None
                continue
            if told is None:
                return
            if isinstance(told, BaseException):
                raise _problem(told, self._upload.part) from told
            self.finals.append(told)
            yield told

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            session = self._services.voice_session(
                self._name, language=self._upload.language, interim=False, endpoint=self._endpoint(), live=False
            )
            with self._opened() as chunks:
                for event in transcribe(self._within_limits(chunks), session, self._lane):
                    if isinstance(event, Failure):  # text would be missing
                        raise EngineFailedError(event.message)
                    if isinstance(event, Final) and event.text:
                        self._tell(event)
            self._tell(None)
        except BaseException as error:  # whatever it is, the client is told
            self._tell(error)
        finally:
            self._lane.cancel()
            self._soon(self.ended.set)

    def _tell(self, what: Final | BaseException | None) -> None:
        self._soon(lambda: self._told.put_nowait(what))

    def _soon(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(call)

    def _endpoint(self) -> EndpointSettings:
        """An upload does not stall."""
        return replace(self._upload.endpoint or self._services.settings.endpoint, stall_ms=0)

    def _within_limits(self, chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        limit_s = self._services.settings.server.max_upload_s
        heard_seconds = self._services.metrics.audio.labels("upload")
        for chunk in chunks:
            if self._lane.cancelled:
                raise TranscriberError("the upload was given up")
            self._samples += len(chunk)
            if self._samples > limit_s * SESSION_RATE:
                raise AudioError(f"the audio is longer than {limit_s:g} s (server.max_upload_s)")
            heard_seconds.inc(len(chunk) / SESSION_RATE)
            yield chunk

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Iterable[NDArray[np.int16]]]:
        """The recording as 16 kHz mono, a moment at a time."""
        upload = self._upload
        if upload.format.encoding == "container":
            decoders = self._services.decoders
            with decoders.open_file(upload.data, _CHUNK_S, SESSION_RATE, upload.channels) as file:
                self.input_channels = file.file_channels
                yield file
        else:
            self.input_channels = upload.format.channels
            yield self._raw_chunks(upload)

    def _raw_chunks(self, upload: Upload) -> Iterator[NDArray[np.int16]]:
        decoder = PcmDecoder(upload.format, SESSION_RATE, upload.channels)
        step = round(upload.format.sample_rate * _CHUNK_S) * upload.format.frame_bytes
        for start in range(0, len(upload.data), step):
            yield decoder.push(upload.data[start : start + step])
        yield decoder.flush()


def transcript_of(finals: list[Final], samples: int) -> Transcript:
    """The finals of a recording of so many samples as one text; its language is that of most of its words."""
    words = [word for final in finals for word in final.words]
    spoken: dict[str, int] = {}
    for final in finals:
        if final.language:
            spoken[final.language] = spoken.get(final.language, 0) + len(final.words)
    language = max(spoken, key=lambda code: spoken[code]) if spoken else ""
    return Transcript(join_words(words), tuple(finals), samples, language)


def _problem(error: BaseException, part: str) -> BaseException:
    """What is wrong with the upload is the client's fault; the rest is ours."""
    if isinstance(error, DecoderDiedError):
        return Problem(503, error.code, str(error), param="file", headers={"Retry-After": "1"})
    if isinstance(error, AudioError):
        return Problem(400, "invalid_audio", str(error), param=part)
    if isinstance(error, FastringError):
        return Problem(500, error.code, str(error))
    return error
