"""What a voice session promises of any speech, any cut of it, any gap and any end, each as a property."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_world import ENDPOINT, NUMBERS, RATE, Speech, World, check_order, hear, make_world, speak

from fastring.asr.transcriber import Hypothesis, Job
from fastring.config import EndpointSettings, VoiceSettings
from fastring.events import Word

HOP = RATE // 2
TAIL = 4 * 512  # what fades away after the end is decoded too
PATIENT = EndpointSettings(max_utterance_s=60.0, trailing_silence_ms=2000)  # pauses fall within utterances
SPOKEN = speak(
    [0.4, "one two three", 0.7, "four", 0.5, "five six seven eight nine zero one two", 0.6, "three four", 0.4]
)

PHRASES = st.lists(st.integers(1, 20), min_size=1, max_size=3)
PAUSES = st.lists(st.floats(0.5, 1.5), min_size=5, max_size=5)


def speech_of(phrases: list[int], pauses: list[float]) -> Speech:
    plan: list[float | str] = []
    for words, pause in zip(phrases, pauses, strict=False):
        plan += [pause, " ".join(itertools.islice(itertools.cycle(NUMBERS), words))]
    return speak([*plan, 0.8])


@settings(max_examples=10)
@given(PHRASES, PAUSES)
def test_partials_come_every_half_second_with_words_that_have_times(phrases: list[int], pauses: list[float]) -> None:
    speech = speech_of(phrases, pauses)
    world = make_world(speech, endpoint=ENDPOINT, voice=VoiceSettings(max_segment_s=4.0))
    world.send(speech.samples)
    world.close()
    check_order(world.events)
    assert world.finals
    for final in world.finals:
        partials = [partial for partial in world.partials if partial.utterance == final.utterance]
        ends = [final.start, *(partial.end for partial in partials)]
        # Where a segment is cut, the next one's hops begin anew.
        assert all(0 <= after - before <= 1.5 * HOP for before, after in itertools.pairwise(ends))
        assert final.end - ends[-1] <= 1.5 * HOP
        assert len(partials) >= (final.end - final.start) // HOP * 2 // 3
        for event in (*partials, final):
            assert event.words
            assert 0 <= event.words[0].start - final.start <= 512
            for word in event.words:
                assert final.start <= word.start <= word.end <= max(final.end, event.end) + TAIL
                assert 0 <= word.confidence <= 1


@settings(max_examples=20)
@given(st.integers(0, 12_000), st.integers(0, 5000))
def test_the_first_word_starts_where_speech_does(early: int, late: int) -> None:
    """Whisper lets its first word begin where the audio begins, pre-roll and all."""
    good = hear(SPOKEN)

    def engine(job: Job) -> Hypothesis:
        words = list(good(job).words)
        if words:
            first = words[0]
            words[0] = Word(first.text, first.start - early, max(first.end - late, first.start), first.confidence)
        return Hypothesis(tuple(words))

    world = make_world(SPOKEN, engine=engine)
    world.send(SPOKEN.samples)
    world.close()
    told = [event for event in (*world.partials, *world.finals) if event.words]
    assert told
    assert [event for event in told if event.words[0].start < event.start] == []


def whole_before(at: int) -> list[str]:
    return [word.text for word in SPOKEN.words if word.end <= at]


def heard_in(world: World) -> list[str]:
    return [word.text for final in world.finals for word in final.words]


@settings(max_examples=30)
@given(st.integers(0, len(SPOKEN.samples)), st.sampled_from(["finalize", "close", "stall"]), st.floats(0, 1.5))
def test_whatever_was_said_before_the_end_reaches_a_final(at: int, ending: str, delay_s: float) -> None:
    world = make_world(SPOKEN, delay=lambda job: delay_s)
    world.send(SPOKEN.samples[:at])
    if ending == "finalize":
        world.session.receive_finalize(world.now)
        world.pass_time(world.now + 10)
        assert world.finals[-1].from_finalize
        assert len(world.finals) == world.session.stats().utterances
    elif ending == "stall":
        world.pass_time(world.now + 10)
    else:
        world.close()
    said = whole_before(at)
    assert heard_in(world)[: len(said)] == said
    if ending != "close":
        world.close()
    check_order(world.events)


@settings(max_examples=30)
@given(st.integers(0, len(SPOKEN.samples)), st.integers(1, 2 * RATE), st.sampled_from([160, 320, 1600, 20_000]))
def test_nothing_is_decoded_across_a_gap(at: int, missing: int, chunk: int) -> None:
    world = make_world(SPOKEN, engine=lambda job: Hypothesis(()))
    world.send(SPOKEN.samples[:at], chunk)
    world.session.receive_gap(missing, world.now)
    world.send(SPOKEN.samples[at:], chunk)
    world.close()
    check_order(world.events)
    assert world.jobs
    for job in world.jobs:
        end = job.start + len(job.samples)
        assert end <= at or job.start >= at + missing, (job.start, end, at, missing)


@pytest.mark.parametrize("endpoint", [ENDPOINT, PATIENT], ids=["default", "patient"])
@settings(max_examples=15)
@given(PHRASES, PAUSES, st.lists(st.integers(1, 30_000), max_size=20), st.floats(0, 0.4))
def test_any_cut_of_any_speech_gives_the_same_segments(
    endpoint: EndpointSettings, phrases: list[int], pauses: list[float], cuts: list[int], delay_s: float
) -> None:
    speech = speech_of(phrases, pauses)
    told = []
    for parts in (
        [speech.samples],
        np.split(speech.samples, np.minimum(np.cumsum(cuts, dtype=int), len(speech.samples))),
    ):
        world = make_world(speech, endpoint=endpoint, voice=VoiceSettings(max_segment_s=4.0), delay=lambda job: delay_s)
        for part in parts:
            world.now += len(part) / RATE
            world.session.receive_audio(part, world.now)
            world.pump()
        world.close()
        told.append(
            (
                [(final.start, final.end, final.text) for final in world.finals],
                sorted((job.start, len(job.samples)) for job in world.jobs if job.kind == "final"),
            )
        )
    assert told[0] == told[1]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.8), st.integers(1, 12)), min_size=1, max_size=6),
    st.floats(0, 2.5),
    st.floats(0, 1.0),
    st.sampled_from([2.0, 4.0, 12.0]),
)
def test_pauses_within_an_utterance_repeat_and_lose_no_word(
    turns: list[tuple[float, int]], silence_s: float, delay_s: float, longest_s: float
) -> None:
    counting = itertools.cycle(NUMBERS)
    plan = [it for pause, count in turns for it in (pause, " ".join(itertools.islice(counting, count)))]
    speech = speak([0.5, *plan, silence_s])
    world = make_world(
        speech, endpoint=PATIENT, voice=VoiceSettings(max_segment_s=longest_s), delay=lambda job: delay_s
    )
    world.send(speech.samples)
    world.close()
    check_order(world.events)
    assert world.text == speech.text
    whole = [(job.start, job.start + len(job.samples)) for job in world.jobs if job.kind == "final"]
    assert all(begin < end for begin, end in whole)
    for pause, after in zip(speech.words, speech.words[1:], strict=False):
        if after.start - pause.end > 0.7 * RATE:  # no decode reaches over it
            assert not any(begin < pause.end and end > after.start for begin, end in whole)


def careful(speech: Speech) -> Callable[[Job], Hypothesis]:
    """`hear`, by an engine that hears a partial in a pause just as it would hear a final."""
    plain = hear(speech)
    return lambda job: replace(plain(job), as_final=job.in_pause)


def test_after_a_pause_nobody_ended_the_final_costs_no_decode_and_comes_at_once() -> None:
    world = make_world(SPOKEN, engine=careful(SPOKEN), endpoint=ENDPOINT, delay=lambda job: 0.05)
    world.send(SPOKEN.samples)
    assert world.text == SPOKEN.text
    assert [job.kind for job in world.jobs if job.kind == "final"] == []
    assert [final.latency.total_ms for final in world.finals] == [0.0] * len(world.finals)
    world.close()
    check_order(world.events)


def test_where_the_answer_in_the_pause_is_not_there_yet_the_final_is_decoded() -> None:
    world = make_world(SPOKEN, engine=careful(SPOKEN), endpoint=ENDPOINT, delay=lambda job: 0.4)
    world.send(SPOKEN.samples)
    world.close()
    check_order(world.events)
    assert world.text == SPOKEN.text
    assert sum(job.kind == "final" for job in world.jobs) == len(world.finals)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.2), st.integers(1, 9)), min_size=1, max_size=5),
    st.floats(0, 1.0),
    st.sampled_from([0.0, 0.04, 0.12, 0.4]),
    st.sampled_from([ENDPOINT, PATIENT]),
)
def test_what_was_heard_in_a_pause_is_what_the_final_would_have_heard(
    turns: list[tuple[float, int]], silence_s: float, delay_s: float, endpoint: EndpointSettings
) -> None:
    counting = itertools.cycle(NUMBERS)
    plan = [it for pause, count in turns for it in (pause, " ".join(itertools.islice(counting, count)))]
    speech = speak([0.5, *plan, silence_s])
    told, jobs = [], []
    for engine in (hear(speech), careful(speech)):
        world = make_world(speech, engine=engine, endpoint=endpoint, delay=lambda job: delay_s)
        world.send(speech.samples)
        world.close()
        check_order(world.events)
        told.append([(final.text, final.words, final.start, final.end) for final in world.finals])
        jobs.append(sum(job.kind == "final" for job in world.jobs))
    assert told[0] == told[1]
    assert jobs[1] <= jobs[0]
