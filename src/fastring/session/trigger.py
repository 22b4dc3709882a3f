"""Early triggers: what is heard of an utterance is likely all of it, so others may act on it already. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastring.asr.agreement import normalise
from fastring.events import EarlyTrigger, EarlyTriggerRetracted

if TYPE_CHECKING:
    from fastring.events import Final, Partial

__all__ = ["EarlyTriggers", "Trigger"]


class EarlyTriggers(NamedTuple):
    """When a partial triggers: from this confidence (0..1) on, and so many samples after the last one."""

    threshold: float
    interval: int


class Trigger:
    """The triggers of one utterance, of which at most one is live.

    A partial triggers when its confidence is high and its text is settled: all of it has become stable, or it was
    decoded in a pause, so that no word was cut in the middle. Text that says something else takes the trigger back.

    Args:
        utterance: its number.
        threshold: confidence, 0..1, from which a partial triggers.
        interval: samples between two triggers at least.
    """

    def __init__(self, utterance: int, threshold: float, interval: int) -> None:
        self._utterance = utterance
        self._threshold = threshold
        self._interval = interval
        self._live: EarlyTrigger | None = None
        self._count = 0
        self._last_end: int | None = None

    def partial(self, partial: Partial, *, in_pause: bool) -> list[EarlyTrigger | EarlyTriggerRetracted]:
        """Take the next partial; what is to be said after it."""
        said: list[EarlyTrigger | EarlyTriggerRetracted] = list(self._retraction(partial.text, "the text went on"))
        settled = in_pause or partial.stable_text == partial.text
        if self._live is None and settled and partial.confidence >= self._threshold and self._rested(partial.end):
            self._live = EarlyTrigger(
                0, self._utterance, f"{self._utterance}-{self._count}", partial.text, partial.confidence
            )
            self._count += 1
            self._last_end = partial.end
            said.append(self._live)
        return said

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
