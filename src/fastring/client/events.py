"""What a client hears: frozen dataclasses, times in seconds of audio since the client's first sample.

They are not those of `fastring.events`, though some bear their names. Those say what one session said, in samples at
the session's rate, with what its server alone knows; these are read from messages, in seconds, count on when another
session takes the place of one that is gone, and tell what happens to the connection. One class for both would have
fields whose unit depends on who made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "AudioLost",
    "ClientEvent",
    "Closed",
    "EarlyTrigger",
    "EarlyTriggerRetracted",
    "Final",
    "Partial",
    "Ready",
    "Reconnecting",
    "Restarted",
    "Resumed",
    "ServerError",
    "SpeechEnded",
    "SpeechStarted",
    "Status",
    "Word",
]


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its span, confidence 0..1, and whether it will not change any more."""

    text: str
    start: float
    end: float
    confidence: float
    stable: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The server takes audio. `message` has every field of the protocol's `ready`."""

    engine: str
    model: str
    message: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    seq: int
    utterance: int
    start: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What is heard so far. `stable_text` is a prefix of `text` that will not change any more."""

    utterance: int
    text: str
    stable_text: str
    words: tuple[Word, ...]
    confidence: float
    start: float
    end: float
    message: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Final:
    """The transcript of an utterance."""

    seq: int
    utterance: int
    text: str
    words: tuple[Word, ...]
    confidence: float
    start: float
    end: float
    message: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over; its final came before."""

    seq: int
    utterance: int
    end: float


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
    """The final differs from what the trigger of that id said."""

    seq: int
    utterance: int
    trigger_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the stream fares: backpressure, recovered, fallback, server_busy. `message` has the figures."""

    state: str
    message: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerError:
    """The server could not do something; unless `fatal`, the stream goes on."""

    code: str
    text: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost; the next attempt comes in `delay_s`. Audio may be sent meanwhile."""

    attempt: int
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The session goes on as if nothing had been. `replayed_s`: audio that is sent again or late."""

    replayed_s: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """The server has the session no more, so another one goes on in its place, from `start` on.

    Utterances and events go on counting. An utterance that was open is heard again from its beginning.
    """

    reason: str
    start: float


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Audio had to be given up: nobody heard it, and nobody will."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Closed:
    """Everything is answered; nothing follows."""

    reason: str
    stats: Mapping[str, Any] = field(repr=False, default_factory=dict)


ClientEvent = (
    Ready
    | SpeechStarted
    | Partial
    | Final
    | SpeechEnded
    | EarlyTrigger
    | EarlyTriggerRetracted
    | Status
    | ServerError
    | Reconnecting
    | Resumed
    | Restarted
    | AudioLost
    | Closed
)
