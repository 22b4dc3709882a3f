"""The one interface of every engine: a job goes in, a hypothesis comes out.

A job always carries the whole open segment, so any engine can answer it from nothing: that is what makes retry,
fallback and replay simple. Engines that decode progressively (a cloud stream, a streaming decoder) recognise by
`stream_id`, `utterance` and `start` what they have heard already, and take only the new samples. Fallback, retry and
remote workers are wrappers of this interface, not flags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fastring.errors import FastringError
    from fastring.events import Status, Word

__all__ = ["Capabilities", "Hypothesis", "Job", "Outcome", "Reachable", "Rebuildable", "Transcriber", "join_words"]


# Thai, Lao, Burmese, Khmer, Chinese and Japanese with their punctuation: scripts that put no space between words.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def join_words(words: Iterable[Word]) -> str:
    """The text of words: a space between two, unless both sides of it are of a script without spaces.

    The text of the first words is a prefix of the text of all.
    """
    text = ""
    for word in words:
        if text and not (_UNSPACED.match(text[-1]) and _UNSPACED.match(word.text)):
            text += " "
        text += word.text
    return text


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, as far as its callers must know.

    Attributes:
        engine: its name in the settings.
        model: what it has loaded or asks for.
        sample_rate: of the samples in its jobs, in Hz.
        progressive: it keeps state per (stream, utterance), so jobs of one stream must run in order.
        word_times: whether its words have times of their own.
        languages: codes; empty: any.
        max_batch: jobs that one `transcribe` call may hold.
        concurrency: `transcribe` calls that run at the same time.
        partials: False if it should be asked for finals only.
        hop_ms: audio between two partial jobs of a segment; 0 leaves it to the session's window.
    """

    engine: str
    model: str
    sample_rate: int = 16_000
    progressive: bool = False
    word_times: bool = True
    languages: tuple[str, ...] = ()
    max_batch: int = 1
    concurrency: int = 1
    partials: bool = True
    hop_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One request: transcribe `samples` (float32 mono in [-1, 1], shape (n,), at the engine's rate).

    Attributes:
        job_id: unique within the stream, growing.
        stream_id: whose it is: for fairness, coalescing and cancellation.
        utterance: number of the utterance in the stream.
        kind: a newer partial replaces a waiting one of the same stream; a final is never dropped silently.
        start: sample index of `samples[0]` in the stream.
        samples: the audio.
        language: code, or "" to let the engine decide.
        created_s: monotonic seconds when the job was made, or offered again.
        due_s: on the same clock, from when on its answer is owed: the pool takes finals in that order.
        in_pause: of a partial: the speaker has paused, so this may be all of the segment. An engine that hears it just
            as it would hear a final says so in its answer (`Hypothesis.as_final`).
    """

    job_id: int
    stream_id: str
    utterance: int
    kind: Literal["partial", "final"]
    start: int
    samples: NDArray[np.float32] = field(repr=False)
    language: str = ""
    created_s: float = 0.0
    due_s: float = 0.0
    in_pause: bool = False

    @property
    def is_careful(self) -> bool:
        """Whether quality counts more than time: a final, or what may become one."""
        return self.kind == "final" or self.in_pause


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the engine heard.

    Attributes:
        words: with times as absolute sample indices of the stream (job.start + offset).
        language: code, or "" if the engine does not say.
        is_new: False if nothing came in since the engine's last answer for this segment, so that the same words again
            confirm nothing; matters for partials alone.
        as_final: whether a final of the same samples would be the same, so that none is needed.
        notices: what the engine wants the client to be told, in order; the session passes it on unread.
    """

    words: tuple[Word, ...]
    language: str = ""
    is_new: bool = True
    as_final: bool = False
    notices: tuple[Status, ...] = ()

    @property
    def text(self) -> str:
        """The words, joined as their script joins them."""
        return join_words(self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How a job ended: a hypothesis, or the error that took its place; and how long it waited and ran, in seconds."""

    job: Job
    hypothesis: Hypothesis | None
    error: FastringError | None = None
    queue_s: float = 0.0
    inference_s: float = 0.0


class Transcriber(Protocol):
    """An engine. `transcribe` blocks and may be called from several threads; only `asr/pool.py` calls it."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        ...

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer up to `capabilities.max_batch` jobs, in order.

        Raises:
            EngineFailedError: if the engine broke; the cause is chained.
        """
        ...

    def forget(self, stream_id: str) -> None:
        """Drop whatever is kept for a stream that is gone."""
        ...

    def close(self) -> None:
        """Free everything; no call follows."""
        ...


@runtime_checkable
class Reachable(Protocol):
    """What an engine offers besides `Transcriber` if it asks a service that may not be there."""

    def reach(self) -> list[str]:
        """Ask the service, at next to no cost, whether it would serve; it blocks.

        Returns:
            What is wrong, each with what to set; nothing if all is well.
        """
        ...


@runtime_checkable
class Rebuildable(Protocol):
    """What an engine offers besides `Transcriber` if it can start afresh after a call that hung or killed it."""

    def rebuild(self) -> None:
        """Build the engine's parts anew; calls that hang keep the old ones, later calls get the new.

        It blocks, and may be called while other calls run.

        Raises:
            TranscriberError: if that cannot be done; the engine goes on with what it has.
        """
        ...
