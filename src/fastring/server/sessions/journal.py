"""What a session said, kept until its client can have no more use for it; bounded."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fastring.events import Closed, Failure, Final, Partial, Status

if TYPE_CHECKING:
    from fastring.events import Event

__all__ = ["Journal"]

_EVENT_BYTES = 400
_WORD_BYTES = 200


class Journal:
    """Keeps the numbered events of a session, and what else it says while nobody listens.

    Numbered events stay until newer ones push them out, for only the client knows which of them it has. Of all others
    only what nobody heard is kept: of partials the newest, statuses and failures as they came, `Closed` for good.

    Args:
        limit: events kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: deque[tuple[int | None, Event]] = deque()
        self._closed: Closed | None = None
        self._first_seq = 0
        self._next_seq = 0
        self._words = 0

    @property
    def next_seq(self) -> int:
        """The number that the next numbered event will bear."""
        return self._next_seq

    @property
    def memory_bytes(self) -> int:
        """An estimate of what it takes."""
        return _EVENT_BYTES * len(self._entries) + _WORD_BYTES * self._words

    def note(self, event: Event, *, heard: bool) -> None:
        """Take an event; `heard` if a connection took it too."""
        seq: int | None = getattr(event, "seq", None)
        if isinstance(event, Closed):
            self._closed = event
        elif seq is not None:
            self._next_seq = seq + 1
            self._keep(seq, event)
        elif not heard and isinstance(event, Partial | Status | Failure):
            if isinstance(event, Partial):
                self._drop_partials()
            self._keep(None, event)

    def reaches(self, last_seq: int) -> bool:
        """Whether all events after that number are kept, and that number was ever given."""
        return self._first_seq - 1 <= last_seq < self._next_seq

    def replay(self, last_seq: int) -> list[Event]:
        """The events after that number, and what else nobody heard, in order; the latter is not told a second time."""
        told = [event for seq, event in self._entries if seq is None or seq > last_seq]
        for entry in [entry for entry in self._entries if entry[0] is None]:
            self._forget(entry)
            self._entries.remove(entry)
        return [*told, self._closed] if self._closed is not None else told

    def _keep(self, seq: int | None, event: Event) -> None:
        if isinstance(event, Final):
            self._drop_partials()
        self._entries.append((seq, event))
        self._words += _words(event)
        while len(self._entries) > self._limit:
            oldest = self._entries.popleft()
            self._forget(oldest)
            if oldest[0] is not None:
                self._first_seq = oldest[0] + 1

    def _drop_partials(self) -> None:
        for entry in [entry for entry in self._entries if isinstance(entry[1], Partial)]:
            self._forget(entry)
            self._entries.remove(entry)

    def _forget(self, entry: tuple[int | None, Event]) -> None:
        self._words -= _words(entry[1])


def _words(event: Event) -> int:
    return len(event.words) if isinstance(event, Final | Partial) else 0
