"""What a session says of a talk, for tests of the codecs that make turns of it. Times in seconds."""

from __future__ import annotations

from typing import Any

from fastring.events import (
    EarlyTrigger,
    EarlyTriggerRetracted,
    Final,
    Heard,
    Latency,
    Partial,
    SpeechEnded,
    SpeechStarted,
    Word,
)
from fastring.protocols.deepgram_turns import Thresholds

LATENCY = Latency(0, 0, 0, 0)
RATE = 16_000
EAGER = Thresholds(eager_eot_threshold=0.4)


def words(text: str, start_s: float) -> tuple[Word, ...]:
    """A quarter of a second each."""
    first = round(start_s * RATE)
    return tuple(Word(word, first + 4_000 * n, first + 4_000 * (n + 1), 0.9) for n, word in enumerate(text.split()))


def started(start_s: float, *, silent: bool = False) -> SpeechStarted:
    """Speech begins."""
    return SpeechStarted(0, 0, round(start_s * RATE), silent)


def partial(text: str, start_s: float, end_s: float) -> Partial:
    """Heard so far."""
    said = words(text, start_s)
    return Partial(0, text, "", said, 0.9, said[0].start, round(end_s * RATE), -20.0, 0.0, 0, LATENCY)


def final(text: str, start_s: float, end_s: float, **fields: Any) -> Final:
    """All of it."""
    return Final(0, 0, text, words(text, start_s), 0.9, round(start_s * RATE), round(end_s * RATE), LATENCY, **fields)


def early(text: str, confidence: float = 0.8) -> EarlyTrigger:
    """It is likely all."""
    return EarlyTrigger(0, 0, "0-0", text, confidence)


RETRACTED = EarlyTriggerRetracted(0, 0, "0-0", "the text went on")
ENDED = SpeechEnded(0, 0, 0)


def heard(at_s: float, chance: float = 0.0) -> Heard:
    """The session has come so far."""
    return Heard(round(at_s * RATE), chance)
