"""A voice session: audio, commands, results and the time come in; events, jobs and the next deadline go out. No I/O.

Theory of operation. Audio goes into the stream's ring and, frame by frame, through the speech detector and the
endpointer, which says where speech starts and ends. Each stretch of speech is an `Utterance`; several may be under way,
for one may still be decoded while the next is spoken. Utterances say which decodes they want; the session makes jobs of
them, whole segments first, and at most one partial at a time: if the engine is slow, the newest takes its turn and the
ones between are never made. Outcomes go back to their utterance, and what it has to say is sent in order: all events of
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

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final as Constant

import numpy as np

from fastring.analysis.detector import FRAME_SAMPLES, Frame, FrameScorer, SpeechDetector
from fastring.analysis.endpoint import Endpointer, SpeechEnd, SpeechStart
from fastring.asr.transcriber import Capabilities, Job, Outcome
from fastring.audio.ring import RingBuffer
from fastring.errors import AudioFormatError, EngineFailedError
from fastring.events import Closed, Event, Failure, Latency, SpeechEnded, SpeechStarted, Status, Word
from fastring.session.inbox import Gap, Inbox, Order
from fastring.session.jobs import RETRY_S, JobDesk, Request, is_dropped, is_refused
from fastring.session.outbox import Outbox
from fastring.session.reports import InputState, final_of, partial_of
from fastring.session.state import State
from fastring.session.utterance import SegmentLimits, Utterance, Want
from fastring.session.window import AdaptiveWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastring.config import EndpointSettings, VoiceSettings

__all__ = ["VoiceSession", "VoiceStats"]

SAMPLE_RATE: Constant = 16_000
_PIECE_SAMPLES: Constant = 32 * FRAME_SAMPLES  # audio is taken in by this much at a time, about a second
_BUSY_EVERY_S: Constant = 1.0


@dataclass(frozen=True, slots=True)
class VoiceStats:
    """Counters of one session. Sizes in samples, shares in 0..1."""

    samples: int
    dropped_samples: int
    waiting_samples: int
    buffer_usage: float
    utterances: int
    open_utterances: int
    partial_jobs: int
    final_jobs: int
    failed_jobs: int
    refused_jobs: int
    frames: int
    gated_share: float
    window_seconds: float


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
        window: AdaptiveWindow | None = None,
        max_jobs: int = 3,
    ) -> None:
        self._voice = voice
        self._partials = interim and voice.progressive
        self._window = window or AdaptiveWindow(voice)
        self._desk = JobDesk(stream_id, language, 1 if capabilities.progressive else max_jobs)
        self._limits = SegmentLimits(
            round(voice.max_segment_s * SAMPLE_RATE), round(voice.overlap_seconds * SAMPLE_RATE)
        )
        self._ring = RingBuffer(round(voice.ring_seconds * SAMPLE_RATE), 1, "int16")
        self._capacity = round(voice.ring_seconds * SAMPLE_RATE)
        self._history = (endpoint.pre_roll_ms + endpoint.min_speech_ms + 1000) * SAMPLE_RATE // 1000
        self._stall_s = endpoint.stall_ms / 1000
        self._detector = SpeechDetector(vad)
        self._endpointer = Endpointer(endpoint)
        self._levels: deque[float] = deque(maxlen=self._capacity // FRAME_SAMPLES + 1)

        self._inbox = Inbox()
        self._outbox = Outbox()
        self._written = 0  # samples in the ring, ever
        self._position = 0  # samples measured
        self._last_audio_s: float | None = None

        self._utterances: deque[Utterance] = deque()  # not yet answered, oldest first
        self._speaking: Utterance | None = None
        self._closing: str | None = None
        self._closed = False
        self._busy_since: float | None = None
        self._busy_said = 0.0
        self._failing = False
        self._counts = dict.fromkeys(("dropped", "utterances", "scored"), 0)

    # --- what comes in ---------------------------------------------------------------------------------------------

    def receive_audio(self, samples: NDArray[np.int16], now: float) -> None:
        """Take audio: int16 mono at 16 kHz, shape (n,), any n. Audio after `receive_close` is ignored.

        Raises:
            AudioFormatError: if it is of another dtype or shape; nothing is taken.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise AudioFormatError(f"samples: {samples.dtype} {samples.shape}, must be int16 of shape (n,)")
        if self._closing is not None or not len(samples):
            return
        self._last_audio_s = now
        self._enter(samples, now)

    def receive_gap(self, missing: int, now: float) -> None:
        """Audio of `missing` samples was lost on the way: time goes on, and nothing is decoded across the gap."""
        if self._closing is None and missing > 0:
            self._counts["dropped"] += missing
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

    def receive_outcome(self, outcome: Outcome, now: float) -> None:
        """Take the end of a job. One that is not known any more is ignored."""
        if is_refused(outcome):
            self._say_busy(now)
        request = self._desk.settle(outcome, now)
        if request is not None:
            self._settled(request, outcome, now)
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
        return self._outbox.take()

    def jobs_to_run(self) -> list[Job]:
        """Jobs since the last call."""
        return self._desk.take()

    def next_deadline(self) -> float | None:
        """When `handle_deadline` is to be called, on the clock of `now`; None: never, as things stand."""
        times = (self._desk.next_retry, self._stalled_at())
        return min((time for time in times if time is not None), default=None)

    @property
    def closed(self) -> bool:
        """Whether everything has been answered after `receive_close`."""
        return self._closed

    @property
    def paused(self) -> bool:
        """Whether the client is so far ahead of the engine that the server should stop reading its audio."""
        return bool(self._inbox)

    def stats(self) -> VoiceStats:
        """Counters so far."""
        counts = self._counts
        frames = self._position // FRAME_SAMPLES
        return VoiceStats(
            samples=self._written + self._inbox.samples,
            dropped_samples=counts["dropped"],
            waiting_samples=self._inbox.samples,
            buffer_usage=self._buffer_usage(),
            utterances=counts["utterances"],
            open_utterances=len(self._utterances),
            partial_jobs=self._desk.counts["partial"],
            final_jobs=self._desk.counts["final"],
            failed_jobs=self._desk.counts["failed"],
            refused_jobs=self._desk.counts["refused"],
            frames=frames,
            gated_share=1 - counts["scored"] / frames if frames else 0.0,
            window_seconds=self._window.seconds,
        )

    # --- audio to speech -------------------------------------------------------------------------------------------

    def _enter(self, content: NDArray[np.int16] | Gap | Order, now: float) -> None:
        self._inbox.put(content, now)
        self._advance(now)
        self._counts["dropped"] += self._inbox.drop_over(self._capacity)

    def _advance(self, now: float) -> None:
        """Take in what there is room for, and make the jobs that are wanted."""
        while self._inbox and self._take_next():
            self._make_jobs(now)
        self._make_jobs(now)
        if self._closing is not None and not self._inbox and not self._utterances and not self._closed:
            self._closed = True
            self._outbox.tell(Closed(self._closing))

    def _take_next(self) -> bool:
        """Take one piece from the inbox; False if there is no room for it."""
        content, arrived = self._inbox.first
        if isinstance(content, Order):
            self._inbox.take(0)
            self._obey(content, arrived)
            return True
        if isinstance(content, Gap):
            self._end_speech(arrived)
        count = min(len(content), _PIECE_SAMPLES)
        if self._written + count - self._needed_from() > self._capacity:
            return False
        self._inbox.take(count)
        self._hear(np.zeros(count, np.int16) if isinstance(content, Gap) else content[:count], arrived)
        return True

    def _obey(self, order: Order, now: float) -> None:
        if order is Order.CLOSE:
            self._measured(self._detector.flush(), now)
            self._end_speech(now)
            return
        self._end_speech(now)
        if self._utterances and self._utterances[-1].number == self._counts["utterances"] - 1:
            self._utterances[-1].from_finalize = True
        else:
            self._say_nothing()

    def _hear(self, samples: NDArray[np.int16], arrived: float) -> None:
        self._ring.write(samples)
        self._written += len(samples)
        self._measured(self._detector.push(samples), arrived)
        if self._speaking is not None:
            self._speaking.grow(self._position, arrived, self._written)

    def _measured(self, frames: Sequence[Frame], arrived: float) -> None:
        for frame in frames:
            self._position += FRAME_SAMPLES
            self._levels.append(frame.level_db)
            self._counts["scored"] += frame.scored
            decisions = self._endpointer.push(frame)
            if self._speaking is not None:
                self._speaking.grow(min(self._position, self._written), arrived)
            for decision in decisions:
                self._decided(decision, arrived)

    def _end_speech(self, now: float) -> None:
        for decision in self._endpointer.force_end(self._written):
            self._decided(decision, now)

    def _decided(self, decision: SpeechStart | SpeechEnd, now: float) -> None:
        if isinstance(decision, SpeechStart):
            hop = round(self._window.hop_seconds * SAMPLE_RATE)
            number = self._counts["utterances"]
            self._counts["utterances"] += 1
            utterance = Utterance(number, decision.onset, decision.audio_start, hop, self._limits)
            self._speaking = utterance
            self._utterances.append(utterance)
            self._outbox.begin(number)
            self._outbox.say(number, SpeechStarted(0, number, decision.onset))
            utterance.grow(min(self._position, self._written), now)
        elif self._speaking is not None:
            end = min(decision.end, self._written)
            self._speaking.endpoint(end, min(decision.audio_end, self._written), self._position, now)
            self._speaking = None

    def _needed_from(self) -> int:
        starts = [start for u in self._utterances if (start := u.needed_from) is not None]
        return min(starts, default=max(0, self._written - self._history))

    def _buffer_usage(self) -> float:
        starts = [start for u in self._utterances if (start := u.needed_from) is not None]
        return (self._written - min(starts)) / self._capacity if starts else 0.0

    def _input(self) -> InputState:
        return InputState(self._levels[-1] if self._levels else -120.0, self._buffer_usage(), self._counts["dropped"])

    def _stalled_at(self) -> float | None:
        if self._speaking is None or self._last_audio_s is None or self._inbox or not self._stall_s:
            return None
        return self._last_audio_s + self._stall_s

    # --- jobs ------------------------------------------------------------------------------------------------------

    def _make_jobs(self, now: float) -> None:
        """Whole segments first, oldest first; then the newest partial, if none is out."""
        for utterance in self._utterances:
            if self._desk.has_room and (want := utterance.take_final()) is not None:
                self._make_job(utterance, want, now)
        speaking = self._speaking if self._partials else None
        if speaking is None or self._desk.has_partial or not self._desk.has_room:
            return
        if (want := speaking.take_partial()) is not None:
            self._make_job(speaking, want, now)

    def _make_job(self, utterance: Utterance, want: Want, now: float) -> None:
        self._desk.make(utterance, want, self._ring.read_at(want.start, want.end - want.start, "float32"), now)

    def _settled(self, request: Request, outcome: Outcome, now: float) -> None:
        latency, utterance, want = request.latency(outcome, now), request.utterance, request.want
        words = None if outcome.hypothesis is None else outcome.hypothesis.words
        if words is not None:
            self._recovered()
            self._window.observe(latency.queue_ms + latency.inference_ms)
        elif want.kind == "final" or not (is_refused(outcome) or is_dropped(outcome)):
            self._say_failed(outcome, want)
        if want.kind == "final":
            self._whole_decoded(utterance, words, latency, now)
        elif words is not None and utterance.partial_decoded(want.start, words, want.end) and utterance.words:
            self._outbox.say(utterance.number, partial_of(utterance, want.end, latency, self._input()))

    def _whole_decoded(self, utterance: Utterance, words: Sequence[Word] | None, latency: Latency, now: float) -> None:
        hop = round(self._window.hop_seconds * SAMPLE_RATE)
        utterance.whole_decoded(words, self._quietest, min(self._position, self._written), hop, now)
        if utterance.state is State.DONE:
            self._utterances.remove(utterance)
            self._outbox.say(utterance.number, final_of(utterance, latency))
            self._outbox.say(utterance.number, SpeechEnded(0, utterance.number, utterance.end))
            self._outbox.end(utterance.number)

    def _quietest(self, start: int, end: int) -> int:
        """The middle of the quietest frame between two samples; the last of several alike."""
        first = self._position // FRAME_SAMPLES - len(self._levels)
        low, high = max(start // FRAME_SAMPLES, first), max(end // FRAME_SAMPLES, start // FRAME_SAMPLES + 1)
        frame = min(range(low, high), key=lambda i: (self._levels[min(i - first, len(self._levels) - 1)], -i))
        return min(max(frame * FRAME_SAMPLES + FRAME_SAMPLES // 2, start), end)

    # --- events ----------------------------------------------------------------------------------------------------

    def _say_nothing(self) -> None:
        """An utterance without audio, complete in itself: the answer to a finalize after silence."""
        utterance = Utterance(self._counts["utterances"], self._written, self._written, 1, self._limits)
        self._counts["utterances"] += 1
        utterance.from_finalize = True
        self._utterances.append(utterance)
        self._outbox.begin(utterance.number)
        self._outbox.say(utterance.number, SpeechStarted(0, utterance.number, self._written))
        utterance.endpoint(self._written, self._written, self._position, 0.0)
        utterance.take_final()
        self._whole_decoded(utterance, (), Latency(0.0, 0.0, 0.0, 0.0), 0.0)

    def _say_busy(self, now: float) -> None:
        if self._busy_since is None:
            self._busy_since = now
        elif now - self._busy_said < _BUSY_EVERY_S:
            return
        self._busy_said = now
        lag_ms = 1000 * (now - self._busy_since)
        self._outbox.tell(
            Status("server_busy", queue_depth=len(self._desk), lag_ms=lag_ms, retry_after_ms=round(1000 * RETRY_S))
        )

    def _say_failed(self, outcome: Outcome, want: Want) -> None:
        """Every final that fails is told; of partials in a row only the first."""
        if want.kind == "final" or not self._failing:
            error = outcome.error or EngineFailedError("the job ended without a result")
            self._outbox.tell(Failure(error.code, str(error)))
        self._failing = True

    def _recovered(self) -> None:
        self._failing = False
        if self._busy_since is not None:
            self._busy_since = None
            self._outbox.tell(Status("recovered"))
