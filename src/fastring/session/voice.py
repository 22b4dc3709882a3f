"""A voice session: audio, commands, results and the time come in; events, jobs and the next deadline go out. No I/O.

Theory of operation. Audio waits in the `Inbox` until there is room for it. `Listening` writes it to the stream's ring
and takes it, frame by frame, through the speech detector and the endpointer, which says where speech starts and ends.
Each stretch of speech is an `Utterance` of the `Conversation`; several may be under way, for one may still be decoded
while the next is spoken. Utterances say which decodes they want; jobs are made of them, whole segments first. Of
partials one may be with the engine and one wait for it: if the engine is slow, the newest takes the place of the one
that waits, so that what is heard next is never older than it must be.
Outcomes go back to their utterance, and what it has to say goes to the `Outbox`, which keeps the order: all events of
one utterance come before those of the next.

Time is a sample index. A decision about audio is a function of the audio and of what the engine heard in it; `now` only
measures latency, spaces out retries and ends an utterance whose client has gone silent without a word.

Nothing accepted is lost. A job holds its own copy of the audio. Audio that is still wanted by a job to come is never
overwritten: when the ring is full of it, because the client sends faster than the engine can hear, further audio waits
in the inbox, and `paused` asks the server to stop reading from the socket. A client that goes on anyway loses the
oldest waiting audio, counted in `dropped`; what was on both sides of such a gap is never decoded as one.

Every `finalize` is answered: by the final of what was being said, or, if nothing was, by that of an empty utterance.
An utterance in which the engine hears nothing ends with a final without text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final as Constant

import numpy as np

from fastring.errors import AudioFormatError
from fastring.events import Closed, Endpointing
from fastring.session.conversation import Conversation
from fastring.session.inbox import Gap, Inbox, Order
from fastring.session.jobs import JobDesk
from fastring.session.listening import MOST_AT_ONCE, Listening
from fastring.session.stats import BufferStats, VoiceStats
from fastring.session.trigger import EarlyTriggers
from fastring.session.utterance import SegmentLimits
from fastring.session.window import AdaptiveWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastring.analysis.detector import FrameScorer
    from fastring.asr.transcriber import Capabilities, Job, Outcome
    from fastring.config import EndpointSettings, VoiceSettings
    from fastring.events import Event

__all__ = ["VoiceSession", "VoiceStats"]

SAMPLE_RATE: Constant = 16_000


class VoiceSession:
    """One voice stream: 16 kHz mono PCM16 in, transcript events out. One owner at a time.

    Args:
        stream_id: names the stream in its jobs.
        voice: ring, windows, and whether partials are sent.
        endpoint: when speech starts and ends.
        capabilities: the engine's; a progressive one gets one job at a time.
        vad: the voice detector of this stream; None leaves it to the energy gate.
        language: code, or "" to let the engine decide.
        interim: whether this client wants partials.
        segments: whether it wants one for each whole segment, even without those.
        turns_at_once: tell who speaks when without waiting for the text of what was said before.
        window: the adaptive window, shared by the sessions of one engine; None makes one of its own.
        max_jobs: jobs that may be out at a time.
    """

    def __init__(
        self,
        stream_id: str,
        *,
        voice: VoiceSettings,
        endpoint: EndpointSettings,
        capabilities: Capabilities,
        vad: FrameScorer | None = None,
        language: str = "",
        interim: bool = True,
        segments: bool = False,
        turns_at_once: bool = False,
        window: AdaptiveWindow | None = None,
        max_jobs: int = 3,
    ) -> None:
        self._window = window or AdaptiveWindow(voice)
        self._capacity = round(voice.ring_seconds * SAMPLE_RATE)
        self._history = (endpoint.pre_roll_ms + endpoint.min_speech_ms + 1000) * SAMPLE_RATE // 1000
        # Audio of which so much comes while nobody is speaking is sure to have room.
        self._unbidden = min(MOST_AT_ONCE, self._capacity - self._history)
        self._stall_s = endpoint.stall_ms / 1000
        self._inbox = Inbox()
        rest_ms = 0 if capabilities.progressive else voice.segment_pause_ms
        self._listening = Listening(self._capacity, endpoint, vad, rest_ms, self._history)
        self._desk = JobDesk(stream_id, language, 1 if capabilities.progressive else max_jobs)
        self._conversation = Conversation(
            listening=self._listening,
            desk=self._desk,
            window=self._window,
            limits=SegmentLimits(
                round(voice.max_segment_s * SAMPLE_RATE),
                round(voice.overlap_seconds * SAMPLE_RATE),
                endpoint.pre_roll_ms * SAMPLE_RATE // 1000,
            ),
            partials=interim and voice.progressive and capabilities.partials,
            engine_hop=capabilities.hop_ms * SAMPLE_RATE // 1000,
            early=EarlyTriggers(voice.early_processing_threshold, voice.early_trigger_interval_ms * SAMPLE_RATE // 1000)
            if voice.early_triggers
            else None,
            dropped=lambda: self._dropped,
            max_lag_s=voice.max_lag_s,
            segments=segments,
            turns_at_once=turns_at_once,
        )
        self._dropped = 0
        self._overflowed = 0  # samples of them that had no room
        self._overflows = 0
        self._last_audio_s: float | None = None
        self._client_is_away = False
        self._closing: str | None = None
        self._closed = False

    # --- what comes in ---------------------------------------------------------------------------------------------

    def receive_audio(self, samples: NDArray[np.int16], now: float) -> bool:
        """Take audio: int16 mono at 16 kHz, shape (n,), any n. Audio after `receive_close` is ignored.

        Returns:
            whether anything may have come of it: events, jobs, a deadline. False: nobody speaks, and nothing has.

        Raises:
            AudioFormatError: if it is of another dtype or shape; nothing is taken.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise AudioFormatError(f"samples: {samples.dtype} {samples.shape}, must be int16 of shape (n,)")
        if self._closing is not None or not len(samples):
            return False
        self._last_audio_s = now
        if self._conversation or self._inbox or len(samples) > self._unbidden:
            self._enter(samples, now)
            return True
        if self._listening.can_shrink:
            self._listening.shrink()
        turns = self._listening.hear(samples)  # nothing can stand in its way
        if turns:
            self._conversation.follow(turns, now)
            self._advance(now)
        return bool(turns)

    def receive_gap(self, missing: int, now: float) -> None:
        """Audio of `missing` samples was lost on the way: time goes on, and nothing is decoded across the gap."""
        if self._closing is None and missing > 0:
            self._dropped += missing
            self._enter(Gap(missing), now)

    def receive_finalize(self, now: float) -> None:
        """End the utterance now. A final follows in any case, an empty one if nothing was being said."""
        if self._closing is None:
            self._enter(Order.FINALIZE, now)

    def receive_close(self, now: float, reason: str = "requested") -> None:
        """Take no more audio; answer all that was accepted, then `Closed`."""
        if self._closing is None:
            self._closing = reason
            self._enter(Order.CLOSE, now)

    def receive_endpointing(self, endpointing: Endpointing, now: float) -> None:
        """Wait for a speaker who pauses as long as that, from the audio on that comes after this."""
        if self._closing is None:
            self._enter(endpointing, now)

    def receive_absence(self, away: bool, now: float) -> None:
        """The client's connection is gone, or back: while it is away, its silence ends no utterance."""
        self._client_is_away = away
        if self._last_audio_s is not None:
            self._last_audio_s = now

    def receive_outcome(self, outcome: Outcome, now: float) -> None:
        """Take the end of a job. One that is not known any more is ignored."""
        self._conversation.settle(outcome, now)
        self._advance(now)

    def handle_deadline(self, now: float) -> None:
        """Do what was to be done at `next_deadline`."""
        self._desk.retry(now)
        stalled = self._stalled_at()
        if stalled is not None and stalled <= now:
            self._last_audio_s = None
            self._end_speech(now)
        self._advance(now)

    # --- what goes out ---------------------------------------------------------------------------------------------

    def events_to_send(self) -> list[Event]:
        """Events since the last call, in order."""
        return self._conversation.outbox.take()

    def jobs_to_run(self) -> list[Job]:
        """Jobs since the last call."""
        return self._desk.take()

    def next_deadline(self) -> float | None:
        """When `handle_deadline` is to be called, on the clock of `now`; None: never, as things stand."""
        times = (self._desk.next_retry, self._stalled_at(), self._conversation.late_at)
        return min((time for time in times if time is not None), default=None)

    @property
    def waiting_samples(self) -> int:
        """Audio that waits for room."""
        return self._inbox.samples

    @property
    def closed(self) -> bool:
        """Whether everything has been answered after `receive_close`."""
        return self._closed

    @property
    def paused(self) -> bool:
        """Whether the client is so far ahead of the engine that the server should stop reading its audio."""
        return bool(self._inbox)

    @property
    def end_chance(self) -> float:
        """That the speaker's pause, as it stands, ends the utterance, 0..1."""
        return self._listening.end_chance

    def stats(self) -> VoiceStats:
        """Counters so far."""
        listening, conversation, counts = self._listening, self._conversation, self._desk.counts
        used = conversation.used_samples
        buffer = BufferStats(
            capacity_samples=self._capacity,
            used_samples=used,
            usage=used / self._capacity,
            written=listening.written,
            read=listening.position,
            dropped=self._overflowed,
            overflows=self._overflows,
        )
        return VoiceStats(
            buffer,
            samples=listening.written + self._inbox.samples,
            dropped_samples=self._dropped,
            waiting_samples=self._inbox.samples,
            buffer_usage=buffer.usage,
            utterances=conversation.begun,
            open_utterances=len(conversation),
            partial_jobs=counts["partial"],
            final_jobs=counts["final"],
            failed_jobs=counts["failed"],
            refused_jobs=counts["refused"],
            frames=listening.frames,
            gated_share=listening.gated_share,
            window_seconds=self._window.seconds,
        )

    # --- taking in what came ---------------------------------------------------------------------------------------

    def _enter(self, content: NDArray[np.int16] | Gap | Order | Endpointing, now: float) -> None:
        self._inbox.put(content, now)
        self._advance(now)
        if lost := self._inbox.drop_over(self._capacity):
            self._dropped += lost
            self._overflowed += lost
            self._overflows += 1

    def _advance(self, now: float) -> None:
        """Take in what there is room for, and make the jobs that are wanted."""
        conversation = self._conversation
        while self._inbox and self._take_next():
            conversation.make_jobs(now)
        conversation.make_jobs(now)
        if self._closing is not None and not self._inbox and not conversation and not self._closed:
            self._closed = True
            conversation.outbox.tell(Closed(self._closing))

    def _take_next(self) -> bool:
        """Take one piece from the inbox; False if there is no room for it."""
        content, arrived = self._inbox.first
        if isinstance(content, Order):
            self._inbox.take(0)
            self._obey(content, arrived)
            return True
        if isinstance(content, Endpointing):
            self._inbox.take(0)
            self._listening.endpointing = content
            self._conversation.trigger_from(content.trigger)
            return True
        if isinstance(content, Gap):
            self._end_speech(arrived)
        count = min(len(content), MOST_AT_ONCE)
        if self._listening.written + count - self._needed_from() > self._capacity:
            return False
        self._inbox.take(count)
        turns = self._listening.skip(count) if isinstance(content, Gap) else self._listening.hear(content[:count])
        self._conversation.follow(turns, arrived)
        return True

    def _obey(self, order: Order, now: float) -> None:
        if order is Order.CLOSE:
            self._conversation.follow(self._listening.flush(), now)
            self._end_speech(now)
        else:
            self._end_speech(now)
            self._conversation.finalize()

    def _end_speech(self, now: float) -> None:
        self._conversation.follow(self._listening.end_speech(), now)

    def _needed_from(self) -> int:
        start = self._conversation.needed_from
        return max(0, self._listening.written - self._history) if start is None else start

    def _stalled_at(self) -> float | None:
        if not self._conversation.speaking or self._last_audio_s is None or self._inbox or not self._stall_s:
            return None
        if self._client_is_away:
            return None
        return self._last_audio_s + self._stall_s
