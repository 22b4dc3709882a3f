"""A client that says how long its speaker is waited for, in a scripted world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_world import RATE, TWO, Speech, World, check_order, make_world, speak

from fastring.config import VoiceSettings
from fastring.events import EarlyTrigger, Endpointing, SpeechEnded

SENTENCE = "one two three four five six"  # 1.5 s
PAUSED = speak([0.5, SENTENCE, 1.0, SENTENCE, 6.0])


def world_of(speech: Speech, *endpointing: tuple[float, Endpointing], chunk: int = 320, **options: Any) -> World:
    """A talk, and how its speaker is waited for from these times on, in seconds."""
    world = make_world(speech, **options)
    at = 0
    for moment, wanted in (*endpointing, (len(speech.samples) / RATE, None)):
        end = round(moment * RATE)
        world.send(speech.samples[at:end], chunk)
        at = end
        if wanted is not None:
            world.session.receive_endpointing(wanted, world.now)
    world.close()
    check_order(world.events)
    return world


def test_a_patient_session_makes_one_utterance_of_two_sentences() -> None:
    assert len(world_of(PAUSED).finals) == 2
    world = world_of(PAUSED, (0.0, Endpointing(2_000)))
    assert [final.text for final in world.finals] == [PAUSED.text]
    assert world.finals[0].ended_by == "silence"


@pytest.mark.parametrize("timeout_ms", [500, 999, 2_000])
def test_a_timeout_ends_whatever_the_silence_weighs(timeout_ms: int) -> None:
    """At the latest after that much silence, and at most a frame of audio earlier."""
    speech = speak([0.5, SENTENCE, 4.0])
    world = make_world(speech)
    world.session.receive_endpointing(Endpointing(1e9, timeout_ms), 0.0)
    for start in range(0, len(speech.samples), 320):
        world.send(speech.samples[start : start + 320])
        if world.finals:
            break
    (final,) = world.finals
    assert final.ended_by == "timeout"
    waited_ms = (start + 320 - final.end) / 16
    assert timeout_ms - 64 <= waited_ms <= timeout_ms + 20  # the chunk that brought the frame


def test_a_timeout_that_is_long_changes_nothing() -> None:
    assert world_of(TWO, (0.0, Endpointing(256, 60_000))).events == world_of(TWO).events


def test_what_is_set_in_a_pause_holds_for_that_pause() -> None:
    """The second sentence is still waited for; the third is not."""
    world = world_of(PAUSED, (2.1, Endpointing(3_000)), (4.6, Endpointing(256)))
    assert [final.text for final in world.finals] == [PAUSED.text]
    ended = next(event for event in world.events if isinstance(event, SpeechEnded))
    assert abs(ended.end - PAUSED.words[-1].end) <= 1024


@given(st.integers(300, 20_000), st.booleans())
def test_it_holds_from_the_same_sample_however_the_audio_comes(chunk: int, fast: bool) -> None:
    """Audio that waits for the engine was said before the order came."""
    delay = 0.7 if fast else 0.0
    world = world_of(PAUSED, (2.0, Endpointing(2_000)), chunk=chunk, delay=lambda _job: delay)
    assert [final.text for final in world.finals] == [PAUSED.text]


def test_an_order_waits_its_turn_behind_the_audio_before_it() -> None:
    """The ring is full, and the audio in front of the order is heard as it would have been."""
    voice = VoiceSettings(ring_seconds=8.0, max_segment_s=3.0)
    long = speak([0.5, " ".join([SENTENCE] * 8), 1.0, SENTENCE, 1.0, SENTENCE, 2.0])
    half = long.words[-7].end - RATE // 2
    world = make_world(long, voice=voice, delay=lambda _job: 0.5)
    world.session.receive_audio(long.samples[:half], 0.0)
    assert world.session.paused
    world.session.receive_endpointing(Endpointing(3_000), 0.0)
    assert world.session.paused
    world.send(long.samples[half:], 3200)
    world.close()
    assert world.session.stats().dropped_samples == 0
    assert [len(final.words) for final in world.finals] == [48, 12]


def test_triggers_come_from_the_chance_that_was_set() -> None:
    def first_trigger(world: World) -> int:
        return next(n for n, event in enumerate(world.events) if isinstance(event, EarlyTrigger))

    usual, eager, never = (world_of(TWO, (0.0, Endpointing(256, trigger=trigger))) for trigger in (None, 0.3, 1.0))
    assert [type(event) for event in usual.events] == [type(event) for event in world_of(TWO).events]
    confident = [event for event in eager.events if isinstance(event, EarlyTrigger)]
    assert 0.3 <= confident[0].confidence < usual.events[first_trigger(usual)].confidence  # type: ignore[union-attr]
    assert not [event for event in never.events if isinstance(event, EarlyTrigger)]


def test_a_trigger_is_set_in_the_middle_of_an_utterance() -> None:
    world = world_of(TWO, (0.0, Endpointing(256, trigger=1.0)), (1.0, Endpointing(256, trigger=0.3)))
    assert next(event for event in world.events if isinstance(event, EarlyTrigger)).utterance == 0


def test_the_chance_of_the_end_grows_with_the_pause() -> None:
    world = make_world(TWO)
    assert world.session.end_chance == 0.0
    world.session.receive_endpointing(Endpointing(2_000), 0.0)
    world.send(TWO.samples[: 2 * RATE])
    chances = []
    for _ in range(5):
        world.send(np.zeros(RATE // 10, np.int16))
        chances.append(world.session.end_chance)
    assert chances == sorted(chances)
    assert 0.0 < chances[0] < chances[-1] < 1.0


def test_after_the_end_nothing_changes_any_more() -> None:
    world = make_world(TWO)
    world.close()
    world.session.receive_endpointing(Endpointing(2_000), world.now)
    assert world.session.closed
