from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scripted_world import RATE, Speech, check_order, hear, make_world, speak

from fastring.asr.transcriber import Hypothesis
from fastring.config import VoiceSettings
from fastring.events import (
    EarlyTrigger,
    EarlyTriggerRetracted,
    Event,
    Final,
    Latency,
    Partial,
    Word,
)
from fastring.session.trigger import Trigger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from fastring.asr.transcriber import Job

LATENCY = Latency(1.0, 2.0, 3.0, 6.0)


def partial(text: str, *, confidence: float = 0.9, stable: str = "", end: int = RATE) -> Partial:
    words = tuple(Word(word, 0, 1, confidence) for word in text.split())
    return Partial(0, text, stable, words, confidence, 0, end, -20.0, 0.0, 0, LATENCY)


def final(text: str) -> Final:
    return Final(0, 0, text, (), 0.9, 0, 2 * RATE, LATENCY)


def kinds(said: list[EarlyTrigger | EarlyTriggerRetracted]) -> list[str]:
    return [f"{'+' if isinstance(event, EarlyTrigger) else '-'}{event.trigger_id}" for event in said]


def tell(
    trigger: Trigger, heard: Partial, *, in_pause: bool, chance: float = 1.0
) -> list[EarlyTrigger | EarlyTriggerRetracted]:
    """A partial, and then the pause as it stands; speech ended where the partial does."""
    return [*trigger.partial(heard, in_pause=in_pause), *trigger.consider(chance, heard.end)]


def test_confident_text_in_a_pause_triggers_once() -> None:
    trigger = Trigger(3, 0.8, 0)
    assert tell(trigger, partial("one two"), in_pause=False) == []
    (early,) = tell(trigger, partial("One two."), in_pause=True)
    assert early == EarlyTrigger(0, 3, "3-0", "One two.", 0.9)
    assert tell(trigger, partial("one two", end=2 * RATE), in_pause=True) == []
    assert trigger.final(final("one, TWO")) == []


@pytest.mark.parametrize(("confidence", "fires"), [(0.79, False), (0.8, True), (1.0, True)])
def test_the_threshold_is_the_confidence(confidence: float, fires: bool) -> None:
    assert bool(tell(Trigger(0, 0.8, 0), partial("one", confidence=confidence), in_pause=True)) is fires


def test_a_doubtful_text_waits_for_a_longer_pause() -> None:
    sure, doubtful = Trigger(0, 0.8, 0), Trigger(0, 0.8, 0)
    sure.partial(partial("one", confidence=1.0), in_pause=True)
    doubtful.partial(partial("one", confidence=0.85), in_pause=True)
    fired = [(bool(sure.consider(chance, RATE)), bool(doubtful.consider(chance, RATE))) for chance in (0.7, 0.85, 0.95)]
    assert fired == [(False, False), (True, False), (False, True)]


def test_the_confidence_told_is_the_chance_that_it_stays() -> None:
    (early,) = tell(Trigger(0, 0.5, 0), partial("one", confidence=0.8), in_pause=True, chance=0.75)
    assert isinstance(early, EarlyTrigger)
    assert early.confidence == pytest.approx(0.6)


def test_a_text_whose_speaker_went_on_meanwhile_never_triggers() -> None:
    trigger = Trigger(0, 0.8, 0)
    trigger.partial(partial("one", end=RATE), in_pause=True)
    assert trigger.consider(0.0, RATE) == []
    assert trigger.consider(1.0, RATE + 512) == []
    assert trigger.consider(1.0, RATE) == []


def test_text_that_is_all_stable_was_heard_in_speech_too() -> None:
    assert kinds(tell(Trigger(0, 0.8, 0), partial("one two", stable="one two"), in_pause=False)) == ["+0-0"]
    assert tell(Trigger(0, 0.8, 0), partial("one two", stable="one"), in_pause=False) == []


def test_what_turns_out_otherwise_is_taken_back_first() -> None:
    trigger = Trigger(0, 0.8, 0)
    assert kinds(tell(trigger, partial("one"), in_pause=True)) == ["+0-0"]
    assert kinds(tell(trigger, partial("one two", end=2 * RATE), in_pause=True)) == ["-0-0", "+0-1"]
    (retracted,) = trigger.final(final("one two three"))
    assert retracted == EarlyTriggerRetracted(0, 0, "0-1", "the final differs")
    assert trigger.final(final("one")) == []


def test_triggers_are_apart() -> None:
    trigger = Trigger(0, 0.8, RATE)
    assert kinds(tell(trigger, partial("one", end=RATE), in_pause=True)) == ["+0-0"]
    assert kinds(tell(trigger, partial("one two", end=RATE + 100), in_pause=True)) == ["-0-0"]
    assert kinds(tell(trigger, partial("one two", end=2 * RATE), in_pause=True)) == ["+0-1"]


# --- in a session -------------------------------------------------------------------------------------------------


def talk(said: Speech, **options: Any) -> list[Event]:
    """Everything a session says about it; raises AssertionError where that is not in order."""
    world = make_world(said, **options)
    world.send(said.samples)
    world.close()
    check_order(world.events)
    return world.events


def test_a_trigger_comes_before_its_final() -> None:
    said = speak([0.5, "one two three", 1.0, "four", 1.0])
    events = talk(said, delay=lambda _job: 0.05)
    triggers = [event.text for event in events if isinstance(event, EarlyTrigger)]
    assert triggers == ["one two three", "four"]
    assert not any(isinstance(event, EarlyTriggerRetracted) for event in events)


def early_ones(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events if isinstance(event, EarlyTrigger | EarlyTriggerRetracted)]


def test_a_speaker_who_goes_on_soon_triggers_nothing_before_the_end() -> None:
    said = speak([0.5, "one two", 0.13, "three four", 1.0])
    assert early_ones(talk(said)) == ["EarlyTrigger"]


def test_a_speaker_who_goes_on_after_all_takes_it_back() -> None:
    said = speak([0.5, "one two", 0.2, "three four", 1.0])
    assert early_ones(talk(said)) == ["EarlyTrigger", "EarlyTriggerRetracted", "EarlyTrigger"]


def test_a_low_threshold_does_not_wait() -> None:
    said = speak([0.5, "one two", 0.13, "three four", 1.0])
    eager = talk(said, voice=VoiceSettings(early_processing_threshold=0.3))
    assert early_ones(eager) == ["EarlyTrigger", "EarlyTriggerRetracted", "EarlyTrigger"]


def test_a_speaker_who_often_goes_on_is_given_more_time() -> None:
    said = speak([0.5, *["one", 0.2] * 13, 1.0])  # the last is not within the interval of a trigger before it
    told = early_ones(talk(said, voice=VoiceSettings(early_processing_threshold=0.75)))
    assert told.count("EarlyTriggerRetracted") <= 6
    assert told[-1] == "EarlyTrigger"


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.3])
def test_a_slow_engine_triggers_before_its_final_too(delay_s: float) -> None:
    """A text that was decoded in the pause is of use until the final is there, though speech is over by then."""
    events = talk(speak([0.5, "one two three", 1.0]), delay=lambda _job: delay_s)
    assert [type(event) for event in events if isinstance(event, EarlyTrigger | Final)] == [EarlyTrigger, Final]


def test_none_if_not_wanted() -> None:
    said = speak([0.5, "one two three", 1.0])
    events = talk(said, voice=VoiceSettings(early_triggers=False))
    assert not any(isinstance(event, EarlyTrigger) for event in events)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(["one", "two three", "four five six"]), st.floats(0.05, 1.2)), max_size=7),
    st.floats(0.0, 0.4),
    st.randoms(use_true_random=False),
)
def test_whatever_the_engine_says(plan: list[float | str], delay: float, chance: object) -> None:
    """A trigger that was not taken back has the text of its final."""
    said = speak([0.3, *plan, 1.0])
    events = talk(said, engine=_fickle(said, chance), delay=lambda _job: delay)
    finals = {event.utterance: event.text for event in events if isinstance(event, Final)}
    assert bool(finals) == bool(said.words)
    early = {event.trigger_id: event for event in events if isinstance(event, EarlyTrigger)}
    retracted = {event.trigger_id for event in events if isinstance(event, EarlyTriggerRetracted)}
    assert retracted <= set(early)
    kept = [early[identity] for identity in set(early) - retracted]
    assert [event.text for event in kept] == [finals[event.utterance] for event in kept]


def _fickle(said: Speech, chance: random.Random) -> Callable[[Job], Hypothesis]:
    """An engine that mishears a word now and then."""
    honest = hear(said)

    def transcribe(job: Job) -> Hypothesis:
        words = honest(job).words
        return Hypothesis(tuple(replace(word, text="nine") if chance.random() < 0.2 else word for word in words))

    return transcribe
