"""What the session of one of several channels or sources says."""

from __future__ import annotations

from dataclasses import dataclass

from fastring.events.speech import (
    EarlyTrigger,
    EarlyTriggerRetracted,
    Final,
    Heard,
    Partial,
    SpeechEnded,
    SpeechStarted,
)
from fastring.events.stream import Ack, Failure

__all__ = [
    "ChannelEvent",
    "SourceEvent",
]


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """What the session of one of several channels says; channels are numbered from 0."""

    channel: int
    channels: int
    event: SpeechStarted | Partial | EarlyTrigger | EarlyTriggerRetracted | Final | SpeechEnded | Heard


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """What the session of one of several named sources says."""

    source: str
    event: SpeechStarted | Partial | EarlyTrigger | EarlyTriggerRetracted | Final | SpeechEnded | Failure | Ack
