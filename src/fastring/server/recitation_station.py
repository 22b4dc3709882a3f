"""Behind a recitation's connection: a voice session, and what it hears compared with the reference."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import ProtocolError
from fastring.events import Audio, Close, Closed, Failure, Finalize, Ping, Pong
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command, Event
    from fastring.protocols.codec import Counters
    from fastring.server.decoding import Decoder
    from fastring.server.options import AudioOptions
    from fastring.server.station import Line
    from fastring.server.voice_runner import VoiceRunner
    from fastring.session.recitation import RecitationSession

__all__ = ["RecitationStation"]


class RecitationStation:
    """One recitation.

    Args:
        stream_id: its name in lists and logs.
        runner: of its voice session.
        recitation: turns what is heard into feedback.
        decoder: from the client's encoding to 16 kHz mono.
        audio: what the client sends.
        counters: the codec's.
        on_gone: called once when the connection is gone.
    """

    kind: Literal["voice"] = "voice"

    def __init__(
        self,
        stream_id: str,
        *,
        runner: VoiceRunner,
        recitation: RecitationSession,
        decoder: Decoder,
        audio: AudioOptions,
        counters: Counters,
        on_gone: Callable[[RecitationStation], object] = lambda _station: None,
    ) -> None:
        self.stream_id = stream_id
        self._runner = runner
        self._recitation = recitation
        self._decoder = decoder
        self._audio = audio
        self._counters = counters
        self._on_gone = on_gone
        self._line: Line | None = None
        self._closing = False
        self._started_s = time.monotonic()

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._audio.sample_rate, self._audio.frame_bytes)

    @property
    def congested(self) -> bool:
        """See `VoiceRunner.congested`."""
        return self._runner.congested

    def attach(self, line: Line) -> None:
        """Listen."""
        self._line = line
        self._runner.listener = self

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Audio):
            if not self._closing:
                self._runner.receive_audio(self._decoder.push(command.data), now)
        elif isinstance(command, Finalize):
            self._runner.finalize(now)
        elif isinstance(command, Close):
            self._close(now, "requested")
        elif isinstance(command, Ping):
            self._post(Pong())
        else:
            raise ProtocolError("a recitation takes no such command", code="unknown_type")

    def finish(self, now: float) -> None:
        """Flush, judge what there is, then `Closed`."""
        self._close(now, "going away")

    def stop(self) -> dict[str, Any]:
        """End it from outside; see `Stream.stop`."""
        self._close(time.monotonic(), "stopped")
        return self.stats()

    def detach(self) -> None:
        """Cancel what runs for it."""
        self._line = None
        self._runner.stop()
        close_decoder(self._decoder)
        self._on_gone(self)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        return {**self.summary(), **asdict(self._counters), **asdict(self._runner.stats())}

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._audio.sample_rate,
            "channels": self._audio.channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- the listener ------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Turn what the session says into feedback; see `VoiceListener`."""
        stats = self._runner.stats()
        told = self._recitation.receive(event, queue_depth=stats.open_utterances, samples=stats.samples)
        if told is not None:
            self._post(told)
        if isinstance(event, Closed):
            self._post(Closed(event.reason, self.stats()))
        elif isinstance(event, Failure) and event.fatal:
            self._post(event)

    def relieve(self) -> None:
        """Read on; see `VoiceListener`."""
        if self._line is not None:
            self._line.relieve()

    def _close(self, now: float, reason: str) -> None:
        if not self._closing:
            self._closing = True
            samples, failure = flush_decoder(self._decoder)
            if samples is not None:
                self._runner.receive_audio(samples, now)
            if failure is not None:
                self._post(failure)
            self._runner.close(now, reason)

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)
