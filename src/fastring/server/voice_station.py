"""Behind a voice connection: it opens a session or has an old one back, passes on what it says, and acknowledges."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import ProtocolError
from fastring.events import Ack, Audio, Close, Closed, Failure, Finalize, Ping, Pong, Resume, Resumed
from fastring.server.decoding import slice_bytes
from fastring.server.sessions.catch_up import CatchUp
from fastring.server.sessions.keeper import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command, Event, VoiceReady
    from fastring.protocols.codec import Counters
    from fastring.server.sessions.keeper import SessionKeeper
    from fastring.server.sessions.resumable import Identity, ResumableSession
    from fastring.server.station import Line

__all__ = ["VoiceStation"]

_ACK_EVERY_S = 0.5
_UNHEARD = Ack(-1, -1)


class VoiceStation:
    """One voice connection.

    Its session is opened by the first command that needs one, unless that command is `Resume` and an old session is to
    be had. When the connection is lost the session stays with the keeper.

    Args:
        identity: of the session that this connection would open.
        keeper: of the sessions.
        open_session: makes that session.
        ready: the first event.
        frame_bytes: bytes of one sample of all channels; 0 for containers, then decoded samples are counted.
        counters: the codec's.
        resumes: the client will resume: if the server goes down, speech that has not ended is left to the next server.
        enter: takes the stream into the registry, and raises `ProtocolError` where it may not be.
        on_gone: called once when the connection is gone, or its session.
    """

    kind: Literal["voice"] = "voice"

    def __init__(
        self,
        identity: Identity,
        *,
        keeper: SessionKeeper,
        open_session: Callable[[], ResumableSession],
        ready: VoiceReady,
        frame_bytes: int,
        counters: Counters,
        resumes: bool = False,
        enter: Callable[[VoiceStation], object] = lambda _station: None,
        on_gone: Callable[[VoiceStation], object] = lambda _station: None,
    ) -> None:
        self.stream_id = identity.stream_id
        self.identity = identity
        self._keeper = keeper
        self._open_session = open_session
        self._ready = ready
        self._frame_bytes = frame_bytes
        self._slice_bytes = slice_bytes(identity.sample_rate, frame_bytes)
        self._counters = counters
        self._resumes = resumes
        self._enter = enter
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._session: ResumableSession | None = None
        self._moved = False
        self._claim: asyncio.Task[None] | None = None
        self._catch_up = CatchUp(keeper.settings.catch_up_rate, identity.sample_rate)
        self._ack_timer: asyncio.TimerHandle | None = None
        self._pause_timer: asyncio.TimerHandle | None = None
        self._acked = _UNHEARD
        self._started_s = time.monotonic()

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return self._slice_bytes

    @property
    def congested(self) -> bool:
        """The session has no room, or its client is catching up too fast, or it is being looked for."""
        return (
            self._claim is not None
            or self._pause_timer is not None
            or (self._session is not None and self._session.congested)
        )

    def attach(self, line: Line) -> None:
        """Say `ready`."""
        self._line = line
        line.post(self._ready)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if self._moved:
            return
        if isinstance(command, Audio):
            self._receive_audio(command, now)
        elif isinstance(command, Finalize):
            self._need_session(now).finalize(now)
        elif isinstance(command, Close):
            self._need_session(now).close(now, "requested")
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Resume):
            self._receive_resume(command)
        else:
            raise ProtocolError("a voice stream takes no such command", code="unknown_type")
        self._arm_ack()

    def finish(self, now: float) -> None:
        """Flush, then `Closed`; a client that resumes has its open utterance heard by the next server instead."""
        if self._session is None or self._resumes:
            self._post(Closed("going away", self.stats()))
        else:
            self._session.close(now, "going away")

    def stop(self) -> dict[str, Any]:
        """End it from outside, once what it said is answered; see `Stream.stop`."""
        if not self._moved:
            now = time.monotonic()
            self._need_session(now).close(now, "stopped")
        return self.stats()

    def detach(self) -> None:
        """Let the session wait for its client, unless it has told it all."""
        line, self._line = self._line, None
        self._cancel_timers()
        session, self._session = self._session, None
        if session is not None:
            session.leave(self, time.monotonic())
            if session.finished and line is not None and line.heard_close:
                self._keeper.end(session)
            else:
                self._keeper.wait(session)
        self._on_gone(self)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        session = {"received": 0} if self._session is None else self._session.stats()
        return {**self.summary(), **asdict(self._counters), **session}

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self.identity.sample_rate,
            "channels": self._ready.channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- the owner of a session --------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Pass on what the session says; see `Owner`."""
        if isinstance(event, Closed):
            self._acknowledge()
            event = Closed(event.reason, {**self.summary(), **asdict(self._counters), **event.stats})
        self._post(event)
        self._arm_ack_later()

    def relieve(self) -> None:
        """Read on; see `Owner`."""
        if self._line is not None:
            self._line.relieve()

    def move(self) -> None:
        """The client is back on another connection: whoever is at the end of this one has nothing to say any more."""
        self._moved = True
        self._session = None
        self._cancel_timers()
        self._post(Failure("session_moved", "the session goes on over another connection", fatal=True))
        self._on_gone(self)

    # --- in ----------------------------------------------------------------------------------------------------------

    def _receive_audio(self, audio: Audio, now: float) -> None:
        sent = self._need_session(now).receive_audio(audio, now)
        if self._catch_up.limits(now):
            self._catch_up.note(sent)
            wait_s = self._catch_up.wait_s(now)
            if wait_s > 0 and self._pause_timer is None:
                self._pause_timer = self._loop.call_later(wait_s, self._unpause)

    def _unpause(self) -> None:
        self._pause_timer = None
        self.relieve()

    def _need_session(self, now: float) -> ResumableSession:
        if self._session is None:
            self._enter(self)
            self._session = self._open_session()
            self._keeper.add(self._session)
            self._session.attach(self, now)
        return self._session

    # --- resuming ----------------------------------------------------------------------------------------------------

    def _receive_resume(self, asked: Resume) -> None:
        if self._session is not None and self._session.started:
            raise ProtocolError("'resume' is the first message of a connection, or none", code="invalid_field")
        self._claim = self._loop.create_task(self._resume(asked), name=f"resume {self.stream_id}")

    async def _resume(self, asked: Resume) -> None:
        try:
            answer = await self._keeper.claim(asked, self.identity)
            if isinstance(answer, Refusal):
                self._refuse(answer)
            else:
                self._take_over(answer, asked, time.monotonic())
        except ProtocolError as error:
            self._post(Failure(error.code, str(error), fatal=error.close_code is not None))
        finally:
            self._claim = None
            self.relieve()

    def _refuse(self, refusal: Refusal) -> None:
        self._post(Failure("resume_failed", f"{refusal.message}; this is a fresh session", reason=refusal.reason))
        if self._line is not None:
            self._need_session(time.monotonic())

    def _take_over(self, session: ResumableSession, asked: Resume, now: float) -> None:
        session.attach(self, now)
        if self._line is None:  # this connection was lost meanwhile, too
            session.leave(self, now)
            self._keeper.wait(session)
            return
        try:
            self._enter(self)
        except ProtocolError:
            session.leave(self, now)
            self._keeper.wait(session)
            raise
        if self._session is not None:
            self._keeper.end(self._session)
        self._session, self.identity = session, session.identity
        self._catch_up.begin(now, now - session.last_audio_s)
        token = self._keeper.token(session.identity, session.epoch)
        self._post(Resumed(session.received, session.next_seq, token, session.finalizes))
        for event in session.replay(asked.last_seq):
            self.hear(event)

    # --- out ---------------------------------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)

    def _arm_ack(self) -> None:
        if self._ack_timer is not None or self._line is None or self._session is None:
            return
        if self._session.ack() != self._acked:
            self._ack_timer = self._loop.call_later(_ACK_EVERY_S, self._acknowledge)

    def _arm_ack_later(self) -> None:
        """Acknowledge soon, not now: the event may be the end of an utterance, and the next one's start behind it."""
        if self._ack_timer is None and self._line is not None:
            self._ack_timer = self._loop.call_later(_ACK_EVERY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        self._ack_timer = None
        if self._session is not None and (ack := self._session.ack()) != self._acked:
            self._acked = ack
            self._post(ack)

    def _cancel_timers(self) -> None:
        for timer in (self._ack_timer, self._pause_timer):
            if timer is not None:
                timer.cancel()
        self._ack_timer = self._pause_timer = None
