"""Analysis streams: one session that several connections may feed and watch, each watcher at its own pace."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import ProtocolError
from fastring.events import AnalysisReady, Audio, Close, Closed, Control, Finalize, Ping, Pong, Reply
from fastring.protocols.codec import Counters
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes
from fastring.server.outbox import merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fastring.events import Analysis, Command, Failure
    from fastring.server.decoding import Decoder
    from fastring.server.metrics import Metrics
    from fastring.server.options import AudioOptions
    from fastring.server.station import Line
    from fastring.session.analysis import AnalysisSession

__all__ = ["CHUNK_SIZE", "AnalysisStation", "AnalysisStream", "control"]

CHUNK_SIZE = 1024
"""Samples per message that the server likes best."""


_EARLY_S = 0.001
"""Timers fire up to a millisecond late."""


class AnalysisStream:
    """One stream: a session, and the stations of the connections that feed or watch it.

    Args:
        stream_id: its name.
        session: measures.
        audio: what it is fed with; every connection sends the same rate and channels.
        metrics: of the server.
        kept: a request started it, so it outlives its connections.
        on_empty: called when the last connection of a stream that is not kept has gone.
    """

    kind: Literal["audio"] = "audio"

    def __init__(
        self,
        stream_id: str,
        *,
        session: AnalysisSession,
        audio: AudioOptions,
        metrics: Metrics,
        kept: bool,
        on_empty: Callable[[AnalysisStream], None],
    ) -> None:
        self.stream_id = stream_id
        self.session = session
        self.audio = audio
        self._audio_seconds = metrics.audio.labels("audio")
        self._dropped_samples = metrics.dropped.labels("audio")
        self._dropped = 0  # of which the metric knows
        self._kept = kept
        self._on_empty = on_empty
        self._stations: set[AnalysisStation] = set()
        self._ended = Counters()
        self._started_s = time.monotonic()

    def feed(self, samples: NDArray[Any], now: float) -> None:
        """Audio from one of the connections: every watcher learns of it."""
        self._audio_seconds.inc(samples.size / (self.audio.sample_rate * self.audio.channels))
        self.session.receive_audio(samples, now)
        for station in self._stations:
            station.notice(now)

    def collect(self) -> None:
        """Take what the session has measured, and lay it before every watcher."""
        analysis = self.session.take_pending()
        self._count_dropped()
        if analysis is not None:
            for station in self._stations:
                station.lay_before(analysis)

    def join(self, station: AnalysisStation) -> None:
        """A connection came."""
        self._stations.add(station)

    def leave(self, station: AnalysisStation) -> None:
        """A connection went."""
        self._stations.discard(station)
        self._ended.add(station.counters)
        self._count_dropped()
        if not self._stations and not self._kept:
            self._on_empty(self)

    def _count_dropped(self) -> None:
        dropped = self.session.dropped_samples
        if dropped != self._dropped:
            self._dropped_samples.inc(dropped - self._dropped)
            self._dropped = dropped

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        counters = Counters()
        for part in (self._ended, *(station.counters for station in self._stations)):
            counters.add(part)
        return {
            **self.session.stats(),
            **self.summary(),
            **asdict(counters),
        }

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self.audio.sample_rate,
            "channels": self.audio.channels,
            "connections": len(self._stations),
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    def stop(self) -> dict[str, Any]:
        """End it; every connection gets `closed`."""
        stats = self.stats()
        for station in list(self._stations):
            station.end("stopped", stats)
        self._kept = False
        if not self._stations:
            self._on_empty(self)
        return stats


class AnalysisStation:
    """One connection to a stream. It sends at most `update_hz` messages a second, and none without new audio.

    The first audio after a pause is answered at once, so a client may send one chunk and wait for its answer.

    Args:
        stream: shared with others.
        decoder: of this connection's encoding, to samples of the stream's rate and channels.
        encoding: of this connection, for `ready`.
        frame_bytes: of one sample of all channels; 0 for containers.
        update_hz: messages per second.
        counters: the codec's.
    """

    def __init__(
        self,
        stream: AnalysisStream,
        *,
        decoder: Decoder,
        encoding: str,
        frame_bytes: int,
        update_hz: float,
        counters: Counters,
    ) -> None:
        self.counters = counters
        self._stream = stream
        self._decoder = decoder
        self._encoding = encoding
        self._frame_bytes = frame_bytes
        self._update_hz = update_hz
        self._interval_s = 1.0 / update_hz
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._fresh = False
        self._pending: Analysis | None = None
        self._due_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._ended: Closed | None = None
        stream.join(self)

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._stream.audio.sample_rate, self._frame_bytes)

    @property
    def congested(self) -> bool:
        """Never: a native call takes audio faster than any network brings it."""
        return False

    def attach(self, line: Line) -> None:
        """Say `ready`; a stream that was stopped during the handshake says `closed` too."""
        self._line = line
        audio = self._stream.audio
        line.post(AnalysisReady(audio.sample_rate, self._encoding, audio.channels, CHUNK_SIZE, self._update_hz))
        if self._ended is not None:
            line.post(self._ended)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Audio):
            self._feed(self._decoder.push(command.data), now)
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Finalize):
            self._send(now)
        elif isinstance(command, Close):
            self.finish(now, "requested")
        elif isinstance(command, Control):
            self._post(control(self._stream, command))
        else:
            raise ProtocolError("an analysis stream takes no such command", code="unknown_type")

    def finish(self, now: float, reason: str = "going away") -> None:
        """Send what is still unsent, then `Closed`."""
        samples, failure = flush_decoder(self._decoder)
        if samples is not None:
            self._feed(samples, now)
        if failure is not None:
            self._post(failure)
        self._send(now)
        self.end(reason, self._stream.stats())

    def detach(self) -> None:
        """Leave the stream."""
        self._line = None
        if self._timer is not None:
            self._timer.cancel()
        close_decoder(self._decoder)
        self._stream.leave(self)

    def _feed(self, samples: NDArray[Any], now: float) -> None:
        if samples.size:
            self._stream.feed(samples, now)

    # --- pace --------------------------------------------------------------------------------------------------------

    def notice(self, now: float) -> None:
        """There is new audio: send at once if a message is due, or when it will be."""
        self._fresh = True
        if self._timer is not None:
            return
        wait_s = self._due_s - now - _EARLY_S
        if wait_s <= 0:
            self._send(now)
        else:
            self._timer = self._loop.call_later(wait_s, self._on_due)

    def lay_before(self, analysis: Analysis) -> None:
        """Keep a measurement for the next message."""
        self._pending = analysis if self._pending is None else merged(self._pending, analysis)

    def end(self, reason: str, stats: dict[str, Any]) -> None:
        """Say `closed`."""
        self._ended = Closed(reason, stats)
        self._post(self._ended)

    def _on_due(self) -> None:
        self._timer = None
        self._send(time.monotonic())

    def _send(self, now: float) -> None:
        if not self._fresh or self._line is None:
            return
        self._stream.collect()
        if self._pending is not None:
            self._post(self._pending)
            self._pending, self._fresh = None, False
            # On a grid while audio flows, so that a late message does not make the next ones late.
            next_s = self._due_s + self._interval_s
            self._due_s = next_s if now < next_s else now + self._interval_s

    def _post(self, event: Analysis | Closed | Failure | Pong | Reply) -> None:
        if self._line is not None:
            self._line.post(event)


def control(stream: AnalysisStream, command: Control) -> Reply:
    """Obey a control command about a stream.

    Raises:
        ProtocolError: it is not about one stream.
    """
    if command.command == "get_stats":
        return Reply("stats", stream.stats())
    if command.command == "reset_analysis":
        stream.session.reset()
        return Reply("analysis_reset")
    if command.command == "pause":
        stream.session.pause()
        return Reply("paused")
    if command.command == "resume":
        stream.session.resume()
        return Reply("resumed")
    raise ProtocolError(f"{command.command} belongs on the control endpoint", code="unknown_type")
