"""Where the state of sessions is kept, so that who holds it can be decided in one place: the interface, and memory.

Every write carries the epoch its writer believes in. A claim raises the epoch, so a writer whose session was claimed by
another finds its writes refused, and lets go: at most one connection owns a session, whatever the others think.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

__all__ = ["MemoryStore", "SessionRecord", "SessionStore"]

TTL_S = 600.0
"""What nobody has written for this long is forgotten."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session's state; small (a kilobyte or so), for a shared store is written to twice a second while audio comes.

    Attributes:
        session: 128 random bits as hex, minted by the server.
        epoch: raised by every claim.
        confirmed: the oldest epoch whose token may still claim; the client has shown that it holds this one.
        node: who runs it.
        owner: whose key opened it, "" on an open server.
        stream_id: the client's name for it.
        encoding: of the client's audio, as is `sample_rate` and `channels`.
        received: samples taken from the client.
        committed: samples that the client was told to forget.
        next_seq: number of the next event.
        created_s: wall-clock time.
        detector: state of the speech detector at `committed`, for a node that starts there; empty if not kept.
        tail: audio since `committed`, little-endian PCM16; empty if the client holds it.
    """

    session: str
    epoch: int
    confirmed: int
    node: str
    owner: str
    stream_id: str
    encoding: str
    sample_rate: int
    channels: int
    received: int = 0
    committed: int = 0
    next_seq: int = 0
    created_s: float = 0.0
    detector: bytes = b""
    tail: bytes = b""


class SessionStore(Protocol):
    """What every store offers; each call is atomic per session.

    Attributes:
        shared: other processes read it, so it is told how far each session has come. One that is not is written to
            before a claim, and to renew what was claimed.
    """

    shared: bool

    async def put(self, records: Sequence[SessionRecord]) -> set[str]:
        """Write records and renew their time to live; return the sessions whose write was refused.

        A write is refused if the session's epoch has risen above the record's, or if it was claimed once and is
        forgotten now. A record of epoch 0 that is not there yet is taken.
        """
        ...

    async def claim(self, session: str, *, epoch: int, node: str) -> SessionRecord | None:
        """Take a session over: raise its epoch, set its node, return the new record.

        `epoch` is the one in the presented token. None if there is no such session any more, or if the client has
        since shown a newer token (`epoch < confirmed`), or if no such epoch was ever given.
        """
        ...

    async def drop(self, session: str, *, epoch: int) -> None:
        """Forget a session, unless its epoch has risen above `epoch`."""
        ...


class MemoryStore:
    """Keeps the records of one process: a session survives its connection, not the process.

    Nobody else reads it, so the keeper spares itself the progress of thousands of sessions; see `SessionStore.shared`.

    Args:
        ttl_s: see `TTL_S`.
        clock: monotonic seconds.
    """

    shared = False

    def __init__(self, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._records: dict[str, tuple[SessionRecord, float]] = {}  # in the order of their last renewal

    def __len__(self) -> int:
        return len(self._records)

    async def put(self, records: Sequence[SessionRecord]) -> set[str]:
        """See `SessionStore.put`."""
        now = self._clock()
        self._expire(now)
        refused = set()
        for record in records:
            held = self._records.get(record.session)
            if (held is None and record.epoch > 0) or (held is not None and held[0].epoch > record.epoch):
                refused.add(record.session)
            else:
                self._renew(record, now)
        return refused

    async def claim(self, session: str, *, epoch: int, node: str) -> SessionRecord | None:
        """See `SessionStore.claim`."""
        now = self._clock()
        self._expire(now)
        held = self._records.get(session)
        if held is None or not held[0].confirmed <= epoch <= held[0].epoch:
            return None
        record = replace(held[0], epoch=held[0].epoch + 1, node=node)
        self._renew(record, now)
        return record

    async def drop(self, session: str, *, epoch: int) -> None:
        """See `SessionStore.drop`."""
        held = self._records.get(session)
        if held is not None and held[0].epoch <= epoch:
            del self._records[session]

    def _renew(self, record: SessionRecord, now: float) -> None:
        self._records.pop(record.session, None)
        self._records[record.session] = (record, now + self._ttl_s)

    def _expire(self, now: float) -> None:
        while self._records:
            session, (_, expires_s) = next(iter(self._records.items()))
            if expires_s > now:
                return
            del self._records[session]
