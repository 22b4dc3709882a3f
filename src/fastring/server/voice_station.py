"""Behind a voice connection: the decoder, the runner of its session, and acknowledgements."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from fastring.errors import ProtocolError
from fastring.events import Ack, Audio, Close, Closed, Failure, Finalize, Ping, Pong, Resume
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes
from fastring.server.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from fastring.events import Command, Event, VoiceReady
    from fastring.protocols.codec import Counters
    from fastring.server.decoding import Decoder
    from fastring.server.station import Line
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["VoiceStation"]

_ACK_EVERY_S = 0.5


class VoiceStation:
    """One voice stream.

    Args:
        stream_id: the client's name for it.
        runner: of its session.
        decoder: from the client's encoding to 16 kHz mono.
        ready: the first event.
        input_rate: samples per second and channel that the client sends, which acknowledgements count in.
        frame_bytes: bytes of one such sample of all channels; 0 for containers, then decoded samples are counted.
        counters: the codec's.
        reach_samples: how far back speech that starts now may reach; see `Progress`.
        on_gone: called once when the connection is gone.
    """

    kind: Literal["voice"] = "voice"

    def __init__(
        self,
        stream_id: str,
        *,
        runner: VoiceRunner,
        decoder: Decoder,
        ready: VoiceReady,
        input_rate: int,
        frame_bytes: int,
        counters: Counters,
        reach_samples: int = 0,
        on_gone: Callable[[VoiceStation], object] = lambda _station: None,
    ) -> None:
        self.stream_id = stream_id
        self._runner = runner
        self._decoder = decoder
        self._ready = ready
        self._input_rate = input_rate
        self._frame_bytes = frame_bytes
        self._counters = counters
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._line: Line | None = None
        self._closing = False
        self._ack_timer: asyncio.TimerHandle | None = None
        self._progress = Progress(
            input_rate=input_rate if frame_bytes else ready.pcm_sample_rate,
            session_rate=ready.pcm_sample_rate,
            reach_samples=reach_samples,
        )
        self._acked = Ack(0, 0)
        self._source: str | None = None
        self._started_s = time.monotonic()

    # --- the station -------------------------------------------------------------------------------------------------

    @property
    def slice_bytes(self) -> int:
        """What `decoding` says."""
        return slice_bytes(self._input_rate, self._frame_bytes)

    @property
    def congested(self) -> bool:
        """See `VoiceRunner.congested`."""
        return self._runner.congested

    def attach(self, line: Line) -> None:
        """Say `ready`."""
        self._line = line
        self._runner.listener = self
        line.post(self._ready)

    def receive(self, command: Command, now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Audio):
            self._receive_audio(command, now)
        elif isinstance(command, Finalize):
            self._runner.finalize(now)
        elif isinstance(command, Close):
            self._close(now, "requested")
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Resume):
            self._post(Failure("resume_failed", "no such session waits here; this is a fresh one", reason="unknown"))
        else:
            raise ProtocolError("a voice stream takes no such command", code="unknown_type")
        self._arm_ack()

    def finish(self, now: float) -> None:
        """Flush, then `Closed`."""
        self._close(now, "going away")

    def stop(self) -> dict[str, Any]:
        """End it from outside, once what it said is answered; see `Stream.stop`."""
        self._close(time.monotonic(), "stopped")
        return self.stats()

    def detach(self) -> None:
        """Cancel what runs for it."""
        self._line = None
        if self._ack_timer is not None:
            self._ack_timer.cancel()
        self._runner.stop()
        close_decoder(self._decoder)
        self._on_gone(self)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        return {
            **self.summary(),
            **asdict(self._counters),
            **asdict(self._runner.stats()),
            "received": self._progress.received,
        }

    def summary(self) -> dict[str, Any]:
        """What a list of streams shows."""
        return {
            "stream_id": self.stream_id,
            "kind": self.kind,
            "sample_rate": self._input_rate,
            "channels": self._ready.channels,
            "connections": 1,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }

    # --- the listener ------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Pass on what the session says; see `VoiceListener`."""
        self._progress.note_event(event)
        self._post(event)
        self._arm_ack()

    def relieve(self) -> None:
        """Read on; see `VoiceListener`."""
        if self._line is not None:
            self._line.relieve()

    # --- in ----------------------------------------------------------------------------------------------------------

    def _receive_audio(self, audio: Audio, now: float) -> None:
        if self._source not in (None, audio.source):
            raise ProtocolError(
                f"this endpoint takes one source, and it is {self._source!r}: several go to /ws/live",
                code="invalid_field",
            )
        if self._closing:
            return
        self._source = audio.source
        samples = self._decoder.push(audio.data)
        sent = len(audio.data) // self._frame_bytes if self._frame_bytes else len(samples)
        self._take_samples(samples, sent, now)

    def _take_samples(self, samples: NDArray[np.int16], sent: int, now: float) -> None:
        self._progress.note_audio(sent, len(samples))
        self._runner.receive_audio(samples, now)

    def _close(self, now: float, reason: str) -> None:
        if not self._closing:
            self._closing = True
            samples, failure = flush_decoder(self._decoder)
            if samples is not None:
                self._take_samples(samples, 0, now)
            if failure is not None:
                self._post(failure)
            self._runner.close(now, reason)

    # --- out ---------------------------------------------------------------------------------------------------------

    def _post(self, event: Event) -> None:
        if self._line is not None:
            if isinstance(event, Closed) and not event.stats:
                self._acknowledge()
                event = Closed(event.reason, self.stats())
            self._line.post(event)

    def _arm_ack(self) -> None:
        if self._ack_timer is None and self._line is not None and self._ack() != self._acked:
            self._ack_timer = self._loop.call_later(_ACK_EVERY_S, self._acknowledge)

    def _acknowledge(self) -> None:
        self._ack_timer = None
        ack = self._ack()
        if ack != self._acked:
            self._acked = ack
            self._post(ack)

    def _ack(self) -> Ack:
        return self._progress.ack(self._runner.stats().waiting_samples)
