"""What is heard: speech begins and ends, words, partials, finals, early triggers. Spans are in samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "EarlyTrigger",
    "EarlyTriggerRetracted",
    "EndReason",
    "Final",
    "Heard",
    "Latency",
    "Partial",
    "SpeechEnded",
    "SpeechStarted",
    "SpeechStopped",
    "Transcript",
    "Word",
]


EndReason = Literal["silence", "timeout", "longest", "forced"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word: text as the engine wrote it, span in samples of the session's rate, confidence 0..1."""

    text: str
    start: int
    end: int
    confidence: float
    stable: bool = False


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the time went, in milliseconds: audio waiting in the buffer, job in the queue, engine, and all of it."""

    buffer_ms: float
    queue_ms: float
    inference_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at sample `start` (pre-roll not counted).

    `silent`: nobody speaks; an utterance without audio begins, to answer a `Finalize` after silence.
    """

    seq: int
    utterance: int
    start: int
    silent: bool = False


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The speaker has stopped at sample `end`, which is told as soon as it is decided; the final is still owed.

    Only sessions that tell turns at once say it.
    """

    utterance: int
    end: int
    ended_by: EndReason = "silence"


@dataclass(frozen=True, slots=True)
class Partial:
    """What is heard so far. `stable_text` is a prefix of `text` that will not change any more."""

    utterance: int
    text: str
    stable_text: str
    words: tuple[Word, ...]
    confidence: float
    start: int
    end: int
    level_db: float
    buffer_usage: float
    dropped: int
    latency: Latency


@dataclass(frozen=True, slots=True)
class Final:
    """The transcript of an utterance; nothing about it changes afterwards.

    `from_finalize`: it answers a `Finalize`. Of the finals that may be owed at that time, the last one does.
    `language`: code, or "" if the engine does not say.
    `ended_by`: silence after it, silence at the client's limit (`Endpointing.timeout_ms`), the limit on an utterance's
    length, or somebody who did not wait (finalize, close, a client that sends no more audio).
    """

    seq: int
    utterance: int
    text: str
    words: tuple[Word, ...]
    confidence: float
    start: int
    end: int
    latency: Latency
    from_finalize: bool = False
    language: str = ""
    ended_by: EndReason = "silence"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said in a whole recording of `samples` samples: the finals that have text, in order, and their text."""

    text: str
    finals: tuple[Final, ...]
    samples: int
    language: str = ""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance ended at sample `end`; its final has been sent."""

    seq: int
    utterance: int
    end: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The session has heard the audio up to sample `position`: no speech to come starts before it.

    `end_chance`: that the speaker's pause, as it stands, ends the utterance, 0..1; 0 while somebody speaks or nobody
    has.
    """

    position: int
    end_chance: float = 0.0


@dataclass(frozen=True, slots=True)
class EarlyTrigger:
    """The text so far is settled enough to act on while the speaker goes on."""

    seq: int
    utterance: int
    trigger_id: str
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class EarlyTriggerRetracted:
    """The final differs from what `EarlyTrigger` of that id said; comes before the final."""

    seq: int
    utterance: int
    trigger_id: str
    reason: str
