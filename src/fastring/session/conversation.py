"""The utterances of a session: from turns of speech to the decodes they want, and from their outcomes to events."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from typing import Final as Constant

from fastring.analysis.endpoint import SpeechEnd, SpeechStart
from fastring.events import Latency, SpeechEnded, SpeechStarted, SpeechStopped
from fastring.session.jobs import is_dropped, is_refused
from fastring.session.listening import Pause, Rest, Resume
from fastring.session.outbox import Outbox
from fastring.session.reports import InputState, final_of, partial_of
from fastring.session.state import State
from fastring.session.trigger import Trigger
from fastring.session.troubles import Troubles
from fastring.session.utterance import SegmentLimits, Utterance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.asr.transcriber import Outcome
    from fastring.events import Word
    from fastring.session.jobs import JobDesk, Request
    from fastring.session.listening import Listening, Turn
    from fastring.session.trigger import EarlyTriggers
    from fastring.session.utterance import Want
    from fastring.session.window import AdaptiveWindow

__all__ = ["Conversation"]

_SAMPLE_RATE: Constant = 16_000
_MOST_PARTIALS: Constant = 2  # out at a time: one that the engine hears, and one that waits or was just replaced
_NO_TIME: Constant = Latency(0.0, 0.0, 0.0, 0.0)


class Conversation:
    """Keeps the utterances that are not yet answered. One owner at a time.

    Args:
        listening: where their audio is.
        desk: makes their jobs.
        window: how far apart the decodes of an open segment are.
        limits: when a segment is cut.
        partials: whether open segments are decoded.
        dropped: how many samples the stream has lost, for the partials to say.
        engine_hop: samples between two decodes, as the engine wants it; 0 leaves it to the window.
        early: when partials trigger others early; None: never.
        max_lag_s: a final that is owed for longer is told as `server_busy`.
        segments: a partial tells each segment that is whole, even without `partials`.
        turns_at_once: see `Outbox`; `SpeechStopped` is told then, too.
    """

    def __init__(
        self,
        *,
        listening: Listening,
        desk: JobDesk,
        window: AdaptiveWindow,
        limits: SegmentLimits,
        partials: bool,
        dropped: Callable[[], int],
        engine_hop: int = 0,
        early: EarlyTriggers | None = None,
        max_lag_s: float = 5.0,
        segments: bool = False,
        turns_at_once: bool = False,
    ) -> None:
        self._listening = listening
        self._desk = desk
        self._window = window
        self._limits = limits
        self._partials = partials
        self._segments = segments
        self._turns_at_once = turns_at_once
        self._engine_hop = engine_hop
        self._early = early if partials else None
        self._triggers: dict[int, Trigger] = {}
        self._dropped = dropped
        self.outbox = Outbox(turns_at_once=turns_at_once)
        self._troubles = Troubles(self.outbox, max_lag_s)
        self._utterances: deque[Utterance] = deque()  # not yet answered, oldest first
        self._speaking: Utterance | None = None
        self._begun = 0

    def __len__(self) -> int:
        return len(self._utterances)

    @property
    def begun(self) -> int:
        """Utterances so far."""
        return self._begun

    @property
    def speaking(self) -> bool:
        """Whether one of them has not ended."""
        return self._speaking is not None

    @property
    def needed_from(self) -> int | None:
        """First sample that a decode to come needs; None if there is none."""
        return min((start for u in self._utterances if (start := u.needed_from) is not None), default=None)

    @property
    def used_samples(self) -> int:
        """Samples in the ring that decodes to come still need."""
        start = self.needed_from
        return 0 if start is None else self._listening.written - start

    @property
    def buffer_usage(self) -> float:
        """Share of the ring that decodes to come still need, 0..1."""
        return self.used_samples / self._listening.capacity

    def trigger_from(self, threshold: float | None) -> None:
        """Partials trigger others early from that chance on, 0..1; None leaves it."""
        if self._early is not None and threshold is not None:
            self._early = self._early._replace(threshold=threshold)
            for trigger in self._triggers.values():
                trigger.threshold = threshold

    # --- speech ----------------------------------------------------------------------------------------------------

    def follow(self, turns: Sequence[Turn], arrived: float) -> None:
        """Audio was heard that `arrived` then, and this is what was decided on the way."""
        for position, decision in turns:
            if self._speaking is not None:
                self._speaking.grow(position, arrived)
            if isinstance(decision, SpeechStart):
                self._begin(decision, position, arrived)
            elif isinstance(decision, Pause):
                self._pause(position, arrived)
            elif isinstance(decision, Rest | Resume):
                self._rest(decision, position, arrived)
            else:
                self._end(decision, position, arrived)
        if self._speaking is not None:
            self._speaking.grow(self._listening.position, arrived, self._listening.written)
            self._consider(self._speaking.number, self._listening.end_chance)

    def finalize(self) -> None:
        """Answer a finalize; speech has been ended for it. If nothing is being said, an empty utterance answers."""
        if self._utterances and self._utterances[-1].number == self._begun - 1:
            self._utterances[-1].from_finalize = True
        else:
            self._say_nothing()

    def _begin(self, turn: SpeechStart, position: int, now: float) -> None:
        utterance = Utterance(self._begun, turn.onset, turn.audio_start, self._hop(), self._limits)
        if self._early is not None:
            self._triggers[utterance.number] = Trigger(utterance.number, self._early.threshold, self._early.interval)
        self._begun += 1
        self._speaking = utterance
        self._open(utterance)
        utterance.grow(position, now)

    def _pause(self, position: int, now: float) -> None:
        if self._speaking is not None and self._early is not None and not self._engine_hop:
            self._speaking.pause(position, now)

    def _rest(self, turn: Rest | Resume, position: int, now: float) -> None:
        if self._speaking is None:
            return
        if isinstance(turn, Rest):
            self._speaking.rest(turn.begin, turn.end, position, now)
        else:
            self._speaking.resume(turn.onset)

    def _end(self, turn: SpeechEnd, position: int, now: float) -> None:
        if self._speaking is not None:
            utterance = self._speaking
            utterance.endpoint(turn.end, turn.audio_end, position, now, turn.reason)
            if self._turns_at_once:
                self.outbox.say(utterance.number, SpeechStopped(utterance.number, turn.end, turn.reason))
            self._consider(utterance.number, 1.0)
            self._speaking = None

    def _consider(self, utterance: int, end_chance: float) -> None:
        """A text that waits for its speaker to be done may trigger now."""
        if (trigger := self._triggers.get(utterance)) is not None:
            for event in trigger.consider(end_chance, self._listening.last_voiced):
                self.outbox.say(utterance, event)

    def _open(self, utterance: Utterance, *, silent: bool = False) -> None:
        self._utterances.append(utterance)
        self.outbox.begin(utterance.number)
        self.outbox.say(utterance.number, SpeechStarted(0, utterance.number, utterance.onset, silent))

    def _say_nothing(self) -> None:
        """An utterance without audio, complete in itself: the answer to a finalize after silence."""
        here = self._listening.written
        utterance = Utterance(self._begun, here, here, 1, self._limits)
        self._begun += 1
        utterance.from_finalize = True
        self._open(utterance, silent=True)
        utterance.endpoint(here, here, here, 0.0, "forced")
        utterance.take_final()
        self._whole_decoded(utterance, (), _NO_TIME, 0.0)

    # --- jobs ------------------------------------------------------------------------------------------------------

    def make_jobs(self, now: float) -> None:
        """Whole segments first, oldest first; then the newest partial, though one may be running and one waiting."""
        for utterance in tuple(self._utterances):
            while self._desk.has_room and (want := utterance.take_final()) is not None:
                known = utterance.kept_for(want) if want.start < want.end else ()
                if known is None:
                    self._make_job(utterance, want, now)
                else:
                    since_ms = 1000 * max(0.0, now - want.arrived) if known else 0.0
                    self._whole_decoded(utterance, known, Latency(since_ms, 0.0, 0.0, since_ms), now)
        self._troubles.owed(len(self._desk), self._desk.owed_since, now)
        speaking = self._speaking if self._partials else None
        if speaking is None or self._desk.partials >= _MOST_PARTIALS or not self._desk.has_room:
            return
        if (want := speaking.take_partial()) is not None:
            self._make_job(speaking, want, now)

    @property
    def late_at(self) -> float | None:
        """When `server_busy` is due, if no final comes before; None if none is owed, or it has been said."""
        owed_since = self._desk.owed_since
        return None if owed_since is None or self._troubles.is_busy else self._troubles.late_at(owed_since)

    def settle(self, outcome: Outcome, now: float) -> None:
        """Take the end of a job. One that is not known any more is ignored."""
        if is_refused(outcome):
            self._troubles.busy(len(self._desk), now)
        request = self._desk.settle(outcome, now)
        if request is not None:
            self._settled(request, outcome, now)

    def _make_job(self, utterance: Utterance, want: Want, now: float) -> None:
        self._desk.make(utterance, want, self._listening.read(want.start, want.end), now)

    def _settled(self, request: Request, outcome: Outcome, now: float) -> None:
        latency, utterance, want = request.latency(outcome, now), request.utterance, request.want
        hypothesis = outcome.hypothesis
        words = None if hypothesis is None else hypothesis.words
        for notice in () if hypothesis is None else hypothesis.notices:
            self.outbox.tell(notice)
        if hypothesis is not None and hypothesis.language:
            utterance.language = hypothesis.language
        if words is not None:
            self._troubles.over(self._desk.owed_since, now)
            self._window.observe(latency.queue_ms + latency.inference_ms)
        elif want.kind == "final" or not (is_refused(outcome) or is_dropped(outcome)):
            self._troubles.failed(outcome)
        if want.kind == "final":
            self._whole_decoded(utterance, words, latency, now)
        elif hypothesis is not None and hypothesis.is_new:
            if want.in_pause and hypothesis.as_final:
                utterance.keep_for_final(want, hypothesis.words)
            self._partial_decoded(utterance, want, hypothesis.words, latency)

    def _partial_decoded(self, utterance: Utterance, want: Want, words: Sequence[Word], latency: Latency) -> None:
        if utterance.partial_decoded(want.start, words, want.end):
            self._say_partial(utterance, latency, in_pause=want.in_pause)

    def _say_partial(self, utterance: Utterance, latency: Latency, *, in_pause: bool) -> None:
        if not utterance.words:
            return
        partial = partial_of(utterance, utterance.decoded, latency, self._input())
        self.outbox.say(utterance.number, partial)
        if (trigger := self._triggers.get(utterance.number)) is not None:
            for event in trigger.partial(partial, in_pause=in_pause):
                self.outbox.say(utterance.number, event)
            self._consider(utterance.number, self._listening.end_chance if utterance is self._speaking else 1.0)

    def _whole_decoded(self, utterance: Utterance, words: Sequence[Word] | None, latency: Latency, now: float) -> None:
        listening = self._listening
        utterance.whole_decoded(words, listening.quietest, listening.position, self._hop(), now)
        if utterance.state is State.DONE:
            self._utterances.remove(utterance)
            final = final_of(utterance, latency)
            if (trigger := self._triggers.pop(utterance.number, None)) is not None:
                for event in trigger.final(final):
                    self.outbox.say(utterance.number, event)
            self.outbox.say(utterance.number, final)
            self.outbox.say(utterance.number, SpeechEnded(0, utterance.number, utterance.end))
            self.outbox.end(utterance.number)
        elif self._segments or (utterance.resting and self._partials):
            self._say_partial(utterance, latency, in_pause=True)

    def _hop(self) -> int:
        return self._engine_hop or round(self._window.hop_seconds * _SAMPLE_RATE)

    def _input(self) -> InputState:
        return InputState(self._listening.level_db, self.buffer_usage, self._dropped())
