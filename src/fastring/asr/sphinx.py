"""The engine pocketsphinx: offline English, with the model in its own wheel, in processes of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastring.asr.cores import available_cores
from fastring.asr.sphinx_worker import read_words, write_request
from fastring.asr.transcriber import Capabilities, Hypothesis
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import ConfigError, EngineDiedError, ModelUnavailableError, QueueFullError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.asr.transcriber import Job
    from fastring.config import AsrSettings

__all__ = ["SphinxTranscriber"]

SAMPLE_RATE = 16_000
_FRAME_SAMPLES = 160  # the decoder counts in frames of 10 ms
_VARIANT = re.compile(r"\(\d+\)$")  # which pronunciation it was
_MIN_SAMPLES = SAMPLE_RATE // 10
_CLOSE_S = 2.0

if importlib.util.find_spec("pocketsphinx") is None:
    raise ImportError("No module named 'pocketsphinx'")


class _Process:
    """A decoder in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "fastring.asr.sphinx_worker"]
        # Of a session of its own: a Ctrl-C is for us alone. It ends when its stdin does, so at the latest with us.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def hear(self, pcm: bytes, *, is_new: bool, begins: bool, ends: bool) -> list[tuple[str, int, int, float]]:
        """The words of the utterance so far; see `read_words`.

        Raises:
            EngineDiedError: if the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_request(self._process.stdin, pcm, is_new=is_new, begins=begins, ends=ends)
            return read_words(self._process.stdout)
        except (OSError, ValueError, EOFError) as error:
            raise EngineDiedError(f"pocketsphinx is gone (exit status {self._process.poll()})") from error

    def kill(self) -> None:
        """End it now; whoever waits for it hears `EngineDiedError`."""
        self._process.kill()

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(slots=True, eq=False)
class _Decoder:
    """A decoder, whose it is, and what it has heard. `owner` is "" while it is nobody's."""

    process: _Process | None = None
    owner: str = ""
    is_new: bool = True  # its owner has not been heard yet: the voice before was another one's
    segment: tuple[int, int] | None = None  # utterance and start of what it is hearing
    heard_until: int = 0
    running: bool = False


class SphinxTranscriber:
    """CMU pocketsphinx with its American English model; see `Transcriber` for the contract. Thread-safe.

    A stream that speaks has a decoder of its own, which takes only the audio that is new. Between utterances the
    decoder may go to another stream; `asr.decoders` is how many there are at most. A decoder that dies is built anew,
    and hears the segment again.

    Args:
        settings: decoders, workers and language.

    Raises:
        ConfigError: if another language is wanted than English.
        ModelUnavailableError: if the decoder cannot be started.
    """

    def __init__(self, settings: AsrSettings) -> None:
        if settings.language and settings.language.split("-")[0].lower() != "en":
            raise ConfigError(
                f"asr.language = {settings.language!r}: pocketsphinx has a model of English alone",
                setting="asr.language",
            )
        self._limit = settings.decoders
        self._lock = threading.Lock()
        self._capabilities = Capabilities(
            engine="pocketsphinx",
            model="en-us",
            sample_rate=SAMPLE_RATE,
            progressive=True,
            languages=("en",),
            concurrency=min(settings.decoders, settings.workers or available_cores()),
        )
        self._decoders = [_Decoder(_started())]

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    @property
    def decoders(self) -> int:
        """How many there are."""
        return len(self._decoders)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`.

        Raises:
            QueueFullError: if every decoder is in the middle of another stream's utterance.
            EngineDiedError: if a decoder died, and the one in its place too.
        """
        return [self._hear(job) for job in jobs]

    def forget(self, stream_id: str) -> None:
        """The stream's decoder is free."""
        with self._lock:
            for decoder in self._decoders:
                if decoder.owner == stream_id:
                    decoder.owner, decoder.segment = "", None

    def rebuild(self) -> None:
        """End the decoders that are at work: those that hang are replaced."""
        with self._lock:
            for decoder in self._decoders:
                if decoder.running and decoder.process is not None:
                    decoder.process.kill()

    def close(self) -> None:
        """End the decoders."""
        with self._lock:
            decoders, self._decoders = self._decoders, []
        for decoder in decoders:
            if decoder.process is not None:
                decoder.process.close()

    def _hear(self, job: Job) -> Hypothesis:
        decoder = self._take(job)
        try:
            try:
                return self._decode(decoder, job)
            except EngineDiedError:
                self._replace(decoder)
                return self._decode(decoder, job)
        except EngineDiedError:
            self._replace(decoder)
            raise
        finally:
            with self._lock:
                decoder.running = False
                if job.kind == "final":
                    decoder.segment = None

    def _take(self, job: Job) -> _Decoder:
        """The decoder that hears this stream, or one that is free."""
        with self._lock:
            idle = [decoder for decoder in self._decoders if not decoder.running]
            own = [decoder for decoder in idle if decoder.owner == job.stream_id]
            free = [decoder for decoder in idle if decoder.segment is None]
            if own or free:
                decoder = (own or sorted(free, key=lambda each: each.owner != ""))[0]
            elif len(self._decoders) < self._limit:
                decoder = _Decoder()
                self._decoders.append(decoder)
            else:
                raise QueueFullError(f"all {self._limit} decoders are in use; asr.decoders sets how many there are")
            decoder.is_new = decoder.is_new or decoder.owner != job.stream_id
            decoder.owner, decoder.running = job.stream_id, True
        return decoder

    def _replace(self, decoder: _Decoder) -> None:
        if decoder.process is not None:
            decoder.process.kill()
            decoder.process.close()
        decoder.process, decoder.segment, decoder.is_new = None, None, True

    def _decode(self, decoder: _Decoder, job: Job) -> Hypothesis:
        """Let the decoder hear what it has not heard yet, all of it if it is new to the segment."""
        if decoder.process is None:
            decoder.process = _Process()
        end = job.start + len(job.samples)
        begins = decoder.segment != (job.utterance, job.start)
        if begins and len(job.samples) < _MIN_SAMPLES:
            return Hypothesis((), is_new=False)
        fresh = job.samples if begins else job.samples[max(0, decoder.heard_until - job.start) :]
        pcm = bytes(float32_to_pcm16(fresh).data)
        heard = decoder.process.hear(pcm, is_new=decoder.is_new, begins=begins, ends=job.kind == "final")
        decoder.is_new = False
        decoder.segment, decoder.heard_until = (job.utterance, job.start), max(end, job.start)
        return Hypothesis(_words(heard, job.start, end), "en", is_new=len(fresh) > 0)


def _started() -> _Process:
    """A decoder that has answered once: what is wrong with it must show before the first client comes."""
    process = _Process()
    try:
        process.hear(bytes(2 * _MIN_SAMPLES), is_new=True, begins=True, ends=True)
    except EngineDiedError as error:
        process.close()
        raise ModelUnavailableError(f"The engine pocketsphinx does not run: {error}") from error
    return process


def _words(heard: Sequence[tuple[str, int, int, float]], start: int, end: int) -> tuple[Word, ...]:
    """The words among them: no silences, no noises, no numbers of pronunciations."""
    return tuple(
        Word(
            _VARIANT.sub("", text),
            min(start + first * _FRAME_SAMPLES, end),
            min(start + (last + 1) * _FRAME_SAMPLES, end),
            min(1.0, max(0.0, probability)),
        )
        for text, first, last, probability in heard
        if not text.startswith(("<", "[", "+"))
    )
