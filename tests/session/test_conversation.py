"""What `test_voice.py` shows of whole sessions is not repeated here: only the room's own door."""

from __future__ import annotations

from scripted_world import RATE, LevelScorer, hear, speak

from fastring.asr.transcriber import Hypothesis, Outcome
from fastring.config import EndpointSettings, VoiceSettings
from fastring.events import Final, SpeechEnded, SpeechStarted
from fastring.session.conversation import Conversation
from fastring.session.jobs import JobDesk
from fastring.session.listening import Listening
from fastring.session.utterance import SegmentLimits
from fastring.session.window import AdaptiveWindow

TWO = speak([0.5, "one two three four", 1.0, "seven eight", 1.0])


class Room:
    """A conversation with an ear and a desk."""

    def __init__(self, *, partials: bool = True, most: int = 3) -> None:
        self.ear = Listening(40 * RATE, EndpointSettings(), LevelScorer())
        self.desk = JobDesk("s", "", most)
        self.talk = Conversation(
            listening=self.ear,
            desk=self.desk,
            window=AdaptiveWindow(VoiceSettings()),
            limits=SegmentLimits(12 * RATE, RATE // 2),
            partials=partials,
            dropped=lambda: 7,
        )

    def say(self, samples: object) -> None:
        self.talk.follow(self.ear.hear(samples), 1.0)  # type: ignore[arg-type]
        self.talk.make_jobs(1.0)

    def answer(self) -> list[object]:
        for job in self.desk.take():
            self.talk.settle(Outcome(job, hear(TWO)(job)), 1.1)
            self.talk.make_jobs(1.1)
        return list(self.talk.outbox.take())


def test_a_final_is_made_of_each_stretch_of_speech() -> None:
    room = Room(partials=False)
    room.say(TWO.samples)
    assert (room.talk.begun, len(room.talk), room.talk.speaking) == (2, 2, False)
    told = room.answer()
    assert [type(event) for event in told] == [SpeechStarted, Final, SpeechEnded] * 2
    assert [event.text for event in told if isinstance(event, Final)] == ["one two three four", "seven eight"]
    assert (len(room.talk), room.talk.needed_from, room.talk.buffer_usage) == (0, None, 0.0)


def test_audio_is_needed_until_the_last_job_has_it() -> None:
    room = Room(most=1)
    room.say(TWO.samples[: round(1.2 * RATE)])
    assert room.talk.speaking
    assert room.talk.needed_from is not None
    assert room.talk.needed_from < RATE // 2
    assert 0 < room.talk.buffer_usage < 0.1
    room.say(TWO.samples[round(1.2 * RATE) :])
    kept = room.talk.needed_from
    assert kept is not None  # the partial is out, and the desk has room for one
    room.answer()
    room.answer()
    assert room.talk.needed_from is None


def test_partials_tell_what_was_lost() -> None:
    room = Room()
    room.say(TWO.samples[: round(1.2 * RATE)])
    _, partial = room.answer()
    assert (partial.dropped, partial.text) == (7, "one two")  # type: ignore[attr-defined]


def test_a_finalize_after_silence_is_an_empty_utterance() -> None:
    room = Room()
    room.say(TWO.samples[: RATE // 4])
    room.talk.finalize()
    started, final, ended = room.answer()
    assert isinstance(final, Final)
    assert (final.text, final.from_finalize, final.start, final.end) == ("", True, RATE // 4, RATE // 4)
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)


def test_an_outcome_of_nobody_changes_nothing() -> None:
    room = Room(partials=False)
    room.say(TWO.samples)
    job = room.desk.take()[0]
    room.talk.settle(Outcome(job, Hypothesis(())), 1.0)
    room.talk.outbox.take()
    room.talk.settle(Outcome(job, hear(TWO)(job)), 1.0)
    assert room.talk.outbox.take() == []
