"""Where the server decodes containers: in two processes of their own, for live streams and for uploads.

FFmpeg parses what strangers send. What makes it crash there costs the containers that are open at that time, which are
told, and nobody else; and an upload that keeps one process busy delays no live stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING

from fastring.audio.decode import open_decoder
from fastring.audio.decoder_process import DecoderProcess
from fastring.audio.ffmpeg import check_av
from fastring.audio.files import stream_audio
from fastring.errors import ConfigError, DecoderDiedError
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastring.audio.decode import ContainerDecoder, PcmDecoder
    from fastring.audio.decoder_process import RemoteFile
    from fastring.audio.files import AudioFile
    from fastring.audio.format import AudioFormat
    from fastring.audio.resample import Channels

__all__ = ["Decoders"]

_LIVE_PATIENCE_S = 5.0
_FILE_PATIENCE_S = 30.0


class Decoders:
    """Opens decoders.

    Args:
        isolate: in processes of their own, where the system can; started when they are first wanted.
    """

    def __init__(self, *, isolate: bool) -> None:
        isolate = isolate and DecoderProcess.possible()
        self._live = DecoderProcess(_LIVE_PATIENCE_S) if isolate else None
        self._files = DecoderProcess(_FILE_PATIENCE_S) if isolate else None

    @property
    def deaths(self) -> int:
        """How often a process has ended and was replaced."""
        return sum(process.deaths for process in (self._live, self._files) if process is not None)

    def warm_up(self) -> None:
        """Start the processes, if there is something to decode with."""
        with contextlib.suppress(ConfigError):
            check_av()
            for process in (self._live, self._files):
                if process is not None:
                    process.start()

    def expect(self, audio_format: AudioFormat) -> None:
        """A decoder of that format will be opened soon."""
        if self._live is not None and audio_format.encoding == "container":
            check_av()
            self._live.start()

    async def settled(self) -> None:
        """Wait until what was opened can be used without waiting.

        Raises:
            Problem: 503, the process does not start.
        """
        if self._live is not None and self._live.starting:
            try:
                await asyncio.get_running_loop().run_in_executor(None, self._live.wait)
            except DecoderDiedError as error:
                raise Problem(503, "unavailable", str(error), headers={"Retry-After": "1"}) from error

    def open(
        self, audio_format: AudioFormat, sample_rate: int, channels: Channels = "mix"
    ) -> PcmDecoder | ContainerDecoder:
        """The decoder of a live stream; see `open_decoder`."""
        return open_decoder(audio_format, sample_rate, channels, process=self._live)

    @contextlib.contextmanager
    def open_file(
        self, data: bytes, chunk_s: float, sample_rate: int, channels: Channels
    ) -> Iterator[AudioFile | RemoteFile]:
        """A whole file, to iterate once; see `AudioFile`. Takes its time, so not for the event loop.

        Raises:
            DecodeError: it holds no audio that can be decoded.
        """
        if self._files is None:
            yield stream_audio(io.BytesIO(data), chunk_s, sample_rate, channels)
            return
        check_av()
        with contextlib.closing(self._files.open_file(data, chunk_s, sample_rate, channels)) as file:
            yield file

    def close(self) -> None:
        """End the processes. What is open in them fails."""
        for process in (self._live, self._files):
            if process is not None:
                process.close()
