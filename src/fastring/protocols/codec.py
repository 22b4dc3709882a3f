"""What every wire protocol offers the pump: messages in become commands, events out become messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from fastring.errors import ProtocolError
from fastring.events import Closed, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastring.events import Command, Event

__all__ = ["Codec", "Counters", "Message", "SequenceCheck", "SlicingCodec", "close_frame"]

Message = str | bytes

_POLICY_VIOLATION = 1008
_CLOSE_CODES = {
    "message_too_large": 1009,
    "engine_failed": 1011,
    "internal": 1011,
    "no_answer": 4408,
    "overloaded": 1013,
    "session_moved": 4409,
    "too_many_streams": 1013,
}


@dataclass(slots=True)
class Counters:
    """What came in on one connection.

    Of messages that a client numbered, `seq_gaps` never came, and `late` came after a later one, or again.
    """

    messages: int = 0
    bytes: int = 0
    malformed: int = 0
    seq_gaps: int = 0
    late: int = 0

    def taken(self, message: Message, most: int, read: Callable[[Message], list[Command]]) -> list[Command]:
        """Count a message, and have it read; one that is longer than `most` or cannot be read is malformed.

        Raises:
            ProtocolError: it is.
        """
        self.messages += 1
        self.bytes += len(message)
        try:
            if len(message) > most:
                raise ProtocolError(f"message of {len(message)} bytes: at most {most}", code="message_too_large")
            return read(message)
        except ProtocolError:
            self.malformed += 1
            raise

    def add(self, other: Counters) -> None:
        """Sum up."""
        self.messages += other.messages
        self.bytes += other.bytes
        self.malformed += other.malformed
        self.seq_gaps += other.seq_gaps
        self.late += other.late


class Codec(Protocol):
    """One connection's translator. It holds no socket and no clock; one task at a time uses it.

    Attributes:
        ENCODED: the event classes it tells, at least at times.
        DECLINED: those it never tells. A test sees to it that every class is in one of the two.
        counters: what came in.
    """

    ENCODED: ClassVar[frozenset[type]]
    DECLINED: ClassVar[frozenset[type]]
    counters: Counters

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands, in order; a message may mean nothing.

        Raises:
            ProtocolError: the message breaks the protocol; it was counted as malformed and nothing of it was taken.
        """
        ...

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it in this protocol: none if the protocol does not tell it."""
        ...

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """The code and the reason the connection closes with after its last event."""
        ...


@runtime_checkable
class SlicingCodec(Protocol):
    """A codec whose messages may be so long that a whole one would take too much time at once."""

    def decode_slices(self, message: bytearray) -> Iterator[list[Command]]:
        """What `Codec.decode` does, in steps; the commands of all steps together are the message's.

        Args:
            message: a text as it came, which should be UTF-8.
        """
        ...


def close_frame(event: Closed | Failure) -> tuple[int, str]:
    """What a protocol closes with that has no codes of its own; see `Codec.close_frame`."""
    if isinstance(event, Closed):
        return 1000, event.reason
    return _CLOSE_CODES.get(event.code, _POLICY_VIOLATION), event.code


@dataclass(slots=True)
class SequenceCheck:
    """Finds the messages missing from a numbered series that wraps at 2^32.

    The first number seen starts the series. A number from the past (a repeat, a late one) is no gap and moves nothing.
    """

    expected: int | None = None

    def is_late(self, number: int) -> bool:
        """Whether that number, or one after it, has been taken."""
        return self.expected is not None and (number - self.expected) & 0xFFFFFFFF >= 0x80000000

    def missing_before(self, number: int) -> int:
        """Take the next number; return how many were skipped before it."""
        if self.is_late(number):
            return 0
        ahead = 0 if self.expected is None else (number - self.expected) & 0xFFFFFFFF
        self.expected = (number + 1) & 0xFFFFFFFF
        return ahead
