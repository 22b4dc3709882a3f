"""One of several sources on a connection: its decoder, its queue of chunks, and the session that hears it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import structlog

from fastring.errors import FastringError
from fastring.events import Ack, Closed, Failure
from fastring.server.decoding import close_decoder, flush_decoder, slice_bytes
from fastring.server.progress import Progress
from fastring.session.backpressure import Backpressure
from fastring.session.sources import ChunkQueue, Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Event, Status
    from fastring.server.decoding import Decoder
    from fastring.server.options import AudioOptions
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["LiveSource"]

SESSION_RATE = 16_000

log = structlog.get_logger("fastring.server")


class LiveSource:
    """A stream of its own to the registry.

    Args:
        stream_id: unique in the server.
        name: the client's, unique on its connection.
        audio: what it sends.
        decoder: to 16 kHz mono.
        runner: of its session.
        queue_max: chunks that may wait.
        max_bytes: bytes that may wait.
        max_lag_s: how long its final may be owed before chunks wait.
        reach_samples: see `Progress`.
        count_dropped: told of sample frames that are given up.

    Attributes:
        tell: takes what the session says.
        relieved: called when `must_wait` may have changed.
    """

    kind: Literal["source"] = "source"

    def __init__(
        self,
        stream_id: str,
        name: str,
        *,
        audio: AudioOptions,
        decoder: Decoder,
        runner: VoiceRunner,
        queue_max: int,
        max_bytes: int,
        max_lag_s: float,
        reach_samples: int,
        count_dropped: Callable[[float], None] = lambda _frames: None,
    ) -> None:
        self.stream_id = stream_id
        self.name = name
        self.tell: Callable[[Event], None] = lambda _event: None
        self.relieved: Callable[[], None] = lambda: None
        self._audio = audio
        self._frame_bytes = audio.frame_bytes
        self._slice_bytes = slice_bytes(audio.sample_rate, audio.frame_bytes)
        self._decoder = decoder
        self._runner = runner
        self._queue_max = queue_max
        self._max_bytes = max_bytes
        self._max_lag_s = max_lag_s
        self._count_dropped = count_dropped
        self._queue = ChunkQueue()
        self._rest = b""  # of the chunk that is being worked off
        self._pressure = Backpressure(name)
        self._progress = Progress(
            input_rate=audio.sample_rate if audio.frame_bytes else SESSION_RATE,
            session_rate=SESSION_RATE,
            reach_samples=reach_samples,
        )
        self._acked = Ack(0, 0)
        self._again: asyncio.Handle | None = None
        self._closing: str | None = None
        self._dropped = False
        self._started_s = time.monotonic()
        self._chunks = self._bytes = self._malformed = self._missing = self._refused_chunks = self._dropped_frames = 0
        self.closed = False
        runner.listener = self

    # --- what the station asks ---------------------------------------------------------------------------------------

    @property
    def ending(self) -> bool:
        """Whether it takes no more."""
        return self._closing is not None

    @property
    def waiting(self) -> int:
        """Chunks in the queue."""
        return len(self._queue)

    @property
    def must_wait(self) -> bool:
        """Whether nothing more should be read for now."""
        return bool(self._rest) or (not self._frame_bytes and len(self._queue) >= self._queue_max)

    def load(self, n_bytes: int) -> int:
        """Chunks that wait, as the controller counts them: the queue is full in bytes, too."""
        if self._queue.total_bytes + n_bytes > self._max_bytes and len(self._queue):
            return max(self._queue_max, len(self._queue))
        return len(self._queue)

    def is_ready(self, now: float) -> bool:
        """Whether the session should be given more."""
        return not self._rest and not self._runner.congested and self._runner.lag_s(now) <= self._max_lag_s

    def sends(self, sample_rate: int | None, channels: int | None) -> bool:
        """Whether it sends at that rate and with so many channels; None: whatever it does."""
        audio = self._audio
        return sample_rate in (None, audio.sample_rate) and channels in (None, audio.channels)

    def report(self, now: float) -> Status | None:
        """What is to be said of backpressure."""
        oldest = self._queue.oldest_s
        behind = not self._dropped and oldest is not None and not self.is_ready(now)
        if not behind and not self._pressure.active:
            return None
        lag_s = max(self._runner.lag_s(now), now - oldest if oldest is not None else 0.0)
        return self._pressure.report(behind, waiting=len(self._queue), lag_s=lag_s, now=now)

    def new_ack(self) -> Ack | None:
        """The acknowledgement, if it has changed."""
        ack = self._progress.ack(self._runner.stats().waiting_samples)
        if ack == self._acked:
            return None
        self._acked = ack
        return ack

    # --- in ----------------------------------------------------------------------------------------------------------

    def take(self, data: bytes, decision: Decision, now: float) -> None:
        """Do with a chunk as was decided."""
        self._chunks += 1
        self._bytes += len(data)
        if decision is Decision.DROP_OLDEST and self._frame_bytes:
            self._lose(self._queue.drop_oldest())
        elif decision in (Decision.REJECT, Decision.REFUSE):
            self._refused_chunks += 1
            self._queue.lose(len(data))
            self._lose(len(data))
            return
        self._queue.put(data, now)
        if self._again is None:
            self.work(now)

    def lose_messages(self, count: int, n_bytes: int) -> None:
        """So many messages never came; each is taken to have been as long as the one that did."""
        self._missing += count
        if self._frame_bytes:
            self._queue.lose(min(count * n_bytes, self._max_bytes))

    def finalize(self, now: float) -> None:
        """End the utterance, after everything that waits."""
        self._push_all(now)
        self._runner.finalize(now)

    def close(self, now: float, reason: str) -> None:
        """Take no more; answer what was accepted."""
        self._closing = reason
        self._push_all(now)
        samples, failure = flush_decoder(self._decoder)
        if failure is not None:
            self.tell(failure)
        if samples is not None and len(samples):
            self._progress.note_audio(0, len(samples))
            self._runner.receive_audio(samples, now)
        self._runner.close(now, reason)

    def drop(self, now: float) -> int:
        """Leave it out until it is restored; how many samples per channel were still waiting."""
        self._dropped = True
        before = self._dropped_frames
        while len(self._queue):
            self._lose(self._queue.drop_oldest())
        self._runner.receive_gap(1, now)  # what was being said ends here
        self._pressure = Backpressure(self.name)  # that it is dropped is told instead
        log.warning("source dropped", stream=self.stream_id)
        return self._dropped_frames - before

    def restore(self) -> int:
        """Hear it again; how many samples per channel it has lost so far."""
        self._dropped = False
        log.warning("source restored", stream=self.stream_id)
        return self._dropped_frames

    def work(self, now: float) -> None:
        """Hand over one piece, if there is one and the session is ready; the next one follows in another turn."""
        self._again = None
        if self.closed or not (self._rest or (len(self._queue) and self.is_ready(now))):
            return
        self._hand_over_piece(now)
        if self._rest or len(self._queue):
            self._again = asyncio.get_running_loop().call_soon(lambda: self.work(time.monotonic()))
        self.relieved()

    def _push_all(self, now: float) -> None:
        while self._rest or len(self._queue):
            self._hand_over_piece(now)

    def _hand_over_piece(self, now: float) -> None:
        if not self._rest:
            self._rest, missing = self._queue.take()
            self._tell_gap(missing, now)
        piece, self._rest = self._rest[: self._slice_bytes], self._rest[self._slice_bytes :]
        try:
            samples = self._decoder.push(piece)
        except FastringError as error:
            self._rest = b""
            self._malformed += 1
            self.tell(Failure("invalid_field", str(error)))
            return
        self._progress.note_audio(len(piece) // self._frame_bytes if self._frame_bytes else len(samples), len(samples))
        self._runner.receive_audio(samples, now)

    def _tell_gap(self, missing_bytes: int, now: float) -> None:
        """Audio on both sides of a hole is never heard as one, and time goes on over it."""
        if missing_bytes and self._frame_bytes:
            frames = missing_bytes // self._frame_bytes
            samples = frames * SESSION_RATE // self._audio.sample_rate
            self._progress.note_audio(frames, samples)
            self._runner.receive_gap(max(1, samples), now)

    def _lose(self, n_bytes: int) -> None:
        frames = n_bytes // self._frame_bytes if self._frame_bytes else 0
        self._dropped_frames += frames
        self._count_dropped(frames)
        self._pressure.lose(frames)

    # --- the listener ------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Pass on what the session says; see `VoiceListener`."""
        self._progress.note_event(event)
        if isinstance(event, Closed):
            self.closed = True
        self.tell(event)

    def relieve(self) -> None:
        """The session may take more; see `VoiceListener`."""
        if self._again is None:
            self.work(time.monotonic())

    # --- the stream --------------------------------------------------------------------------------------------------

    def stop(self) -> dict[str, Any]:
        """End it from outside; see `Stream.stop`."""
        if self._closing is None:
            self.close(time.monotonic(), "stopped")
        return self.stats()

    def stop_now(self) -> None:
        """Let everything go."""
        self.closed = True
        if self._again is not None:
            self._again.cancel()
        self._runner.stop()
        close_decoder(self._decoder)

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        return {
            **self.summary(),
            "messages": self._chunks,
            "bytes": self._bytes,
            "malformed": self._malformed,
            "seq_gaps": self._missing,
            **asdict(self._runner.stats()),
            "chunks": self._chunks,
            "waiting_chunks": len(self._queue),
            "waiting_bytes": self._queue.total_bytes + len(self._rest),
            "refused_chunks": self._refused_chunks,
            "dropped_frames": self._dropped_frames,
            "is_dropped": self._dropped,
            "received": self._progress.received,
        }

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
