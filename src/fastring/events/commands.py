"""What goes into a session: frozen dataclasses, which codecs make of messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = [
    "Audio",
    "Clear",
    "Close",
    "Command",
    "Configure",
    "Control",
    "DeclareSource",
    "Echo",
    "Endpointing",
    "Finalize",
    "Ping",
    "Resume",
]


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes of audio in the stream's declared encoding.

    `number` is the client's own message count, if it sends one; `missing` says how many of those before it never came.
    """

    data: bytes
    source: str = "system"
    number: int | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Finalize:
    """End the utterance now; its final follows.

    `channel`, `source`: where channels or sources are heard apart, this one; None: all.
    """

    channel: int | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Flush everything, then `Closed`."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by `Pong`."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with an earlier session: its token, the last event the client has, the oldest sample it can send again.

    Of a container it is the oldest byte that counts.
    """

    token: str
    last_seq: int
    oldest_sample: int
    oldest_byte: int = 0


@dataclass(frozen=True, slots=True)
class DeclareSource:
    """Say what a source of several sends. Under overload the one of the lowest priority goes first; None: as before."""

    source: str
    priority: int = 0
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """A question or order about a stream; answered by `Reply`."""

    command: Literal["get_stats", "reset_analysis", "list_streams", "pause", "resume"]


@dataclass(frozen=True, slots=True)
class Clear:
    """Forget the audio that has not been finalized."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Hear the stream differently from here on; which fields there are is between a codec and its station."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How long a speaker who pauses is waited for, from here on.

    Attributes:
        silence_ms: silence that ends an utterance, weighed by how sure it is; see `Endpointer`.
        timeout_ms: silence that ends it in any case, whatever it weighs; None: none does.
        trigger: chance, 0..1, from which a partial triggers early; None: as configured.
    """

    silence_ms: float
    timeout_ms: float | None = None
    trigger: float | None = None


@dataclass(frozen=True, slots=True)
class Echo:
    """What a codec wants said in its turn: a command that comes back to it as an event, from the station."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


Command = Audio | Finalize | Close | Ping | Resume | Control | DeclareSource | Clear | Configure | Endpointing | Echo
