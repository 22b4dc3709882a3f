"""The engine deepgram-batch: one request per utterance, with all of its audio. The only file that imports httpx."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import numpy as np

from fastring._version import __version__
from fastring.asr.deepgram.messages import (
    KEY_HINT,
    REQUEST_HINT,
    SAMPLE_RATE,
    authorization,
    read_answer,
    read_refusal,
    transcribe_url,
    unreachable,
)
from fastring.asr.remote import refusal
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.config import DeepgramSettings

__all__ = ["DeepgramBatchTranscriber"]

_MIN_SAMPLES = SAMPLE_RATE // 100


class DeepgramBatchTranscriber:
    """Deepgram's service for whole recordings; see `Transcriber` for the contract. Thread-safe.

    Args:
        settings: key, address, model, bounds and times.
    """

    def __init__(self, settings: DeepgramSettings) -> None:
        self._settings = settings
        self._capabilities = Capabilities(
            engine="deepgram-batch",
            model=settings.model,
            sample_rate=SAMPLE_RATE,
            concurrency=min(settings.connections, 16),
            partials=False,
        )
        self._client = httpx.Client(
            headers={**authorization(settings), "User-Agent": f"fastring/{__version__}"},
            timeout=settings.timeout_s,
            limits=httpx.Limits(max_connections=settings.connections),
        )

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`.

        Raises:
            EngineUnavailableError: if the service cannot be had.
        """
        return [self._hear(job) for job in jobs]

    def reach(self) -> list[str]:
        """See `Reachable`: a tenth of a second of silence is sent."""
        try:
            self._ask(Job(0, "", 0, "final", 0, np.zeros(SAMPLE_RATE // 10, np.float32)))
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
        body = self._ask(job)
        try:
            words, language = read_answer(body)
        except ValueError as error:
            raise EngineUnavailableError(str(error), reason="broken") from error
        length = len(job.samples)
        return Hypothesis(
            tuple(
                replace(word, start=job.start + min(word.start, length), end=job.start + min(word.end, length))
                for word in words
            ),
            language,
        )

    def _ask(self, job: Job) -> bytes:
        try:
            answer = self._post(job)
        except httpx.TimeoutException:
            raise EngineUnavailableError(
                f"Deepgram does not answer within {self._settings.timeout_s:g} s", reason="timeout"
            ) from None
        except httpx.RemoteProtocolError as error:
            raise EngineUnavailableError(f"Deepgram hung up: {error}", reason="closed") from error
        except httpx.HTTPError as error:
            raise EngineUnavailableError(unreachable(self._settings, error), reason="unreachable") from error
        if answer.is_success:
            return answer.content
        detail = read_refusal(self._settings, answer.content)
        raise refusal(
            "Deepgram", answer.status_code, answer.headers, detail, key_hint=KEY_HINT, request_hint=REQUEST_HINT
        )

    def _post(self, job: Job) -> httpx.Response:
        """One try, and another one, for a connection that was kept open may be closed by now."""
        url = transcribe_url(self._settings, job.language)
        audio = bytes(float32_to_pcm16(job.samples).data)
        headers = {"Content-Type": "application/octet-stream"}
        try:
            return self._client.post(url, content=audio, headers=headers)
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return self._client.post(url, content=audio, headers=headers)
