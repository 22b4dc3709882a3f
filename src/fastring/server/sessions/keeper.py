"""The sessions of this process: who may have one back, how long each waits for its client, and how many may wait."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastring.server.ack_round import AckRound
from fastring.server.sessions.store import MemoryStore, SessionStore
from fastring.server.tokens import ResumeTokens

if TYPE_CHECKING:
    from fastring.config import ResumeSettings
    from fastring.events import Resume
    from fastring.server.sessions.resumable import Identity, ResumableSession

__all__ = ["Refusal", "SessionKeeper"]

_TICK_S = 0.5
_RENEW_S = 60.0  # well under the store's time to live
_AT_ONCE = 32  # sessions that are written in one turn of the loop: thousands would keep live audio waiting


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a session is not to be had. `reason` is for programs, `message` for people."""

    reason: Literal["expired", "unknown", "gap"]
    message: str


class SessionKeeper:
    """Keeps voice sessions between their connections.

    Args:
        settings: how long, how many, how much.
        store: where their state is written; None keeps it in this process.
        tokens: signs; None makes a secret of its own.
        clock: monotonic seconds.
        wall_clock: seconds that tokens expire by.

    Attributes:
        acks: looks after the acknowledgements of those whose client has fallen silent.
        counts: sessions that were `resumed`, `refused` (a token that was not taken), `expired` (nobody came back in
            time) and `given_up` (others needed the room).
    """

    def __init__(
        self,
        settings: ResumeSettings,
        *,
        store: SessionStore | None = None,
        tokens: ResumeTokens | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.acks = AckRound()
        self.counts = {"resumed": 0, "refused": 0, "expired": 0, "given_up": 0}
        self.settings = settings
        self._store: SessionStore = MemoryStore(clock=clock) if store is None else store
        self._tokens = ResumeTokens(lifetime_s=settings.token_lifetime_s) if tokens is None else tokens
        self._clock = clock
        self._wall_clock = wall_clock
        self._node = secrets.token_hex(8)
        self._sessions: dict[str, ResumableSession] = {}
        self._waiting: dict[str, float] = {}  # since when, oldest first
        # What the store knows of each and since when, oldest first.
        self._written: dict[str, tuple[tuple[int, ...], float]] = {}
        self._dropped: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """Sessions whose client is away."""
        return len(self._waiting)

    @property
    def now(self) -> float:
        """Monotonic seconds of its clock."""
        return self._clock()

    def is_past_half(self, issued_s: float) -> bool:
        """Whether a token that was issued at that time (of `now`) should give way to a new one."""
        return bool(self.settings.wait_s) and self.now - issued_s > self.settings.token_lifetime_s / 2

    def awaits(self, stream_id: str, owner: str) -> bool:
        """Whether a session of that stream waits for its client."""
        identities = (self._sessions[name].identity for name in self._waiting)
        return any((it.stream_id, it.owner) == (stream_id, owner) for it in identities)

    @staticmethod
    def new_name() -> str:
        """A name for a session that nobody can guess."""
        return secrets.token_hex(16)

    def token(self, identity: Identity, epoch: int = 0) -> str:
        """What its client presents to have it back; "" if it will not wait."""
        if not self.settings.wait_s or not identity.may_wait:
            return ""
        return self._tokens.issue(identity.session, identity.stream_id, identity.owner, epoch, self._wall_clock())

    # --- a session's life --------------------------------------------------------------------------------------------

    def add(self, session: ResumableSession) -> None:
        """A new one, which somebody has."""
        self._sessions[session.identity.session] = session

    def wait(self, session: ResumableSession) -> None:
        """Its client is gone. It waits, unless there is nothing to wait for."""
        name = session.identity.session
        if name not in self._sessions:
            return
        if not session.started or not self.token(session.identity):
            self.end(session)
            return
        self._waiting.pop(name, None)
        self._waiting[name] = self._clock()
        self._make_room()

    def end(self, session: ResumableSession) -> None:
        """Nobody will ask for it any more."""
        name = session.identity.session
        if self._sessions.pop(name, None) is not None:
            self._waiting.pop(name, None)
            if self._written.pop(name, None) is not None:
                self._dropped.append((name, session.epoch))
            session.end()

    async def claim(self, asked: Resume, wanted: Identity) -> ResumableSession | Refusal:
        """Have a session back. The caller attaches to it at once, or gives it back by `wait`.

        Args:
            asked: the token, and what the client still has.
            wanted: who asks, and the audio it is about to send; its `session` does not matter.
        """
        answer = await self._claim(asked, wanted)
        self.counts["refused" if isinstance(answer, Refusal) else "resumed"] += 1
        return answer

    async def _claim(self, asked: Resume, wanted: Identity) -> ResumableSession | Refusal:
        ticket = self._tokens.read(asked.token)
        if ticket is None or (ticket.owner, ticket.stream_id) != (wanted.owner, wanted.stream_id):
            return Refusal("unknown", "no such session was ever here")
        session = self._sessions.get(ticket.session)
        if session is None or ticket.expires_s <= self._wall_clock():
            return Refusal("expired", "the session has not waited so long")
        if session.identity.audio != wanted.audio:
            encoding, sample_rate, channels = session.identity.audio
            return Refusal("unknown", f"that session takes {encoding}, {sample_rate} Hz, {channels} channel(s)")
        await self._write([session])
        record = await self._store.claim(ticket.session, epoch=ticket.epoch, node=self._node)
        if record is None or record.epoch < session.epoch or self._sessions.get(ticket.session) is not session:
            return Refusal("unknown", "the client has had a newer token than this one")
        if session.lacks_before(asked) or not session.can_replay(asked.last_seq):
            return self._gap(asked, session)
        session.epoch = record.epoch
        self._waiting.pop(ticket.session, None)
        return session

    def _gap(self, asked: Resume, session: ResumableSession) -> Refusal:
        """What the client has and what is here do not meet: the session can never go on."""
        session.fence()
        self.end(session)
        if lost := session.lacks_before(asked):
            what, since = (
                ("samples", session.received) if session.received_bytes is None else ("bytes", session.received_bytes)
            )
            return Refusal("gap", f"{lost} {what} from {since} on are neither here nor with the client")
        return Refusal("gap", f"the events after {asked.last_seq} are not kept any more")

    # --- bounds ------------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """End what has waited for too long."""
        due_s = self._clock() - self.settings.wait_s
        while self._waiting:
            name, since_s = next(iter(self._waiting.items()))
            if since_s > due_s:
                return
            self._give_up(name, "expired")

    def _make_room(self) -> None:
        """Give up the oldest until number and memory of those that wait are within bounds."""
        held = sum(self._sessions[name].memory_bytes for name in self._waiting)
        while len(self._waiting) > self.settings.max_waiting or held > self.settings.max_waiting_bytes:
            name = next(iter(self._waiting))
            held -= self._sessions[name].memory_bytes
            self._give_up(name, "given_up")

    def _give_up(self, name: str, why: str) -> None:
        self.counts[why] += 1
        self.end(self._sessions[name])

    # --- the store ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after time and store until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.sweep()
            await self.save()

    async def save(self) -> None:
        """Write what moved since the last time, and let go what another process has claimed."""
        names = list(self._sessions) if self._store.shared else self._stale()
        for start in range(0, len(names), _AT_ONCE):
            here = (self._sessions.get(name) for name in names[start : start + _AT_ONCE])
            await self._write([session for session in here if session is not None and not session.finished])
            await asyncio.sleep(0)
        dropped, self._dropped = self._dropped, []
        for name, epoch in dropped:
            await self._store.drop(name, epoch=epoch)

    def _stale(self) -> list[str]:
        """The sessions that the store would forget some day."""
        due_s = self._clock() - _RENEW_S
        return [name for name, _ in itertools.takewhile(lambda written: written[1][1] < due_s, self._written.items())]

    async def _write(self, sessions: list[ResumableSession]) -> None:
        now = self._clock()
        moved = [session for session in sessions if self._is_due(session, now)]
        if not moved:
            return
        states = {session.identity.session: self._state(session) for session in moved}
        fenced = await self._store.put([session.record(self._node) for session in moved])
        for session in moved:
            name = session.identity.session
            if name in fenced:
                session.fence()
                self.end(session)
            elif name in self._sessions:
                self._written.pop(name, None)
                self._written[name] = (states[name], now)

    def _is_due(self, session: ResumableSession, now: float) -> bool:
        written = self._written.get(session.identity.session)
        return written is None or written[0] != self._state(session) or now - written[1] > _RENEW_S

    def _state(self, session: ResumableSession) -> tuple[int, ...]:
        """What tells whether there is anything new to write."""
        claims = session.epoch, session.confirmed
        return (*claims, session.received, session.next_seq) if self._store.shared else claims

    def close(self) -> None:
        """End them all."""
        for session in list(self._sessions.values()):
            self.end(session)
