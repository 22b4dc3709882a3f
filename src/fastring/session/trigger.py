"""Early triggers: what is heard of an utterance is likely all of it, so others may act on it already. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastring.asr.agreement import normalise
from fastring.events import EarlyTrigger, EarlyTriggerRetracted

if TYPE_CHECKING:
    from fastring.events import Final, Partial

__all__ = ["EarlyTriggers", "Trigger"]


class EarlyTriggers(NamedTuple):
    """When a partial triggers: from this chance (0..1) on, and so many samples after the last one."""

    threshold: float
    interval: int


class Trigger:
    """The triggers of one utterance, of which at most one is live.

    A partial is a candidate when its text is settled: all of it has become stable, or it was decoded in a pause, so
    that no word was cut in the middle. It triggers once the chance that it is right and complete reaches the threshold:
    its words' probability times the chance that the pause, as it stands, ends the utterance. So a doubtful text waits
    for a longer pause, and one whose speaker goes on never triggers. Text that says something else takes the trigger
    back.

    Args:
        utterance: its number.
        threshold: chance, 0..1, from which a partial triggers.
        interval: samples between two triggers at least.

    Attributes:
        threshold: see above; it may change at any time.
    """

    def __init__(self, utterance: int, threshold: float, interval: int) -> None:
        self._utterance = utterance
        self.threshold = threshold
        self._interval = interval
        self._candidate: Partial | None = None
        self._live: EarlyTrigger | None = None
        self._count = 0
        self._last_end: int | None = None

    def partial(self, partial: Partial, *, in_pause: bool) -> list[EarlyTriggerRetracted]:
        """Take the next partial; what is to be said after it."""
        said = self._retraction(partial.text, "the text went on")
        settled = in_pause or partial.stable_text == partial.text
        sure = partial.confidence >= self.threshold
        self._candidate = partial if settled and sure and self._live is None and self._rested(partial.end) else None
        return said

    def consider(self, end_chance: float, last_voiced: int) -> list[EarlyTrigger]:
        """Time has gone on: trigger if it is time.

        Args:
            end_chance: that nothing more is said, as far as the pause tells, 0..1.
            last_voiced: speech so far ends at this sample; a text that was decoded before it is not all of it.
        """
        candidate = self._candidate
        if candidate is None:
            return []
        if candidate.end < last_voiced:
            self._candidate = None
            return []
        confidence = candidate.confidence * end_chance
        if confidence < self.threshold:
            return []
        self._live = EarlyTrigger(0, self._utterance, f"{self._utterance}-{self._count}", candidate.text, confidence)
        self._candidate = None
        self._count += 1
        self._last_end = candidate.end
        return [self._live]

    def final(self, final: Final) -> list[EarlyTriggerRetracted]:
        """Take the final; what is to be said before it."""
        return self._retraction(final.text, "the final differs")

    def _retraction(self, text: str, reason: str) -> list[EarlyTriggerRetracted]:
        live = self._live
        if live is None or _comparable(live.text) == _comparable(text):
            return []
        self._live = None
        return [EarlyTriggerRetracted(0, self._utterance, live.trigger_id, reason)]

    def _rested(self, end: int) -> bool:
        return self._last_end is None or end - self._last_end >= self._interval


def _comparable(text: str) -> list[str]:
    return [normalise(word) for word in text.split()]
