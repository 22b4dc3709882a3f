"""What becomes of the audio of several sources when the engine cannot keep up: pure decisions, no I/O.

Theory of operation. A source whose engine work is behind keeps what it is sent in a queue of its own. The queue is
bounded: when it is full, the oldest chunk goes (and the hole is told as a gap), or the new one is refused, by policy.
While chunks are being lost at all, the whole is overloaded; if that lasts, the source of the lowest priority (of equals
the youngest) is dropped as a whole, so that the others are heard in time. One at a time, and never the last. When
nothing has been lost for a while, the best of the dropped ones is restored; one that had to be dropped again soon waits
twice as long the next time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

__all__ = ["ChunkQueue", "ConcurrencyController", "Decision", "Policy", "Verdict"]

Policy = Literal["drop_oldest", "reject"]


class Decision(Enum):
    """What to do with a chunk that has come."""

    SUBMIT = auto()  # hand it over now
    QUEUE = auto()  # keep it
    DROP_OLDEST = auto()  # keep it, and let the oldest go
    REJECT = auto()  # refuse it: the queue is full
    REFUSE = auto()  # refuse it: its source is dropped


@dataclass(frozen=True, slots=True)
class Verdict:
    """A source is dropped, or restored."""

    source: str
    dropped: bool


@dataclass(slots=True)
class _Standing:
    priority: int
    order: int
    dropped_at: float | None = None
    restored_at: float | None = None
    wait_s: float = 0.0


class ConcurrencyController:
    """Decides about chunks and sources. Times are monotonic seconds that the caller passes in.

    Args:
        queue_max: chunks that may wait for one source.
        policy: which chunk goes when a queue is full.
        patience_s: how long losses last until a source is dropped; the next one goes after half of that.
        restore_s: how long nothing is lost until one is restored.
        longest_s: the longest wait of a source that is dropped again and again.
    """

    def __init__(
        self,
        *,
        queue_max: int,
        policy: Policy,
        patience_s: float = 2.0,
        restore_s: float = 2.0,
        longest_s: float = 60.0,
    ) -> None:
        self._queue_max = queue_max
        self._policy = policy
        self._patience_s = patience_s
        self._restore_s = restore_s
        self._longest_s = longest_s
        self._standings: dict[str, _Standing] = {}
        self._losing_since: float | None = None
        self._last_loss = float("-inf")

    def declare(self, source: str, priority: int) -> None:
        """A source is there; again with another priority."""
        standing = self._standings.setdefault(source, _Standing(priority, len(self._standings)))
        standing.priority = priority

    def is_dropped(self, source: str) -> bool:
        """Whether its audio is refused."""
        return self._standings[source].dropped_at is not None

    def offer(self, source: str, waiting: int, ready: bool, now: float) -> Decision:
        """A chunk has come.

        Args:
            source: of which one.
            waiting: chunks in its queue.
            ready: whether its session can take more.
            now: seconds.
        """
        if self.is_dropped(source):
            return Decision.REFUSE
        if ready and not waiting:
            return Decision.SUBMIT
        if waiting < self._queue_max:
            return Decision.QUEUE
        if now - self._last_loss > self._patience_s / 2:
            self._losing_since = now
        self._last_loss = now
        return Decision.DROP_OLDEST if self._policy == "drop_oldest" else Decision.REJECT

    def judge(self, now: float) -> Verdict | None:
        """Whether a source must go, or one may come back; to be asked now and then."""
        if now - self._last_loss <= self._patience_s / 2:
            if self._losing_since is not None and now - self._losing_since >= self._patience_s:
                self._losing_since = now - self._patience_s / 2  # the next one gets half as much time
                return self._drop_one(now)
            return None
        self._losing_since = None
        return self._restore_one(now)

    def _drop_one(self, now: float) -> Verdict | None:
        active = [(it.priority, -it.order, name) for name, it in self._standings.items() if it.dropped_at is None]
        if len(active) < 2:
            return None
        source = min(active)[2]
        standing = self._standings[source]
        soon = standing.restored_at is not None and now - standing.restored_at < 4 * standing.wait_s
        standing.wait_s = min(2 * standing.wait_s, self._longest_s) if soon else self._restore_s
        standing.dropped_at = now
        return Verdict(source, dropped=True)

    def _restore_one(self, now: float) -> Verdict | None:
        calm_since = max(
            self._last_loss, *(it.restored_at for it in self._standings.values() if it.restored_at is not None), -1e9
        )
        dropped = [
            (it.priority, -it.order, name)
            for name, it in self._standings.items()
            if it.dropped_at is not None and now - it.dropped_at >= it.wait_s
        ]
        if not dropped or now - calm_since < self._restore_s:
            return None
        source = max(dropped)[2]
        standing = self._standings[source]
        standing.dropped_at, standing.restored_at = None, now
        return Verdict(source, dropped=False)


@dataclass(slots=True)
class ChunkQueue:
    """Chunks of one source that wait for its session, and the holes between them."""

    _chunks: deque[tuple[bytes, int, float]] = field(default_factory=deque)  # data, missing bytes before it, arrival
    _missing: int = 0  # bytes lost since the last chunk

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def oldest_s(self) -> float | None:
        """When the first of them came."""
        return self._chunks[0][2] if self._chunks else None

    @property
    def total_bytes(self) -> int:
        """Of all of them."""
        return sum(len(chunk[0]) for chunk in self._chunks)

    def put(self, data: bytes, now: float) -> None:
        """Add the newest."""
        self._chunks.append((data, self._missing, now))
        self._missing = 0

    def lose(self, n_bytes: int) -> None:
        """So much was lost after the newest."""
        self._missing += n_bytes

    def drop_oldest(self) -> int:
        """Let the first go; how many bytes it had. The hole goes before the next."""
        data, missing, _ = self._chunks.popleft()
        if self._chunks:
            following, before, came = self._chunks[0]
            self._chunks[0] = (following, before + missing + len(data), came)
        else:
            self._missing += missing + len(data)
        return len(data)

    def take(self) -> tuple[bytes, int]:
        """The first, and how many bytes are missing before it."""
        data, missing, _ = self._chunks.popleft()
        return data, missing

    def take_missing(self) -> int:
        """Bytes lost after all that was taken; the queue is empty."""
        missing, self._missing = self._missing, 0
        return missing

    def clear(self) -> int:
        """Let all go; how many chunks."""
        count = len(self._chunks)
        while self._chunks:
            self.drop_oldest()
        return count
