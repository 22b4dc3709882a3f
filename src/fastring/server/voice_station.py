"""Behind a voice connection: it opens a session or has an old one back, passes on what it says, and acknowledges."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import FastringError, ProtocolError
from fastring.events import Ack, Audio, Close, Closed, Failure, Finalize, Ping, Pong, Resume, Resumed
from fastring.server.decoding import slice_bytes
from fastring.server.sessions.catch_up import CatchUp
from fastring.server.sessions.keeper import Refusal
from fastring.session.stats import BufferStats, VoiceStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command, Event, VoiceReady
    from fastring.protocols.codec import Counters
    from fastring.server.sessions.keeper import SessionKeeper
    from fastring.server.sessions.resumable import Identity, ResumableSession
    from fastring.server.station import Line

__all__ = ["VoiceStation"]

_ACK_AFTER_S = 0.7  # since the last one; then the next message brings it out, so audio costs no timer
_WAY_OUT = "resume it with its token, close it, or choose another name"
_UNHEARD = Ack(-1, -1)
_SIGN_OF_LIFE_S = 2.0  # so long a connection may take to answer, before another of its owner gets its name


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
        rival: the connection that has the name now, if it is another one of the same owner.
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
        rival: Callable[[VoiceStation], VoiceStation | None] = lambda _station: None,
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
        self._rival = rival
        self._enter = enter
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._session: ResumableSession | None = None
        self._moved = False
        self._claim: asyncio.Task[None] | None = None
        self._catch_up = CatchUp(keeper.settings.catch_up_rate, identity.sample_rate)
        self._acks = keeper.acks
        self._ack_owed_s: float | None = None  # since when the round knows of it
        self._pause_timer: asyncio.TimerHandle | None = None
        self._acked = _UNHEARD
        self._token_s = keeper.now  # when the client's newest token was issued
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
        if self._session is None and not isinstance(command, Resume | Ping) and self._rival(self) is not None:
            self._claim = self._loop.create_task(self._receive_later(command), name=f"name {self.stream_id}")
        else:
            self._obey(command, now)

    def _obey(self, command: Command, now: float) -> None:
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
        if self._ack_owed_s is None:
            self._owe_ack(now)
        elif now - self._ack_owed_s >= _ACK_AFTER_S:
            self.acknowledge(now)

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
        self._let_session_wait(line is not None and line.heard_close)
        self._on_gone(self)

    def _let_session_wait(self, told_all: bool) -> None:
        self._cancel_timers()
        session, self._session = self._session, None
        if session is not None:
            session.leave(self, time.monotonic())
            if session.finished and told_all:
                self._keeper.end(session)
            else:
                self._keeper.wait(session)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        session = self._nothing_yet() if self._session is None else self._session.stats()
        return {**self.summary(), **asdict(self._counters), **session}

    def _nothing_yet(self) -> dict[str, Any]:
        ring = BufferStats(round(self._ready.ring_buffer_seconds * self._ready.pcm_sample_rate))
        return {**asdict(VoiceStats(ring, window_seconds=self._ready.window_seconds)), "received": 0}

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
            self.acknowledge(time.monotonic())
            event = Closed(event.reason, {**self.summary(), **asdict(self._counters), **event.stats})
        self._post(event)
        if self._ack_owed_s is None:  # soon, not now: this may end an utterance, and the next one's start be behind it
            self._owe_ack(time.monotonic())

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
        session = self._session or self._need_session(now)
        sent = session.receive_audio(audio, now)
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

    # --- a name that is taken ----------------------------------------------------------------------------------------

    async def answers(self) -> bool:
        """Whether whoever is at the end of this connection gives a sign of life."""
        return self._line is not None and await self._line.answers(_SIGN_OF_LIFE_S)

    def give_way(self) -> None:
        """Nobody answered: the name is another connection's from now on; the session waits for its token."""
        self._moved = True
        self._let_session_wait(told_all=False)
        self._post(Failure("no_answer", f"no answer to a ping for {_SIGN_OF_LIFE_S:g} s", fatal=True))
        self._on_gone(self)

    async def _receive_later(self, command: Command) -> None:
        """The first command, once the connection that has the name has shown whether it is alive."""
        try:
            await self._clear_name()
            if self._line is not None:
                self._obey(command, time.monotonic())
        except ProtocolError as error:
            self._fail(error)
        except FastringError as error:
            self._post(Failure("invalid_field", str(error)))
        finally:
            self._claim = None
            self.relieve()

    async def _clear_name(self) -> None:
        rival = self._rival(self)
        if rival is not None and not await rival.answers():
            rival.give_way()

    def _fail(self, error: ProtocolError) -> None:
        text = f"{error}, over a connection that answers: {_WAY_OUT}" if error.code == "stream_exists" else str(error)
        self._post(Failure(error.code, text, fatal=error.close_code is not None))

    # --- resuming ----------------------------------------------------------------------------------------------------

    def _receive_resume(self, asked: Resume) -> None:
        if self._session is not None and self._session.started:
            raise ProtocolError("'resume' is the first message of a connection, or none", code="invalid_field")
        self._claim = self._loop.create_task(self._resume(asked), name=f"resume {self.stream_id}")

    async def _resume(self, asked: Resume) -> None:
        try:
            answer = await self._keeper.claim(asked, self.identity)
            rival = self._rival(self)
            if rival is not None and rival._session is not answer:
                await self._clear_name()
            if isinstance(answer, Refusal):
                self._refuse(answer)
            else:
                self._take_over(answer, asked, time.monotonic())
        except ProtocolError as error:
            self._fail(error)
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
        self._token_s = self._keeper.now
        self._post(
            Resumed(session.received, session.next_seq, token, session.finalizes, next_byte=session.received_bytes)
        )
        for event in session.replay(asked.last_seq):
            self.hear(event)

    # --- out ---------------------------------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)

    def acknowledge(self, now: float) -> None:
        """Say what the client may forget, if that has changed; see `Acknowledging`."""
        self._ack_owed_s = None
        if self._session is None:
            return
        ack, token = self._session.ack(), self._new_token(self._session)
        if ack != self._acked or token:
            self._acked = ack
            self._post(replace(ack, resume_token=token) if token else ack)
            self._owe_ack(now)

    def _owe_ack(self, now: float) -> None:
        """The next one is due with a message some time from now, or a little later without."""
        if self._line is not None and self._session is not None:
            self._ack_owed_s = now
            self._acks.owe(self)

    def _new_token(self, session: ResumableSession) -> str:
        """A token in the place of the client's, if that is past half its life: no session outlives its own."""
        if not self._keeper.is_past_half(self._token_s):
            return ""
        self._token_s = self._keeper.now
        return self._keeper.token(session.identity, session.epoch)

    def _cancel_timers(self) -> None:
        self._acks.forget(self)
        self._ack_owed_s = None
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
