"""Events in the order that a client may rely on: all of one utterance before any of the next, numbered without gaps."""

from __future__ import annotations

from dataclasses import replace

from fastring.events import (
    EarlyTrigger,
    EarlyTriggerRetracted,
    Event,
    Final,
    Partial,
    SpeechEnded,
    SpeechStarted,
    SpeechStopped,
)

__all__ = ["Outbox"]

_TURNS = (SpeechStarted, SpeechStopped)
_NUMBERED = (SpeechStarted, EarlyTrigger, EarlyTriggerRetracted, Final, SpeechEnded)


class Outbox:
    """Collects what a session has to say, and holds back an utterance until the one before has been told.

    Of the partials that an utterance has waiting only the newest is of use, so it holds no more than a few events.

    Args:
        turns_at_once: who speaks when is told without waiting for the text of the utterance before.
    """

    def __init__(self, *, turns_at_once: bool = False) -> None:
        self._at_once = _TURNS if turns_at_once else ()
        self._ready: list[Event] = []
        self._held: dict[int, list[Event]] = {}  # by utterance, oldest first; the first one's list is empty
        self._ended: set[int] = set()
        self._seq = 0

    @property
    def waiting(self) -> bool:
        """Whether there is something to be sent now."""
        return bool(self._ready)

    def take(self) -> list[Event]:
        """What is to be sent now."""
        ready, self._ready = self._ready, []
        return ready

    def tell(self, event: Event) -> None:
        """Say something that belongs to no utterance: at once."""
        self._ready.append(event)

    def begin(self, utterance: int) -> None:
        """An utterance joins the queue."""
        self._held[utterance] = []

    def say(self, utterance: int, event: Event) -> None:
        """Say something of an utterance that has begun and not ended: now if it is its turn."""
        if utterance == next(iter(self._held)) or isinstance(event, self._at_once):
            self._send(event)
            return
        held = self._held[utterance]
        if isinstance(event, Partial) and held and isinstance(held[-1], Partial):
            held.pop()
        held.append(event)

    def end(self, utterance: int) -> None:
        """An utterance has nothing more to say; those behind it may come forward."""
        self._ended.add(utterance)
        while self._held and (first := next(iter(self._held))) in self._ended:
            del self._held[first]
            self._ended.remove(first)
            if self._held:
                following = next(iter(self._held))
                held, self._held[following] = self._held[following], []
                for event in held:
                    self._send(event)

    def _send(self, event: Event) -> None:
        if isinstance(event, _NUMBERED):
            event = replace(event, seq=self._seq)
            self._seq += 1
        self._ready.append(event)
