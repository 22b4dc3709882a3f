"""A voice session apart from any connection: it hears and speaks on while its client is away. No I/O, no clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from fastring.errors import ProtocolError
from fastring.events import Closed, Status
from fastring.server.decoding import close_decoder, flush_decoder
from fastring.server.sessions.store import SessionRecord
from fastring.session.backpressure import Backpressure

if TYPE_CHECKING:
    from fastring.events import Ack, Audio, Event, Resume
    from fastring.server.decoding import Decoder
    from fastring.server.progress import Progress
    from fastring.server.sessions.journal import Journal
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["Identity", "Owner", "ResumableSession"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose session it is, and what its client sends.

    Attributes:
        session: the server's name for it: 128 random bits as hex.
        stream_id: the client's.
        owner: whose key opened it, "" on an open server.
        encoding: of the audio, as are `sample_rate` and `channels`.
        may_wait: whether it is kept for a client that is away.
    """

    session: str
    stream_id: str
    owner: str
    encoding: str
    sample_rate: int
    channels: int
    may_wait: bool = True

    @property
    def audio(self) -> tuple[str, int, int]:
        """What must be the same on every connection."""
        return self.encoding, self.sample_rate, self.channels


class Owner(Protocol):
    """The connection's side of a session; at most one has it. All calls come on the event loop's thread."""

    def hear(self, event: Event) -> None:
        """An event, in order."""
        ...

    def relieve(self) -> None:
        """`ResumableSession.congested` may have changed."""
        ...

    def move(self) -> None:
        """The session belongs to another from now on."""
        ...


class ResumableSession:
    """One voice session with everything that must survive a connection: runner, decoder, progress, journal.

    Args:
        identity: see there.
        runner: of the session; this becomes its listener.
        decoder: from the client's encoding to 16 kHz mono.
        frame_bytes: bytes of one sample of all channels in that encoding; 0 for containers.
        progress: what the client may forget.
        journal: what the client may have missed.
        ring_bytes: audio that the session may hold.

    Attributes:
        epoch: how often it was claimed; see `SessionStore`.
        confirmed: the newest epoch whose token the client has shown to hold, by sending audio after it.
        finalizes: how many `Finalize` it has taken.
        last_audio_s: when the last audio came.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        runner: VoiceRunner,
        decoder: Decoder,
        frame_bytes: int,
        progress: Progress,
        journal: Journal,
        ring_bytes: int = 0,
    ) -> None:
        self.identity = identity
        self.epoch = 0
        self.confirmed = 0
        self.finalizes = 0
        self._runner = runner
        self._decoder = decoder
        self._frame_bytes = frame_bytes
        self._progress = progress
        self._journal = journal
        self._ring_bytes = ring_bytes
        self.last_audio_s = 0.0
        self._bytes = 0
        self._owner: Owner | None = None
        self._source: str | None = None
        self._closing = False
        self._last_stats: dict[str, Any] | None = None
        runner.listener = self
        runner.pressure = Backpressure()

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """See `VoiceRunner.congested`."""
        return self._last_stats is None and self._runner.congested

    @property
    def finished(self) -> bool:
        """Everything is answered after `close`; only the journal is left."""
        return self._last_stats is not None

    @property
    def started(self) -> bool:
        """Whether anything came that would be lost with it."""
        return bool(self._progress.received or self._bytes or self.finalizes or self._closing)

    @property
    def received(self) -> int:
        """Samples per channel that came, at the client's rate."""
        return self._progress.received

    @property
    def received_bytes(self) -> int | None:
        """Bytes of a container that came, counted as its decoder took them; None where samples are counted."""
        return None if self._frame_bytes else self._bytes

    def lacks_before(self, asked: Resume) -> int:
        """How many samples (of a container: bytes) that are not here the client cannot send any more; 0: it can all."""
        if self.received_bytes is None:
            return max(0, asked.oldest_sample - self.received)
        return max(0, asked.oldest_byte - self.received_bytes)

    @property
    def next_seq(self) -> int:
        """The number of the next event."""
        return self._journal.next_seq

    @property
    def memory_bytes(self) -> int:
        """About what it holds."""
        return self._journal.memory_bytes + (0 if self.finished else self._ring_bytes)

    def ack(self) -> Ack:
        """The acknowledgement that is true now."""
        ack = self._progress.ack(0 if self.finished else self._runner.waiting_samples)
        return ack if self._frame_bytes else replace(ack, received_bytes=self._bytes)

    def stats(self) -> dict[str, Any]:
        """Counters; the last ones once it is finished."""
        if self._last_stats is not None:
            return self._last_stats
        return {**asdict(self._runner.stats()), "received": self._progress.received}

    def record(self, node: str) -> SessionRecord:
        """Its state, for the store."""
        identity, ack = self.identity, self.ack()
        return SessionRecord(
            session=identity.session,
            epoch=self.epoch,
            confirmed=self.confirmed,
            node=node,
            owner=identity.owner,
            stream_id=identity.stream_id,
            encoding=identity.encoding,
            sample_rate=identity.sample_rate,
            channels=identity.channels,
            received=ack.received,
            committed=ack.committed,
            next_seq=self.next_seq,
        )

    # --- whose it is -------------------------------------------------------------------------------------------------

    def attach(self, owner: Owner, now: float) -> None:
        """Give it to a connection; whoever had it before is told."""
        before, self._owner = self._owner, owner
        if before is not None and before is not owner:
            before.move()
        self._note_absence(False, now)

    def leave(self, owner: Owner, now: float) -> None:
        """The connection is gone; unless the session moved on already, it waits."""
        if self._owner is owner:
            self._owner = None
            self._note_absence(True, now)

    def fence(self) -> None:
        """Another process has claimed it: whoever has it here is told, and it ends."""
        before, self._owner = self._owner, None
        self.end()
        if before is not None:
            before.move()

    def end(self) -> None:
        """Give everything back, answered or not."""
        self._runner.stop()
        close_decoder(self._decoder)

    # --- in ----------------------------------------------------------------------------------------------------------

    def receive_audio(self, audio: Audio, now: float) -> int:
        """Take audio; it starts where the audio before it ended. Returns its samples, 0 if it came after `close`.

        Raises:
            ProtocolError: it is of another source.
        """
        if self._source not in (None, audio.source):
            raise ProtocolError(
                f"this endpoint takes one source, and it is {self._source!r}: several go to /ws/live",
                code="invalid_field",
            )
        self.confirmed = self.epoch
        if self._closing:
            return 0
        self._source = audio.source
        self.last_audio_s = now
        if audio.missing:
            self.hear(Status("gap", audio.source, audio.missing))
            self._progress.note_audio(0, 1)
            self._runner.receive_gap(1, now)  # what is on both sides of a hole is never heard as one
        self._bytes += len(audio.data)
        samples = self._decoder.push(audio.data)
        sent = len(audio.data) // self._frame_bytes if self._frame_bytes else len(samples)
        self._progress.note_audio(sent, len(samples))
        self._runner.receive_audio(samples, now)
        return sent

    def finalize(self, now: float) -> None:
        """End the utterance now; its final follows."""
        if not self._closing:
            self.finalizes += 1
            self._runner.finalize(now)

    def close(self, now: float, reason: str) -> None:
        """Take no more audio; answer what was accepted, then `Closed`."""
        if self._closing:
            return
        self._closing = True
        samples, failure = flush_decoder(self._decoder)
        if samples is not None:
            self._progress.note_audio(0, len(samples))
            self._runner.receive_audio(samples, now)
        if failure is not None:
            self.hear(failure)
        self._runner.close(now, reason)

    # --- out ---------------------------------------------------------------------------------------------------------

    def can_replay(self, last_seq: int) -> bool:
        """Whether every event after that number is still there."""
        return self._journal.reaches(last_seq)

    def replay(self, last_seq: int) -> list[Event]:
        """See `Journal.replay`."""
        return self._journal.replay(last_seq)

    def hear(self, event: Event) -> None:
        """Take an event of the runner; see `VoiceListener`."""
        if isinstance(event, Closed):
            event = Closed(event.reason, self.stats())
            self._last_stats = dict(event.stats)
        self._progress.note_event(event)
        self._journal.note(event, heard=self._owner is not None)
        if self._owner is not None:
            self._owner.hear(event)
        if isinstance(event, Closed):
            self.end()

    def relieve(self) -> None:
        """Pass it on; see `VoiceListener`."""
        if self._owner is not None:
            self._owner.relieve()

    def _note_absence(self, away: bool, now: float) -> None:
        if not self.finished:
            self._runner.note_absence(away, now)
