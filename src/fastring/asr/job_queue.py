"""Which job runs next: a bounded, fair queue of many streams. A plain data structure: no threads, no clock, no locks.

Finals go before partials, and of the finals the one that has been owed for longest, whoever's it is; where there is not
room for all, those that are owed for longest have it. Of partials, streams take turns, and have one running at most. A
newer partial takes the place of an older one of its utterance, also in the line, so however long the line is, what is
decoded is new; and a final makes the partials of its utterance pointless.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastring.errors import QueueFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastring.asr.transcriber import Job, Outcome

__all__ = ["JobQueue", "Ticket"]


@dataclass(slots=True, eq=False)
class Ticket:
    """An accepted job on its way through the pool."""

    job: Job
    done: Callable[[Outcome], None]
    accepted_s: float
    started_s: float | None = None
    tries: int = 0  # engine calls that failed on it or never came back

    @property
    def due_s(self) -> float:
        """Since when its answer is owed, on the clock of the pool."""
        return self.accepted_s + self.job.due_s - self.job.created_s


class JobQueue:
    """Waiting tickets.

    Args:
        max_per_stream: tickets of one stream that may wait, at least 1.
        max_total: tickets that may wait in all.
        in_order: take the jobs of a stream in the order they came, and none while another of it runs.
    """

    def __init__(self, *, max_per_stream: int, max_total: int, in_order: bool) -> None:
        self._max_per_stream = max_per_stream
        self._max_total = self._places = max_total
        self._in_order = in_order
        self._lanes: dict[str, list[Ticket]] = {}  # in order of arrival; no empty lanes
        # Streams whose turn may come. A stream stands in one of them, or in none while it is held.
        self._finals: dict[str, None] = {}
        self._partials: OrderedDict[str, None] = OrderedDict()  # next first
        self._held: Counter[str] = Counter()
        self._partly_heard: set[str] = set()  # streams of which a partial runs
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def __iter__(self) -> Iterator[Ticket]:
        for lane in self._lanes.values():
            yield from lane

    def resize(self, places: int) -> None:
        """From now on so many tickets may wait in all, at most `max_total`; those that do already stay."""
        self._places = min(places, self._max_total)

    def put(self, ticket: Ticket) -> list[tuple[Ticket, str]]:
        """Let a ticket wait.

        Returns:
            The tickets that had to go for it, each with the reason: `replaced` or `evicted`. An evicted final has lost
            nothing but its place: it may come again.

        Raises:
            QueueFullError: if there is no room; nothing has changed then.
        """
        job = ticket.job
        lane = self._lanes.get(job.stream_id, [])
        obsolete = [other for other in lane if _makes_obsolete(job, other.job)]
        victim = self._victim(ticket, lane, obsolete)
        # A replaced partial leaves its place in the line to the one that replaces it.
        at = lane.index(obsolete[0]) if obsolete and job.kind == "partial" else len(lane)
        lane.insert(at, ticket)
        self._lanes[job.stream_id] = lane
        self._waiting += 1
        gone = [(other, "replaced") for other in obsolete]
        if victim is not None:
            gone.append((victim, "evicted"))
        for other, _ in gone:
            self.remove(other)
        self._place(job.stream_id)
        return gone

    def put_back(self, ticket: Ticket) -> bool:
        """Let a ticket that was taken wait again, a partial as the next one; the limits were kept when it first came.

        Returns:
            False if something newer makes it pointless; it does not wait then.
        """
        job = ticket.job
        lane = self._lanes.setdefault(job.stream_id, [])
        if any(_makes_obsolete(other.job, job) for other in lane):
            return False
        lane.insert(0, ticket)
        self._waiting += 1
        self._place(job.stream_id)
        if job.stream_id in self._partials:
            self._partials.move_to_end(job.stream_id, last=False)
        return True

    def take(self, n: int) -> list[Ticket]:
        """Up to `n` tickets that run next, all of one kind; their streams have had their turn."""
        taken: list[Ticket] = []
        while len(taken) < n:
            ticket = self._next()
            if ticket is None or (taken and ticket.job.kind != taken[0].job.kind):
                break
            self.remove(ticket)
            self._finals.pop(ticket.job.stream_id, None)
            self._partials.pop(ticket.job.stream_id, None)
            if self._in_order:
                self.hold(ticket.job.stream_id)
            elif ticket.job.kind == "partial":
                self._partly_heard.add(ticket.job.stream_id)
            self._place(ticket.job.stream_id)
            taken.append(ticket)
        return taken

    def finish(self, ticket: Ticket) -> None:
        """The ticket that was taken has run; the next of its stream may."""
        stream_id = ticket.job.stream_id
        if self._in_order:
            self.release(stream_id)
        elif ticket.job.kind == "partial":
            self._partly_heard.discard(stream_id)
            self._place(stream_id)

    def hold(self, stream_id: str) -> None:
        """Take no job of this stream until `release`; holds are counted."""
        self._held[stream_id] += 1
        self._place(stream_id)

    def release(self, stream_id: str) -> None:
        """Undo one `hold`."""
        self._held[stream_id] -= 1
        if not self._held[stream_id]:
            del self._held[stream_id]
        self._place(stream_id)

    def remove(self, ticket: Ticket) -> None:
        """Take a ticket out, if it waits."""
        stream_id = ticket.job.stream_id
        lane = self._lanes.get(stream_id, [])
        if ticket not in lane:
            return
        lane.remove(ticket)
        self._waiting -= 1
        if not lane:
            del self._lanes[stream_id]
        self._place(stream_id)

    def remove_stream(self, stream_id: str) -> list[Ticket]:
        """Take all waiting tickets of a stream out."""
        gone = list(self._lanes.get(stream_id, ()))
        for ticket in gone:
            self.remove(ticket)
        return gone

    def _victim(self, ticket: Ticket, lane: list[Ticket], obsolete: list[Ticket]) -> Ticket | None:
        """Who must go besides the obsolete, if the queue would be too full.

        A final takes the place of a partial: of its own stream, or of the one that came last where all is full. Where
        all is full of finals, it takes the place of the one that is owed for the shortest time, if that is shorter: so
        clients wait alike, and not as they were lucky to find a place.
        """
        job = ticket.job
        share_full = len(lane) - len(obsolete) >= self._max_per_stream
        free = self._places - self._waiting + len(obsolete)
        if not share_full and free > 0:
            return None
        if job.kind == "final":
            own = [other for other in lane if other.job.kind == "partial" and other not in obsolete]
            everyone = [] if share_full else [other for other in self if other.job.kind == "partial"]
            candidates = own or [other for other in everyone if other not in obsolete]
            if candidates:
                return max(candidates, key=lambda other: other.accepted_s)
            last = max(self, key=lambda other: other.due_s, default=ticket)
            if not share_full and last.due_s > ticket.due_s:
                return last
        if share_full:
            raise QueueFullError(f"{job.stream_id} has {len(lane)} jobs waiting: max_queue is {self._max_per_stream}")
        limit = f"max_queue_total is {self._max_total}"
        if self._places < self._max_total:
            limit = f"a slow engine answers no more than {self._places} in time (asr.timeout_s)"
        raise QueueFullError(f"{self._waiting} jobs wait in all: {limit}")

    def _next(self) -> Ticket | None:
        if self._finals:
            finals = (next(it for it in self._lanes[name] if it.job.kind == "final") for name in self._finals)
            longest_owed = min(finals, key=lambda ticket: ticket.due_s)
            return self._lanes[longest_owed.job.stream_id][0] if self._in_order else longest_owed
        stream_id = next(iter(self._partials), None)
        return None if stream_id is None else self._lanes[stream_id][0]

    def _place(self, stream_id: str) -> None:
        """Let a stream stand in the right line; where it stands there already, it keeps its place."""
        lane = () if self._held[stream_id] else self._lanes.get(stream_id, ())
        has_final = any(ticket.job.kind == "final" for ticket in lane)
        has_partial = bool(lane) and not has_final and stream_id not in self._partly_heard
        for line, belongs in ((self._finals, has_final), (self._partials, has_partial)):
            if belongs:
                line.setdefault(stream_id)
            else:
                line.pop(stream_id, None)


def _makes_obsolete(newer: Job, older: Job) -> bool:
    return older.kind == "partial" and older.utterance == newer.utterance
