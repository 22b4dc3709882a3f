"""What a session says of an utterance: its partials and its final, made from the words heard so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastring.asr.transcriber import join_words
from fastring.events import Final, Partial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.events import Latency, Word
    from fastring.session.utterance import Utterance

__all__ = ["InputState", "final_of", "partial_of"]


@dataclass(frozen=True, slots=True)
class InputState:
    """How the stream's audio fares: newest level in dBFS, share of the ring that is still needed, samples lost."""

    level_db: float
    buffer_usage: float
    dropped: int


def partial_of(utterance: Utterance, end: int, latency: Latency, state: InputState) -> Partial:
    """The words heard up to sample `end`; `stable_text` is made of those that will not change."""
    words = utterance.words
    return Partial(
        utterance=utterance.number,
        text=join_words(words),
        stable_text=join_words([word for word in words if word.stable]),
        words=words,
        confidence=_confidence(words),
        start=utterance.onset,
        end=end,
        level_db=state.level_db,
        buffer_usage=state.buffer_usage,
        dropped=state.dropped,
        latency=latency,
    )


def final_of(utterance: Utterance, latency: Latency) -> Final:
    """The transcript; the outbox gives it its number."""
    words = utterance.words
    return Final(
        seq=0,
        utterance=utterance.number,
        text=join_words(words),
        words=words,
        confidence=_confidence(words),
        start=utterance.onset,
        end=utterance.end,
        latency=latency,
        from_finalize=utterance.from_finalize,
        language=utterance.language,
        ended_by=utterance.ended_by,
    )


def _confidence(words: Sequence[Word]) -> float:
    """The mean; 0 where nothing was heard."""
    return sum(word.confidence for word in words) / len(words) if words else 0.0
