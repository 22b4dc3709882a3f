"""The turns of Deepgram's second protocol (Flux): what a session hears becomes turns that start, may end, and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Endpointing
from fastring.protocols.deepgram_results import seconds
from fastring.protocols.messages import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Word

__all__ = ["RANGES", "Thresholds", "Turns"]

Fields = dict[str, Any]

_RATE: Final = 16_000  # of the samples in events
_UPDATE: Final = _RATE // 4  # so much audio without a message is told by an Update
_USUAL: Final = 0.7  # the threshold that the configured silence stands for
_STEEPNESS: Final = 3.0  # of silence over threshold: see `Thresholds.endpointing`
_LEAST_SILENCE_MS: Final = 100.0  # shorter ones lie within words
_NEVER: Final = 4.0  # times the timeout: more than a silence of any weight is within it
_TRIGGERS: Final = {"silence": "model", "timeout": "timeout", "longest": "timeout", "forced": "manual"}
RANGES: Final[dict[str, tuple[float, float]]] = {
    "eager_eot_threshold": (0.3, 0.9),
    "eot_threshold": (0.5, 1.0),
    "eot_timeout_ms": (500, 60_000),
}
"""Of each threshold, the least and the most."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a turn ends.

    Attributes:
        eot_threshold: confidence that ends it, 0.5..1; 1: none does.
        eager_eot_threshold: confidence at which that is announced, 0.3..0.9; None: it is not.
        eot_timeout_ms: silence that ends it in any case, 500..60000.
    """

    eot_threshold: float = _USUAL
    eager_eot_threshold: float | None = None
    eot_timeout_ms: float = 5_000

    def changed(self, fields: Mapping[str, Any]) -> Thresholds:
        """With some of them set anew; one that is None stays as it is.

        Raises:
            ProtocolError: one is out of its range, or would be announced after the end.
        """
        given = {name: fields[name] for name in RANGES if fields.get(name) is not None}
        for name, value in given.items():
            low, high = RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ProtocolError(f"{name} = {shown(value)}: must be a number {low:g}..{high:g}")
        new = replace(self, **given)
        eager, end = new.eager_eot_threshold, new.eot_threshold
        if eager is not None and eager > end:
            raise ProtocolError(f"eager_eot_threshold = {eager:g}: must be at most eot_threshold ({end:g})")
        return new

    def endpointing(self, silence_ms: float) -> Endpointing:
        """How long the session waits, if so much silence is what a threshold of 0.7 asks for.

        The chance that a pause ends the turn grows with a power of its length (`session/pauses.py`), of about a third
        for most speakers. So the silence that a threshold asks for grows with its third power.
        """
        asked_ms = max(_LEAST_SILENCE_MS, silence_ms * (self.eot_threshold / _USUAL) ** _STEEPNESS)
        if self.eot_threshold >= 1:
            asked_ms = _NEVER * self.eot_timeout_ms
        eager = self.eager_eot_threshold
        return Endpointing(asked_ms, self.eot_timeout_ms, None if eager is None else eager / self.eot_threshold)

    def fields(self) -> Fields:
        """As the wire has them; what is None is left out."""
        values = {name: getattr(self, name) for name in RANGES}
        return {name: value for name, value in values.items() if value is not None}


class Turns:
    """The turns of a stream, and how far they are told. Times in samples.

    A turn is an utterance in which something was heard. It starts with its first words, and nothing is said of it
    after its end. Between an `EagerEndOfTurn` and what becomes of it nothing is said, and the end that follows it says
    what it said.

    Args:
        thresholds: when turns end.
        tell_language: say it at a turn's end, if the engine does.

    Attributes:
        thresholds: see above; they may change at any time.
    """

    def __init__(self, thresholds: Thresholds, *, tell_language: bool = False) -> None:
        self.thresholds = thresholds
        self._tell_language = tell_language
        self._index = 0
        self._start = 0  # of the window: where the turn before ended, or this one's speech begins if that is earlier
        self._end = 0  # audio is heard up to here
        self._told = 0  # and told up to here
        self._chance = 0.0  # that the pause ends the turn
        self._open = False
        self._text = ""
        self._words: list[Fields] = []  # as the wire has them, for they are told again and again
        self._eager: tuple[str, list[Fields]] | None = None  # what an EagerEndOfTurn said that still holds

    def tell(self, event: object) -> list[Fields]:
        """What an event becomes: `TurnInfo` messages without what all messages have."""
        return _TELLERS[type(event)](self, event)

    def _speech_started(self, event: events.SpeechStarted) -> list[Fields]:
        self._start = min(self._start, event.start)  # the final before may have come late
        return []

    def _partial(self, event: events.Partial) -> list[Fields]:
        news = event.text != self._text
        self._text, self._words = event.text, _told_words(event.words)
        self._end = max(self._end, event.end)
        if self._eager is not None or not news:
            return []
        self._chance = 0.0  # the speaker has gone on since it was measured
        return [self._info("Update")] if self._open else self._started()

    def _early(self, event: events.EarlyTrigger) -> list[Fields]:
        if self.thresholds.eager_eot_threshold is None or event.text != self._text:
            return []
        told = self._started()
        self._eager = self._text, self._words
        self._chance = event.confidence
        return [*told, self._info("EagerEndOfTurn")]

    def _retracted(self, _event: events.EarlyTriggerRetracted) -> list[Fields]:
        if self._eager is None:
            return []
        self._eager, self._chance = None, 0.0
        return [self._info("TurnResumed")]

    def _final(self, event: events.Final) -> list[Fields]:
        self._text, self._words = self._eager or (event.text, _told_words(event.words))
        self._end = max(self._end, event.end, event.words[-1].end if event.words else 0)
        told = self._started() if self._text else []
        if self._open:
            self._chance = 1.0 if event.ended_by == "silence" else self._chance
            languages = {"languages": [event.language]} if self._tell_language and event.language else {}
            told.append(self._info("EndOfTurn", trigger=_TRIGGERS[event.ended_by], **languages))
            self._index += 1
        self._open, self._eager, self._chance = False, None, 0.0
        self._text, self._words, self._start = "", [], self._end
        return told

    def _heard(self, event: events.Heard) -> list[Fields]:
        self._end = max(self._end, event.position)
        if self._eager is not None or self._end - self._told < _UPDATE:
            return []
        self._chance = event.end_chance if self._open else 0.0
        return [self._info("Update")]

    def _started(self) -> list[Fields]:
        """The turn's start, if it is not told."""
        if self._open:
            return []
        self._open, self._chance = True, 0.0
        return [self._info("StartOfTurn")]

    def _info(self, event: str, **more: Any) -> Fields:
        self._told = self._end
        return {
            "event": event,
            "turn_index": self._index,
            "audio_window_start": seconds(self._start, _RATE),
            "audio_window_end": seconds(self._end, _RATE),
            "transcript": self._text,
            "words": self._words,
            "end_of_turn_confidence": round(self.thresholds.eot_threshold * self._chance, 4),
            **more,
        }


def _told_words(words: Sequence[Word]) -> list[Fields]:
    return [
        {
            "word": word.text,
            "confidence": round(word.confidence, 4),
            "start": seconds(word.start, _RATE),
            "end": seconds(word.end, _RATE),
        }
        for word in words
    ]


_TELLERS: Final[dict[type, Callable[[Turns, Any], list[Fields]]]] = {
    events.SpeechStarted: Turns._speech_started,
    events.Partial: Turns._partial,
    events.EarlyTrigger: Turns._early,
    events.EarlyTriggerRetracted: Turns._retracted,
    events.Final: Turns._final,
    events.Heard: Turns._heard,
    events.SpeechEnded: lambda _turns, _event: [],  # its final has said it
}
