"""Behind a connection of several sources: each has a decoder, a queue and a session; one controller sets priorities."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from fastring.errors import ProtocolError
from fastring.events import (
    Ack,
    Audio,
    Close,
    Closed,
    DeclareSource,
    Failure,
    Finalize,
    Ping,
    Pong,
    SourceEvent,
    Status,
)
from fastring.server.live_source import LiveSource
from fastring.server.problems import Problem
from fastring.session.sources import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command, Event, VoiceReady
    from fastring.protocols.codec import Counters
    from fastring.server.station import Line
    from fastring.session.sources import ConcurrencyController

__all__ = ["LiveStation"]

_TICK_S = 0.25
_ACK_EVERY = 2  # ticks


class LiveStation:
    """One connection, several sources.

    Args:
        stream_id: the client's name for the connection.
        ready: the first event.
        open_source: makes a source; raises `Problem` where there is no room for another stream.
        close_source: takes it back.
        controller: decides what is dropped.
        max_sources: on this connection.
        counters: the codec's.
    """

    slice_bytes = 1 << 30  # sources cut their audio themselves: each has frames of its own

    def __init__(
        self,
        stream_id: str,
        *,
        ready: VoiceReady,
        open_source: Callable[[DeclareSource], LiveSource],
        close_source: Callable[[LiveSource], object],
        controller: ConcurrencyController,
        max_sources: int,
        counters: Counters,
    ) -> None:
        self.stream_id = stream_id
        self._ready = ready
        self._open = open_source
        self._release = close_source
        self._controller = controller
        self._max_sources = max_sources
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._sources: dict[str, LiveSource] = {}
        self._closing: str | None = None
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """While a long message is being worked off, or a container, of which no part can be left out, is behind."""
        return any(source.must_wait for source in self._sources.values())

    def attach(self, line: Line) -> None:
        """Say `ready`."""
        self._line = line
        line.post(self._ready)
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Audio):
            self._receive_audio(command, now)
        elif isinstance(command, DeclareSource):
            self._declare(command)
        elif isinstance(command, Finalize):
            for source in self._named(command.source):
                source.finalize(now)
        elif isinstance(command, Close):
            self._close(now, "requested")
        elif isinstance(command, Ping):
            self._post(Pong())
        else:
            raise ProtocolError("a connection of several sources takes no such command", code="unknown_type")

    def finish(self, now: float) -> None:
        """Flush every source, then `Closed`."""
        self._close(now, "going away")

    def detach(self) -> None:
        """Stop every source."""
        self._line = None
        if self._timer is not None:
            self._timer.cancel()
        for source in self._sources.values():
            source.stop_now()
            self._release(source)

    # --- in ----------------------------------------------------------------------------------------------------------

    def _receive_audio(self, audio: Audio, now: float) -> None:
        if self._closing is not None:
            return
        source = self._sources.get(audio.source) or self._appear(DeclareSource(audio.source))
        if source.ending:
            return
        if audio.missing:
            self._post(Status("gap", source.name, dropped_frames=audio.missing))
            source.lose_messages(audio.missing, len(audio.data))
        decision = self._controller.offer(source.name, source.load(len(audio.data)), source.is_ready(now), now)
        source.take(audio.data, decision, now)
        if decision is Decision.REJECT:
            told = f"source {source.name!r}: {source.waiting} chunks wait (voice.source_queue)"
            self._post(SourceEvent(source.name, Failure("overloaded", told)))
        self._report(source, now)

    def _declare(self, declared: DeclareSource) -> None:
        source = self._sources.get(declared.source)
        if source is None:
            self._appear(declared)
        elif not source.sends(declared.sample_rate, declared.channels):
            raise ProtocolError(
                f"source {declared.source!r} has begun: its sample_rate and channels stay", code="invalid_field"
            )
        else:
            self._controller.declare(declared.source, declared.priority)

    def _appear(self, declared: DeclareSource) -> LiveSource:
        """Open a source.

        Raises:
            ProtocolError: there is no room for it.
        """
        name = declared.source
        if len(self._sources) >= self._max_sources:
            raise ProtocolError(f"{self._max_sources} sources at most (server.max_sources)", code="too_many_streams")
        try:
            source = self._sources[name] = self._open(declared)
        except Problem as problem:
            raise ProtocolError(f"source {name!r}: {problem.message}", code=problem.code) from None
        source.tell = lambda event: self._hear(source, event)
        source.relieved = self._relieve
        self._controller.declare(name, declared.priority)
        return source

    def _named(self, name: str | None) -> list[LiveSource]:
        if name is None:
            return list(self._sources.values())
        if name not in self._sources:
            raise ProtocolError(f"there is no source {name!r}", code="invalid_field")
        return [self._sources[name]]

    def _close(self, now: float, reason: str) -> None:
        if self._closing is not None:
            return
        self._closing = reason
        for source in self._sources.values():
            source.close(now, reason)
        self._end_if_done()

    # --- out ---------------------------------------------------------------------------------------------------------

    def _hear(self, source: LiveSource, event: Event) -> None:
        if isinstance(event, Closed):
            self._acknowledge(source)
            self._end_if_done()
        elif isinstance(event, Status):
            self._post(replace(event, source=source.name))
        else:
            self._post(SourceEvent(source.name, event))  # type: ignore[arg-type]

    def _end_if_done(self) -> None:
        if self._closing is not None and all(source.closed for source in self._sources.values()):
            sources = {source.name: source.stats() for source in self._sources.values()}
            self._post(Closed(self._closing, {**asdict(self._counters), "sources": sources}))

    def _tick(self) -> None:
        """Work off what has become ready, report, and let the controller judge."""
        self._timer = self._loop.call_later(_TICK_S, self._tick)
        now = time.monotonic()
        self._ticks += 1
        for source in self._sources.values():
            source.work(now)
            self._report(source, now)
            if self._ticks % _ACK_EVERY == 0:
                self._acknowledge(source)
        verdict = self._controller.judge(now)
        if verdict is not None:
            source = self._sources[verdict.source]
            frames = source.drop(now) if verdict.dropped else source.restore()
            state = "source_dropped" if verdict.dropped else "source_restored"
            self._post(Status(state, source.name, dropped_frames=frames))  # type: ignore[arg-type]

    def _report(self, source: LiveSource, now: float) -> None:
        status = source.report(now)
        if status is not None:
            self._post(status)

    def _acknowledge(self, source: LiveSource) -> None:
        ack: Ack | None = source.new_ack()
        if ack is not None:
            self._post(SourceEvent(source.name, ack))

    def _relieve(self) -> None:
        if self._line is not None:
            self._line.relieve()

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)
