"""An engine that answers from a script: for tests, demos and benchmarks of what surrounds an engine.

It hears nothing. It is used only where it is asked for by name.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from fastring.asr.transcriber import Capabilities, Hypothesis
from fastring.errors import ConfigError, EngineFailedError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.asr.transcriber import Job
    from fastring.config import AsrSettings

__all__ = ["ScriptedTranscriber"]

SAMPLE_RATE = 16_000


class ScriptedTranscriber:
    """Answers utterance k of every stream with line k of the script, starting over after the last.

    A partial reveals as many words as the audio has room for at `seconds_per_word`; a final all of them, spread over
    the audio. The same job is always answered the same.

    Args:
        utterances: the lines.
        delay_s: how long every call takes, as an engine would.
        seconds_per_word: pace at which partials reveal words.
        confidence: of every word, 0..1.
        fails: jobs for which this is true raise `EngineFailedError`.
        concurrency: calls at the same time.
        max_batch: jobs per call.
    """

    def __init__(
        self,
        utterances: Sequence[str],
        *,
        delay_s: float = 0.0,
        seconds_per_word: float = 0.4,
        confidence: float = 0.95,
        fails: Callable[[Job], bool] | None = None,
        concurrency: int = 4,
        max_batch: int = 1,
    ) -> None:
        self._lines = [line.split() for line in utterances]
        if not self._lines:
            raise ConfigError("the scripted engine needs a script of one line or more")
        self._delay_s = delay_s
        self._samples_per_word = max(1, round(seconds_per_word * SAMPLE_RATE))
        self._confidence = confidence
        self._fails = fails
        self._capabilities = Capabilities(
            engine="scripted", model="script", sample_rate=SAMPLE_RATE, concurrency=concurrency, max_batch=max_batch
        )

    @classmethod
    def from_settings(cls, settings: AsrSettings) -> ScriptedTranscriber:
        """The script of `asr.script`; blank lines are utterances in which nothing is said.

        Raises:
            ConfigError: if there is no such file, or nothing in it.
        """
        if not settings.script:
            raise ConfigError("asr.script = '': the scripted engine needs a file, one line per utterance")
        try:
            lines = Path(settings.script).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"asr.script = {settings.script!r}: cannot be read ({error})") from error
        return cls(lines, concurrency=settings.workers or 4)

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`."""
        if self._delay_s:
            time.sleep(self._delay_s)
        return [self._answer(job) for job in jobs]

    def forget(self, stream_id: str) -> None:
        """Nothing is kept per stream."""

    def close(self) -> None:
        """Nothing to free."""

    def _answer(self, job: Job) -> Hypothesis:
        if self._fails is not None and self._fails(job):
            raise EngineFailedError(f"the script fails job {job.job_id} of {job.stream_id}")
        line = self._lines[job.utterance % len(self._lines)]
        n_samples = len(job.samples)
        n_words = len(line) if job.kind == "final" else min(len(line), n_samples // self._samples_per_word)
        step = min(self._samples_per_word, n_samples // max(1, n_words))
        if job.kind == "final" and n_words:
            step = n_samples // n_words
        return Hypothesis(
            tuple(
                Word(text, job.start + i * step, job.start + (i + 1) * step, self._confidence)
                for i, text in enumerate(line[:n_words])
            ),
            job.language,
        )
