"""The engine pocketsphinx: offline English with the model in its own wheel. The only file that imports pocketsphinx."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pocketsphinx

from fastring.asr.cores import available_cores
from fastring.asr.transcriber import Capabilities, Hypothesis
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import ConfigError, EngineFailedError, QueueFullError
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


@dataclass(slots=True, eq=False)
class _Decoder:
    """A decoder, whose it is, and what it has heard. `owner` is "" while it is nobody's."""

    engine: Any
    owner: str = ""
    segment: tuple[int, int] | None = None  # utterance and start of what it is hearing
    heard_until: int = 0
    open: bool = False  # begun and not ended, whoever it was for
    running: bool = False


class SphinxTranscriber:
    """CMU pocketsphinx with its American English model; see `Transcriber` for the contract. Thread-safe.

    A stream that speaks has a decoder of its own, which takes only the audio that is new. Between utterances the
    decoder may go to another stream; `asr.decoders` is how many there are at most.

    Args:
        settings: decoders, workers and language.

    Raises:
        ConfigError: if another language is wanted than English.
    """

    def __init__(self, settings: AsrSettings) -> None:
        if settings.language and settings.language.split("-")[0].lower() != "en":
            raise ConfigError(
                f"asr.language = {settings.language!r}: pocketsphinx has a model of English alone",
                setting="asr.language",
            )
        self._limit = settings.decoders
        self._lock = threading.Lock()
        self._decoders: list[_Decoder] = []
        self._capabilities = Capabilities(
            engine="pocketsphinx",
            model="en-us",
            sample_rate=SAMPLE_RATE,
            progressive=True,
            languages=("en",),
            concurrency=min(settings.decoders, settings.workers or available_cores()),
        )
        self._decoders.append(_Decoder(_new_engine()))  # what is wrong with it shows now

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
        """
        return [self._hear(job) for job in jobs]

    def forget(self, stream_id: str) -> None:
        """The stream's decoder is free."""
        with self._lock:
            for decoder in self._decoders:
                if decoder.owner == stream_id:
                    decoder.owner, decoder.segment = "", None

    def close(self) -> None:
        """Free the decoders."""
        with self._lock:
            self._decoders.clear()

    def _hear(self, job: Job) -> Hypothesis:
        decoder = self._take(job)
        try:
            return self._decode(decoder, job)
        except RuntimeError as error:
            decoder.segment = None
            raise EngineFailedError(f"pocketsphinx failed: {error}") from error
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
                decoder = _Decoder(None)
                self._decoders.append(decoder)
            else:
                raise QueueFullError(f"all {self._limit} decoders are in use; asr.decoders sets how many there are")
            decoder.owner, decoder.running = job.stream_id, True
        if decoder.engine is None:
            decoder.engine = _new_engine()
        return decoder

    def _decode(self, decoder: _Decoder, job: Job) -> Hypothesis:
        if job.kind == "final" and len(job.samples) < _MIN_SAMPLES:
            return Hypothesis(())
        self._open(decoder, job)
        end = job.start + len(job.samples)
        fresh = job.samples[max(0, decoder.heard_until - job.start) :]
        if len(fresh):
            decoder.engine.process_raw(bytes(float32_to_pcm16(fresh).data))
            decoder.heard_until = end
        if job.kind == "final":
            decoder.engine.end_utt()
            decoder.open = False
        return Hypothesis(_words(decoder.engine, job.start, end), "en", is_new=len(fresh) > 0)

    def _open(self, decoder: _Decoder, job: Job) -> None:
        """Begin the job's segment, unless the decoder is in the middle of it."""
        if decoder.segment == (job.utterance, job.start):
            return
        if decoder.open:
            decoder.engine.end_utt()
        decoder.engine.start_utt()
        decoder.open = True
        decoder.segment, decoder.heard_until = (job.utterance, job.start), job.start


def _new_engine() -> Any:
    return pocketsphinx.Decoder(loglevel="FATAL")


def _words(engine: Any, start: int, end: int) -> tuple[Word, ...]:
    """The best path, without silences and noises."""
    if engine.hyp() is None:
        return ()
    words = []
    for segment in engine.seg() or ():
        text = _VARIANT.sub("", segment.word)
        if text.startswith(("<", "[", "+")):
            continue
        first = start + segment.start_frame * _FRAME_SAMPLES
        last = start + (segment.end_frame + 1) * _FRAME_SAMPLES
        words.append(Word(text, min(first, end), min(last, end), min(1.0, max(0.0, segment.prob))))
    return tuple(words)
