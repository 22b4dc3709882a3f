"""Word feedback: a verdict on each word of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastring.events.speech import Latency

__all__ = [
    "Recitation",
    "RecitationFailed",
    "RecitationResult",
    "Verification",
    "WordFeedback",
]


@dataclass(frozen=True, slots=True)
class WordFeedback:
    """One word of the reference: its place from 0, the word as written, how it stands, and what was heard instead."""

    index: int
    word: str
    status: Literal["correct", "minor_mistake", "wrong", "missing", "pending"]
    heard: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """A whole recitation.

    Attributes:
        transcript: what was heard.
        score: share of what was said and should have been said that is right, 0..1: a correct word counts 1, a minor
            mistake a half, each over the words of the reference and the extra ones.
        words: one for each word of the reference.
        extra_words: words that stand for none of them.
    """

    transcript: str
    score: float
    words: tuple[WordFeedback, ...]
    extra_words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recitation:
    """How a recitation stands: all that is heard so far, and a verdict on each word of the reference.

    `error` says what went wrong in the stream, and what the client can do instead.
    """

    transcript: str
    words: tuple[WordFeedback, ...]
    extra_words: tuple[str, ...]
    latency: Latency
    queue_depth: int = 0
    server_busy: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecitationResult:
    """The end of a recitation; it is `end` samples long."""

    verification: Verification
    end: int


@dataclass(frozen=True, slots=True)
class RecitationFailed:
    """The end of a recitation of which not everything could be heard; the message says why."""

    message: str
