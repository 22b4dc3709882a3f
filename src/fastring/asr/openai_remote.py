"""The engine openai: any service with OpenAI's transcription endpoint. Of this room, only this file imports openai."""

from __future__ import annotations

import io
import math
import time
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import openai

from fastring.asr.backoff import Backoff
from fastring.asr.remote import refusal
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import EngineUnavailableError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.config import OpenAISettings

__all__ = ["UNKNOWN_CONFIDENCE", "OpenAITranscriber"]

SAMPLE_RATE = 16_000
UNKNOWN_CONFIDENCE = 0.5
"""Of a word, where the service says nothing of its own certainty."""

_MIN_SAMPLES = SAMPLE_RATE // 10  # the vendor refuses less
_PATIENCE_S = 2.0  # a live job waits this long to be tried again; if the service asks for more, another engine may try
_FIRST_BACKOFF_S = 0.5


class OpenAITranscriber:
    """A remote service; see `Transcriber` for the contract. Thread-safe.

    Args:
        settings: key, address, model, bounds and times.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._verbose = True  # until the model refuses to say when its words were said
        self._client = openai.OpenAI(
            api_key=settings.api_key or "none",
            base_url=settings.base_url,
            timeout=settings.timeout_s,
            max_retries=0,  # its waits are too long for live speech; ours are below
        )
        self._capabilities = Capabilities(
            engine="openai",
            model=settings.model,
            sample_rate=SAMPLE_RATE,
            concurrency=settings.connections,
            partials=settings.partials,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`.

        Raises:
            EngineUnavailableError: if the service cannot be had, within the retries that the settings allow.
        """
        return [self._hear(job) for job in jobs]

    def reach(self) -> list[str]:
        """See `Reachable`: a fifth of a second of silence is sent."""
        try:
            self._ask(Job(0, "", 0, "final", 0, np.zeros(2 * _MIN_SAMPLES, np.float32)))
        except EngineUnavailableError as error:
            return [str(error)]
        return []

    def forget(self, stream_id: str) -> None:
        """Nothing is kept per stream."""

    def close(self) -> None:
        """Close what is kept open."""
        self._client.close()

    def _hear(self, job: Job) -> Hypothesis:
        if len(job.samples) < _MIN_SAMPLES:
            return Hypothesis(())
        backoff = Backoff(_FIRST_BACKOFF_S, _PATIENCE_S)
        tries = self._settings.retries + (1 if job.kind == "final" else 0)
        while True:
            tries -= 1
            try:
                return _hypothesis(self._ask(job), job)
            except EngineUnavailableError as error:
                wait_s = error.retry_after_s or backoff.next_s()
                if not error.passing or error.reason == "timeout" or tries <= 0 or wait_s > _PATIENCE_S:
                    raise
                time.sleep(wait_s)

    def _ask(self, job: Job) -> Any:
        """The answer, with word times if the model has them."""
        if self._verbose:
            try:
                return self._request(job, response_format="verbose_json", timestamp_granularities=["word", "segment"])
            except EngineUnavailableError as error:
                if not isinstance(error.__cause__, openai.BadRequestError | openai.UnprocessableEntityError):
                    raise
            answer = self._request(job, response_format="json")
            self._verbose = False
            return answer
        return self._request(job, response_format="json")

    def _request(self, job: Job, **how: Any) -> Any:
        if job.language:
            how["language"] = job.language
        try:
            return self._client.audio.transcriptions.create(
                model=self._settings.model, file=("speech.wav", _wav(job), "audio/wav"), **how
            )
        except openai.APITimeoutError as error:
            raise EngineUnavailableError(
                f"{self._settings.base_url} does not answer within {self._settings.timeout_s:g} s", reason="timeout"
            ) from error
        except openai.APIStatusError as error:
            detail = error.message.replace(self._settings.api_key or "\0", "***")
            raise refusal(
                self._settings.base_url,
                error.status_code,
                error.response.headers,
                detail,
                key_hint="OPENAI_API_KEY or openai.api_key",
                request_hint="openai.base_url, with its /v1, and openai.model",
            ) from error
        except openai.APIError as error:
            raise EngineUnavailableError(
                f"{self._settings.base_url} (OPENAI_BASE_URL or openai.base_url) cannot be reached: "
                f"{error.__cause__ or error}",
                reason="unreachable",
            ) from error


def _wav(job: Job) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(float32_to_pcm16(job.samples).data)
    return buffer.getvalue()


def _hypothesis(answer: Any, job: Job) -> Hypothesis:
    """Words from an answer: as they are timed, or spread over the segments, or over all of the audio."""
    duration_s = len(job.samples) / SAMPLE_RATE
    segments = getattr(answer, "segments", None) or []
    timed = [
        (str(word.word).strip(), float(word.start), float(word.end), _certainty(word, segments))
        for word in getattr(answer, "words", None) or []
    ]
    for segment in segments if not timed else []:
        timed += _spread(segment.text, float(segment.start), float(segment.end), _certainty(segment, [segment]))
    if not timed:
        timed = _spread(getattr(answer, "text", None) or "", 0.0, duration_s, UNKNOWN_CONFIDENCE)
    return Hypothesis(
        tuple(
            Word(text, job.start + _sample(start_s, duration_s), job.start + _sample(end_s, duration_s), confidence)
            for text, start_s, end_s, confidence in timed
            if text
        ),
        job.language,
    )


def _spread(text: str, start_s: float, end_s: float, confidence: float) -> list[tuple[str, float, float, float]]:
    """Words of a text, each as long as its share of the letters."""
    words = text.split()
    per_letter_s = (end_s - start_s) / max(1, sum(map(len, words)))
    spread, at_s = [], start_s
    for word in words:
        spread.append((word, at_s, at_s + per_letter_s * len(word), confidence))
        at_s += per_letter_s * len(word)
    return spread


def _certainty(word: Any, segments: Sequence[Any]) -> float:
    """The word's own probability, where a service adds it, or that of its segment."""
    own = getattr(word, "probability", None)
    if own is None:
        middle_s = (word.start + word.end) / 2
        around = [segment for segment in segments if segment.start <= middle_s <= segment.end]
        log_prob = getattr(around[0], "avg_logprob", None) if around else None
        own = UNKNOWN_CONFIDENCE if log_prob is None else math.exp(min(0.0, log_prob))
    return min(1.0, max(0.0, float(own)))


def _sample(seconds: float, duration_s: float) -> int:
    return round(min(max(0.0, seconds), duration_s) * SAMPLE_RATE)
