"""When speech starts and when an utterance ends: a pure decision on measured frames.

    QUIET ──probability ≥ speech_threshold──▶ RISING ──for min_speech──▶ SPEECH ──trailing silence──▶ QUIET
      ▲                                         │                          │
      └────────── probability < silence ────────┘                          └── longest utterance ──▶ SPEECH (the next)

Two thresholds make the hysteresis: speech must reach `speech_threshold` to begin and stays speech while it is above
`silence_threshold`. Every decision falls at the end of a frame, counted from the stream's first sample, so the same
audio gives the same decisions however it arrives.

How much silence ends an utterance depends on how sure the silence is. A frame just below `silence_threshold` counts
three quarters, one with a probability near nothing one and a quarter, between them in proportion; so a clean stop is
reported sooner than speech that fades into noise. After less than 0.4 s of speech twice the silence is asked for: it is
often the first sound of a longer word, or one word before the rest. `scripts/sweep_endpoint.py` chose these figures.
Towards the longest utterance the silence asked for shrinks to one frame, so that endless speech is cut at the next
breath, and only at the very end anywhere. A client may set the silence itself, and a limit that silence of any weight
ends speech at (`Endpointing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from fastring.analysis.detector import FRAME_SAMPLES, Frame
from fastring.events import Endpointing

if TYPE_CHECKING:
    from fastring.config import EndpointSettings
    from fastring.events import EndReason

__all__ = ["Decision", "Endpointer", "SpeechEnd", "SpeechStart"]

_FRAME_MS: Final = 32
_PAUSE_MS: Final = 96  # of silence, weighed as above: what faded away in it was part of the last word
_SURE_PROBABILITY: Final = 0.15  # and below: silence for sure
_SURE_WEIGHT: Final = 1.25
_DOUBTFUL_WEIGHT: Final = 0.75  # at the silence threshold
_SHORT_S: Final = 0.4  # shorter speech is often one sound of a longer word,
_SHORT_FACTOR: Final = 2.2  # so more silence is asked for
_HURRY: Final = 0.8  # share of the longest utterance after which less silence is asked for


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Speech began at sample `onset`; its audio, with pre-roll, begins at `audio_start`."""

    onset: int
    audio_start: int


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """Speech ended at sample `end`; its audio, with what fades away, ends before `audio_end`."""

    end: int
    audio_end: int
    reason: EndReason


Decision = SpeechStart | SpeechEnd


class _State(Enum):
    QUIET = auto()
    RISING = auto()
    SPEECH = auto()


class Endpointer:
    """Turns the frames of one stream into starts and ends of speech.

    Args:
        settings: thresholds and times.

    Attributes:
        endpointing: silence that ends speech; it may change at any time, and holds from the next frame on.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.endpointing = Endpointing(settings.trailing_silence_ms)
        self._settings = settings
        self._pre_roll = settings.pre_roll_ms * 16
        self._longest = round(settings.max_utterance_s * 16_000)
        self._state = _State.QUIET
        self._position = 0  # end of the last frame, in samples
        self._free = 0  # audio before this belongs to an earlier utterance
        self._onset = 0
        self._run_start = 0  # where the probability last rose above the silence threshold
        self._in_run = False
        self._risen = 0  # frames above the speech threshold since then
        self._last_voiced = 0
        self._tail_end = 0
        self._silence = 0.0  # weighted frames of it

    @property
    def in_speech(self) -> bool:
        """Whether an utterance is open."""
        return self._state is _State.SPEECH

    @property
    def silence_ms(self) -> float:
        """Silence since the last frame of speech in the open utterance, weighed as above; 0 if none is open."""
        return self._silence * _FRAME_MS if self._state is _State.SPEECH else 0.0

    @property
    def silence_wanted_ms(self) -> float:
        """Silence, weighted so, that would end the open utterance now."""
        wanted = float(self.endpointing.silence_ms)
        if self._last_voiced - self._onset < _SHORT_S * 16_000:
            wanted *= _SHORT_FACTOR
        hurry = (self._position - self._onset) / self._longest - _HURRY
        return wanted if hurry <= 0 else max(_FRAME_MS, wanted * (1 - hurry / (1 - _HURRY)))

    @property
    def last_voiced(self) -> int:
        """End of the last frame of speech in the open utterance."""
        return self._last_voiced

    @property
    def pausing(self) -> bool:
        """Whether the speaker of the open utterance has paused, perhaps to stop."""
        return self.silence_ms >= _PAUSE_MS

    @property
    def tail_end(self) -> int:
        """Where what was said in the open utterance so far has faded away: where its pause was noticed."""
        return self._tail_end

    def push(self, frame: Frame) -> tuple[Decision, ...]:
        """Take the next frame; what it decides, mostly nothing."""
        start, self._position = self._position, self._position + FRAME_SAMPLES
        if frame.probability < self._settings.silence_threshold:
            self._in_run = False
        elif not self._in_run:
            self._in_run, self._run_start = True, start
        if self._state is _State.SPEECH:
            return self._in_speech(frame)
        return self._before_speech(frame)

    def pass_silence(self, frames: int) -> bool:
        """Take so many frames with a probability of 0 at once; False, and nothing is taken, if an utterance is open."""
        if self._state is _State.SPEECH:
            return False
        self._position += frames * FRAME_SAMPLES
        self._in_run, self._state, self._risen = False, _State.QUIET, 0
        return True

    def force_end(self, position: int) -> tuple[Decision, ...]:
        """End now, at sample `position` (not before the last frame's end); speech that was just rising counts."""
        decisions: list[Decision] = []
        if self._state is _State.RISING:
            decisions.append(self._begin())
        if self._state is _State.SPEECH:
            decisions.append(self._end(position, position, "forced"))
        return tuple(decisions)

    def _before_speech(self, frame: Frame) -> tuple[Decision, ...]:
        if not self._in_run:
            self._state, self._risen = _State.QUIET, 0
            return ()
        if frame.probability >= self._settings.speech_threshold:
            self._risen += 1
            self._state = _State.RISING
            if self._risen * _FRAME_MS >= self._settings.min_speech_ms:
                return (self._begin(),)
        return ()

    def _in_speech(self, frame: Frame) -> tuple[Decision, ...]:
        if frame.probability >= self._settings.silence_threshold:
            self._last_voiced = self._tail_end = self._position
            self._silence = 0.0
        else:
            self._tail_end = self._tail_end if self.pausing else self._position
            self._silence += self._weight(frame.probability)
            if self._silence * _FRAME_MS >= self.silence_wanted_ms:
                return (self._end(self._last_voiced, self._tail_end, "silence"),)
            if self._timed_out:
                return (self._end(self._last_voiced, self._tail_end, "timeout"),)
        if self._position - self._onset >= self._longest:
            ended = self._end(self._position, self._position, "longest")
            self._run_start = self._position
            return (ended, self._begin())
        return ()

    @property
    def _timed_out(self) -> bool:
        """Whether one frame of silence more would be more than the limit."""
        limit_ms = self.endpointing.timeout_ms
        return limit_ms is not None and (self._position - self._last_voiced) / 16 + _FRAME_MS > limit_ms

    def _weight(self, probability: float) -> float:
        doubtful = max(self._settings.silence_threshold, _SURE_PROBABILITY + 0.01)
        sureness = min(1.0, (doubtful - probability) / (doubtful - _SURE_PROBABILITY))
        return _DOUBTFUL_WEIGHT + (_SURE_WEIGHT - _DOUBTFUL_WEIGHT) * sureness

    def _begin(self) -> SpeechStart:
        self._state = _State.SPEECH
        self._onset = max(self._run_start, self._free)
        self._last_voiced = self._tail_end = self._position
        self._silence = 0.0
        return SpeechStart(self._onset, max(self._onset - self._pre_roll, self._free))

    def _end(self, end: int, audio_end: int, reason: EndReason) -> SpeechEnd:
        self._state, self._risen, self._in_run = _State.QUIET, 0, False
        self._free = audio_end
        return SpeechEnd(end, audio_end, reason)
