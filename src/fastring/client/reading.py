"""Messages of the native protocol to typed events, moved to the client's own time and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fastring.client import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.client.events import ClientEvent

__all__ = ["NUMBERED", "Shift", "read_event"]

Message = dict[str, Any]

NUMBERED = frozenset({"speech_started", "final", "speech_ended", "early_trigger", "early_trigger_retracted"})
"""The messages that are told once and in order, whatever becomes of connections."""


class Shift(NamedTuple):
    """From a session's counting to its client's: seconds and utterances are added to; `seq` is the number to bear."""

    seconds: float = 0.0
    utterances: int = 0
    seq: int = 0


def read_event(message: Message, shift: Shift) -> ClientEvent | None:
    """The event that a message tells; None for what concerns the connection alone, and for what is not known."""
    read = _READERS.get(str(message.get("type")))
    return None if read is None else read(message, shift)


def _at(message: Message, name: str, shift: Shift) -> float:
    return round(float(message[name]) + shift.seconds, 6)


def _words(message: Message, shift: Shift) -> tuple[events.Word, ...]:
    return tuple(
        events.Word(
            str(word["word"]),
            _at(word, "start", shift),
            _at(word, "end", shift),
            float(word.get("confidence") or 0.0),
            bool(word.get("stable")),
        )
        for word in message.get("words", ())
    )


def _utterance(message: Message, shift: Shift) -> int:
    return int(message["utterance"]) + shift.utterances


def _partial(message: Message, shift: Shift) -> ClientEvent:
    return events.Partial(
        _utterance(message, shift),
        str(message["text"]),
        str(message.get("stable_text", "")),
        _words(message, shift),
        float(message.get("confidence") or 0.0),
        _at(message, "start", shift),
        _at(message, "end", shift),
        message,
    )


def _final(message: Message, shift: Shift) -> ClientEvent:
    return events.Final(
        shift.seq,
        _utterance(message, shift),
        str(message["text"]),
        _words(message, shift),
        float(message.get("confidence") or 0.0),
        _at(message, "start", shift),
        _at(message, "end", shift),
        message,
    )


def _early_trigger(message: Message, shift: Shift) -> ClientEvent:
    return events.EarlyTrigger(
        shift.seq,
        _utterance(message, shift),
        str(message["trigger_id"]),
        str(message["text"]),
        float(message.get("confidence") or 0.0),
    )


def _retracted(message: Message, shift: Shift) -> ClientEvent:
    return events.EarlyTriggerRetracted(
        shift.seq, _utterance(message, shift), str(message["trigger_id"]), str(message.get("reason", ""))
    )


_READERS: dict[str, Callable[[Message, Shift], ClientEvent]] = {
    "speech_started": lambda m, shift: events.SpeechStarted(shift.seq, _utterance(m, shift), _at(m, "start", shift)),
    "partial": _partial,
    "final": _final,
    "speech_ended": lambda m, shift: events.SpeechEnded(shift.seq, _utterance(m, shift), _at(m, "end", shift)),
    "early_trigger": _early_trigger,
    "early_trigger_retracted": _retracted,
    "status": lambda m, _shift: events.Status(str(m["state"]), m),
}
