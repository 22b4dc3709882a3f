"""One utterance: its segments, what is heard in them, and which decode it wants next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fastring.asr.agreement import Agreement
from fastring.session.state import Change, State, transition

if TYPE_CHECKING:
    from fastring.events import EndReason, Word

__all__ = ["SegmentLimits", "Utterance", "Want"]

_WORD_GAP_SAMPLES: Final = 1600  # where words touch, the quietest frame this close to the border is the border
_SEARCH_SAMPLES: Final = 32_000  # where no word is heard, the quietest frame of the last two seconds is

QuietestFrame = Callable[[int, int], int]
"""Given a range of samples, the middle of the quietest frame in it."""


@dataclass(frozen=True, slots=True)
class SegmentLimits:
    """Longest segment, audio left after a cut, and audio kept from before speech that goes on, in samples."""

    longest: int
    overlap: int
    pre_roll: int = 5120


@dataclass(slots=True)
class _Rest:
    """A long pause: no speech from `begin` to `resumed`; known at `decided`. Audio before it is cut at `end`."""

    begin: int
    end: int
    decided: int
    resumed: int | None = None

    def holds(self, position: int) -> bool:
        return self.begin <= position and (self.resumed is None or position < self.resumed)


@dataclass(frozen=True, slots=True)
class Want:
    """A decode that is due: samples from `start` up to `end`, which were there at `arrived`."""

    kind: Literal["partial", "final"]
    start: int
    end: int
    arrived: float
    in_pause: bool = False


class Utterance:
    """Tracks one utterance from its onset to its final.

    Args:
        number: which one of the stream.
        onset: sample where speech began.
        audio_start: sample where its audio begins: the onset less the pre-roll.
        hop: samples between two decodes of the open segment.
        limits: when a segment is cut.
    """

    def __init__(self, number: int, onset: int, audio_start: int, hop: int, limits: SegmentLimits) -> None:
        self.number = number
        self.onset = onset
        self.end = onset
        self.from_finalize = False
        self.language = ""
        self.ended_by: EndReason = "silence"
        self.state = State.OPEN
        self._limits = limits
        self.decoded = 0  # what is heard was heard in the audio up to here
        self._audio_end = 0
        self._decided = 0
        self._earlier: tuple[Word, ...] = ()
        self._rests: list[_Rest] = []
        self._cut_end = 0
        self._at_rest = False
        self._open_segment(audio_start, onset, hop)

    def _open_segment(self, start: int, onset: int, hop: int, decoded: int = 0) -> None:
        self._start = start
        self._hop = hop
        self._next_hop = max(onset + hop, decoded)  # a partial never ends before one that was sent
        self._agreement = Agreement(onset)
        self._resting = False
        rest = next((rest for rest in self._rests if rest.holds(start)), None)
        if rest is not None:
            self._resting = rest.resumed is None
            if rest.resumed is not None:
                self._skip_to(rest.resumed)
        self._due: Want | None = None
        self._kept: tuple[int, int, tuple[Word, ...]] | None = None  # start, end, words of the last decode in a pause
        self._whole: Want | None = None  # the decode of the whole segment, until its job is made

    @property
    def segment_start(self) -> int:
        """First sample of the open segment."""
        return self._start

    @property
    def words(self) -> tuple[Word, ...]:
        """All that is heard so far, stable words first."""
        return self._earlier + self._agreement.words

    @property
    def resting(self) -> bool:
        """Whether all that was said is decoded, and the speaker has not gone on."""
        return self.state is State.OPEN and self._resting

    @property
    def needed_from(self) -> int | None:
        """First sample that must be kept for a decode to come; None if there is none."""
        if self.state is State.DONE or (self.state is State.ENDING and self._whole is None):
            return None
        return self._start

    def grow(self, position: int, arrived: float, heard: int = 0) -> None:
        """Audio is measured up to sample `position`, and there up to `heard`, if that is more."""
        if self.state is State.OPEN and self._resting:
            # The speaker may go on in a frame or two; what lies further back than the pre-roll is done with.
            self._start = max(self._start, position - self._limits.pre_roll - 1024)
            return
        if self.state is State.OPEN:
            self._cut_where_due(position, arrived)
        if self.state is not State.OPEN:
            return
        heard = min(max(heard, position), self._start + self._limits.longest)
        while self._next_hop <= heard:
            self._due = Want("partial", self._start, self._next_hop, arrived)
            self._next_hop += self._hop

    def pause(self, position: int, arrived: float) -> None:
        """The speaker pauses: a decode up to here is worth more than one at the next hop, and takes its place."""
        within = self._start < position <= self._start + self._limits.longest
        if self.state is State.OPEN and not self._resting and within:
            self._due = Want("partial", self._start, position, arrived, in_pause=True)
            self._next_hop = position + self._hop

    def rest(self, begin: int, end: int, position: int, arrived: float) -> None:
        """The pause since `begin` has become long, as was known at `position`: cut the segment at `end`."""
        self._rests.append(_Rest(begin, end, position))
        if self.state is State.OPEN:
            self._resting = begin <= self._start
            self._cut_where_due(position, arrived)

    def resume(self, onset: int) -> None:
        """After a rest, the speaker goes on from `onset`: so does the segment, less the pre-roll."""
        if self._rests and self._rests[-1].resumed is None:
            self._rests[-1].resumed = onset
            if self.state is State.OPEN and self._resting:
                self._resting = False
                self._skip_to(onset)

    def endpoint(self, end: int, audio_end: int, position: int, arrived: float, reason: EndReason = "silence") -> None:
        """The utterance ended at `end`; its audio ends at `audio_end`; decided when `position` was measured."""
        self.end, self._audio_end, self._decided, self.ended_by = end, audio_end, position, reason
        self.state = transition(self.state, Change.ENDPOINT)
        if self.state is State.ENDING:
            self._want_last(arrived)

    def take_partial(self) -> Want | None:
        """The newest decode of the open segment that is due, once; None if none is."""
        want, self._due = self._due, None
        return want if self.state is State.OPEN else None

    def take_final(self) -> Want | None:
        """The decode of the whole segment, once, when it is due; of no samples if nothing was said in it."""
        want, self._whole = self._whole, None
        return want

    def partial_decoded(self, start: int, words: Sequence[Word], end: int) -> bool:
        """Take a hypothesis of the open segment, or of the last one, until its final; False if it has moved on."""
        if self.state not in (State.OPEN, State.ENDING) or start != self._start or end < self.decoded:
            return False
        self._agreement.push(words, end)
        self.decoded = max(self.decoded, end)
        return True

    def keep_for_final(self, pause: Want, words: Sequence[Word]) -> None:
        """This was heard in a pause, as a final would hear it: if nobody speaks on, no other decode is needed."""
        self._kept = (pause.start, pause.end, tuple(words))

    def kept_for(self, want: Want) -> tuple[Word, ...] | None:
        """The words of a final that are known already; None if it must be decoded."""
        return self._kept[2] if self._kept is not None and self._kept[:2] == (want.start, want.end) else None

    def whole_decoded(
        self, words: Sequence[Word] | None, quietest: QuietestFrame, position: int, hop: int, arrived: float
    ) -> None:
        """Take the hypothesis of the whole segment, or None if there will be none."""
        if self.state is State.ENDING:
            self._close_segment(words, self._audio_end)
            self.state = transition(self.state, Change.FINISHED)
            return
        end = self._cut_end
        self.decoded = max(self.decoded, end)
        heard = self._agreement.words if words is None else words
        cut, count = (end, len(heard)) if self._at_rest else self._cut_at(heard, end, quietest)
        self._close_segment(heard[:count], end)
        ended = self.state is State.LAST_CUT
        if ended and (cut >= self._audio_end or self._rests_from(cut)):
            self.state = transition(self.state, Change.FINISHED)
            return
        self.state = transition(self.state, Change.DECODED)
        self._open_segment(cut, max(cut, self._earlier[-1].end if self._earlier else cut), hop, end)
        if not ended:
            self.grow(position, arrived)
            return
        self._cut_where_due(self._decided, arrived)
        if self.state is State.ENDING:
            self._want_last(arrived)

    def _cut_where_due(self, position: int, arrived: float) -> None:
        """Cut at the first rest of the segment or, if it has none, where it gets too long.

        It looks at nothing behind that, so the cut is the same however much audio is there already.
        """
        longest = self._start + self._limits.longest
        rest = next((rest for rest in self._rests if self._start < rest.begin), None)
        if rest is not None and rest.decided < longest:
            self._cut(rest.end, arrived, at_rest=True)
        elif position >= longest and not self._resting:
            self._cut(longest, arrived)

    def _cut(self, end: int, arrived: float, *, at_rest: bool = False) -> None:
        self.state = transition(self.state, Change.CUT)
        self._cut_end, self._at_rest = end, at_rest
        self._whole = Want("final", self._start, end, arrived)

    def _want_last(self, arrived: float) -> None:
        end = self._start if self._resting else max(self._start, self._audio_end)
        self._whole = Want("final", self._start, end, arrived)

    def _rests_from(self, position: int) -> bool:
        """Whether nothing was said after `position`."""
        return bool(self._rests) and self._rests[-1].resumed is None and self._rests[-1].holds(position)

    def _skip_to(self, onset: int) -> None:
        """The open segment began in a rest: it begins where the speaker goes on."""
        self._start = max(self._start, onset - self._limits.pre_roll)
        self._agreement = Agreement(onset)
        self._next_hop = max(self._next_hop, onset + self._hop)

    def _close_segment(self, words: Sequence[Word] | None, end: int) -> None:
        agreement = self._agreement
        self._earlier += agreement.give_up() if words is None else agreement.close(words, end)
        self._agreement = Agreement(end)

    def _cut_at(self, words: Sequence[Word], end: int, quietest: QuietestFrame) -> tuple[int, int]:
        """Where to cut the segment that ends at `end`, and how many of its words lie before that.

        After the last whole word that leaves the overlap behind it. Where that would leave most of the segment to be
        decoded again, because few words are heard, the quietest frame near the end is good enough.
        """
        stable = self._agreement.stable
        count = max(sum(1 for word in words if word.end <= end - self._limits.overlap), min(len(stable), len(words)))
        border = max([word.end for word in (*words[:count], *stable)], default=0)
        latest = end - self._limits.overlap
        if border < self._start + self._limits.longest // 2:
            return quietest(end - min(_SEARCH_SAMPLES, self._limits.longest // 2), latest), count
        after = words[count].start if count < len(words) else latest
        high = min(after, border + 2 * _WORD_GAP_SAMPLES) + _WORD_GAP_SAMPLES // 2
        return quietest(border - _WORD_GAP_SAMPLES // 2, min(max(high, border), end)), count
