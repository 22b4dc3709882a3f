"""What a voice session hears: audio into the ring and, frame by frame, to the endpointer; turns of speech come out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastring.analysis.detector import FRAME_SAMPLES, Frame, FrameScorer, SpeechDetector
from fastring.analysis.endpoint import Decision, Endpointer, SpeechEnd, SpeechStart
from fastring.audio.ring import RingBuffer
from fastring.session.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastring.analysis.gate import GateFrame
    from fastring.config import EndpointSettings
    from fastring.events import Endpointing

__all__ = ["MOST_AT_ONCE", "Listening", "Pause", "Rest", "Resume", "Turn"]

MOST_AT_ONCE = 32 * FRAME_SAMPLES
"""Samples that may be heard in one call, about a second."""

_QUIETEST_DB = -120.0


class Pause(NamedTuple):
    """The speaker has paused, perhaps to stop; said once a pause."""


class Rest(NamedTuple):
    """A pause has become so long that what was said before is decoded apart from what follows.

    The last frame of speech ended at `begin`; what fades away after it ends before `end`.
    """

    begin: int
    end: int


class Resume(NamedTuple):
    """After a `Rest` the speaker goes on, from sample `onset`."""

    onset: int


class Turn(NamedTuple):
    """Speech starts, pauses, goes on or ends. `position`: audio was measured up to here when that was decided."""

    position: int
    decision: Decision | Pause | Rest | Resume


class Listening:
    """The ear of one stream: its ring, its detector and its endpointer. One owner at a time.

    While all is silent the ring is a small one, which stays in few pages of memory; at the first sound that may be
    speech it gives way to one of the whole capacity.

    Args:
        capacity: samples that the ring holds.
        endpoint: when speech starts and ends.
        vad: the voice detector of this stream; None leaves it to the energy gate.
        rest_ms: a pause of this length is a `Rest`; 0: none is.
        reach: how far back speech that starts now may reach, in samples; 0: as far as the ring does.

    Attributes:
        capacity: see above.
        can_shrink: all was silent of late, so if nobody wants what was heard, `shrink` saves most of the memory.
    """

    def __init__(
        self, capacity: int, endpoint: EndpointSettings, vad: FrameScorer | None, rest_ms: int = 0, reach: int = 0
    ) -> None:
        self.capacity = capacity
        self.can_shrink = False
        self._reach = reach
        self._idle_capacity = min(capacity, reach + MOST_AT_ONCE) if reach else capacity
        self._ring = RingBuffer(self._idle_capacity, 1, "int16", touched=False)
        self._detector = SpeechDetector(vad)
        self._endpointer = Endpointer(endpoint)
        self._levels: deque[float] = deque(maxlen=self._idle_capacity // FRAME_SAMPLES + 1)
        self._written = 0
        self._measured = 0
        self._scored = 0
        self._barrier = 0
        self._paused = False
        self._pauses = Pauses()
        self._rest_ms = rest_ms or float("inf")
        self._resting = False

    @property
    def written(self) -> int:
        """Samples heard so far."""
        return self._written

    @property
    def position(self) -> int:
        """The samples of them that are measured: whole frames, or all after `flush`."""
        return min(self._measured, self._written)

    @property
    def frames(self) -> int:
        """Frames measured."""
        return self._measured // FRAME_SAMPLES

    @property
    def gated_share(self) -> float:
        """Share of the frames that the energy gate kept from the voice detector, 0..1."""
        return 1 - self._scored / self.frames if self._measured else 0.0

    @property
    def last_voiced(self) -> int:
        """End of the last frame of speech in the open utterance."""
        return self._endpointer.last_voiced

    @property
    def end_chance(self) -> float:
        """That the speaker's pause as it stands ends the utterance, 0..1; 0 while somebody speaks. See `Pauses`."""
        return self._pauses.chance

    @property
    def endpointing(self) -> Endpointing:
        """Silence that ends speech; it may be set at any time."""
        return self._endpointer.endpointing

    @endpointing.setter
    def endpointing(self, endpointing: Endpointing) -> None:
        self._endpointer.endpointing = endpointing

    @property
    def level_db(self) -> float:
        """Level of the newest frame in dBFS."""
        return self._levels[-1] if self._levels else _QUIETEST_DB

    def hear(self, samples: NDArray[np.int16]) -> list[Turn]:
        """Take audio, shape (n,), `MOST_AT_ONCE` if `reach` was given; what is decided by it."""
        self._ring.write(samples)
        self._written += len(samples)
        frames, audio = self._detector.gate(samples)
        if not frames or (audio is None and self._pass_silence(frames)):
            return []
        self._grow()
        return self._turns(self._detector.measured(frames, audio))

    def shrink(self) -> None:
        """Nobody wants what was heard: keep as much as speech that starts now may reach back to."""
        if self.can_shrink:
            self.can_shrink = False
            self._move(self._idle_capacity, self._reach)

    def skip(self, count: int) -> list[Turn]:
        """Let samples pass that are missing. No utterance that starts later reaches back before their end."""
        turns = self.hear(np.zeros(count, np.int16))
        self._barrier = self._written
        return turns

    def flush(self) -> list[Turn]:
        """No more audio comes: measure what is left of the last frame."""
        return self._turns(self._detector.flush())

    def end_speech(self) -> list[Turn]:
        """End speech here and now, if there is any."""
        self._pauses.end(by_silence=False)
        return [Turn(self.position, self._held(it)) for it in self._endpointer.force_end(self._written)]

    def read(self, start: int, end: int) -> NDArray[np.float32]:
        """A copy of the audio between two samples, float32 in [-1, 1].

        Raises:
            RangeLostError: if it is not in the ring any more, or not yet.
        """
        return self._ring.read_at(start, end - start, "float32")

    def quietest(self, start: int, end: int) -> int:
        """The middle of the quietest frame between two samples; the last of several alike."""
        first = self.frames - len(self._levels)
        low, high = max(start // FRAME_SAMPLES, first), max(end // FRAME_SAMPLES, start // FRAME_SAMPLES + 1)
        frame = min(range(low, high), key=lambda i: (self._levels[min(i - first, len(self._levels) - 1)], -i))
        return min(max(frame * FRAME_SAMPLES + FRAME_SAMPLES // 2, start), end)

    def _pass_silence(self, frames: Sequence[GateFrame]) -> bool:
        """What most of most streams is: nothing is held, and nobody is speaking; False if somebody is."""
        if not self._endpointer.pass_silence(len(frames)):
            return False
        self._measured += len(frames) * FRAME_SAMPLES
        self._levels.extend([frame.level_db for frame in frames])
        self._paused = False
        self.can_shrink = self._ring.capacity > self._idle_capacity
        return True

    def _grow(self) -> None:
        """Somebody may be speaking: from here on audio is kept for as long as it is wanted."""
        self.can_shrink = False
        if self._ring.capacity < self.capacity:
            self._move(self.capacity, self._idle_capacity)

    def _move(self, capacity: int, keep: int) -> None:
        """Go on in a ring of that capacity, with so many of the newest samples."""
        start = max(self._ring.oldest_index, self._written - keep)
        ring = RingBuffer(capacity, 1, "int16", start_index=start, touched=False)
        ring.write(self._ring.read_at(start, self._written - start))
        self._ring = ring
        self._levels = deque(self._levels, capacity // FRAME_SAMPLES + 1)

    def _turns(self, frames: Sequence[Frame]) -> list[Turn]:
        turns: list[Turn] = []
        for frame in frames:
            self._measured += FRAME_SAMPLES
            self._levels.append(frame.level_db)
            self._scored += frame.scored
            decisions = self._endpointer.push(frame)
            self._note_pause(decisions)
            turns += [Turn(self.position, self._held(it)) for it in decisions]
            turns += [Turn(self.position, it) for it in self._breaks()]
        return turns

    def _note_pause(self, decisions: Sequence[Decision]) -> None:
        if self._endpointer.in_speech:
            self._pauses.observe(self._endpointer.silence_ms, self._endpointer.silence_wanted_ms)
        for decision in decisions:
            if isinstance(decision, SpeechEnd):
                self._pauses.end(by_silence=decision.reason == "silence")

    def _breaks(self) -> list[Pause | Rest | Resume]:
        """What the last frame says about pauses within speech."""
        found: list[Pause | Rest | Resume] = []
        paused, self._paused = self._paused, self._endpointer.pausing
        rested, self._resting = self._resting, self._endpointer.silence_ms >= self._rest_ms
        if self._paused and not paused:
            found.append(Pause())
        if self._resting and not rested:
            begin, end = self._endpointer.last_voiced, self._endpointer.tail_end
            found.append(Rest(min(begin, self._written), min(end, self.position)))
        if rested and not self._resting and self._endpointer.in_speech:
            found.append(Resume(self._measured - FRAME_SAMPLES))
        return found

    def _held(self, decision: Decision) -> Decision:
        """Nothing starts before the end of a gap; nothing lies after the audio, though the last frame is filled up."""
        if isinstance(decision, SpeechStart):
            onset, audio_start = max(decision.onset, self._barrier), max(decision.audio_start, self._barrier)
            return SpeechStart(min(onset, self._written), min(audio_start, self._written))
        end, audio_end = min(decision.end, self._written), min(decision.audio_end, self._written)
        return SpeechEnd(end, audio_end, decision.reason)
