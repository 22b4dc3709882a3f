from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_world import ENDPOINT, LONG, NUMBERS, RATE, TWO, check_order, hear, make_world, speak

from fastring.asr.transcriber import Hypothesis, Job, Outcome
from fastring.config import VoiceSettings
from fastring.errors import AudioFormatError, EngineFailedError, QueueFullError
from fastring.events import Final, Partial, SpeechEnded, SpeechStarted, SpeechStopped, Status, Word
from fastring.session.window import AdaptiveWindow


def test_a_conversation() -> None:
    world = make_world(TWO)
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    assert [final.text for final in world.finals] == ["one two three four five six", "seven eight nine"]
    first = world.finals[0]
    assert abs(first.start - RATE // 2) <= 512
    assert abs(first.end - 2 * RATE) <= 1024
    assert [word.stable for word in first.words] == [True] * 6
    assert first.words[0].start >= first.start
    assert first.confidence == pytest.approx(0.9)


def test_partials_come_twice_a_second_and_their_stable_part_grows() -> None:
    world = make_world(TWO, voice=VoiceSettings(early_triggers=False))
    world.send(TWO.samples)
    world.close()
    first = [(p.text, p.stable_text) for p in world.partials if p.utterance == 0]
    assert first == [("one two", ""), ("one two three four", "one two"), (TWO.text[:27], "one two three four")]
    assert [p.end - world.finals[0].start for p in world.partials if p.utterance == 0] == [8000, 16_000, 24_000]


def test_the_first_partial_is_asked_for_half_a_second_after_the_onset() -> None:
    world = make_world(TWO)
    world.send(TWO.samples[: RATE + 1600])
    assert [job.kind for job in world.jobs] == ["partial"]
    assert world.jobs[0].created_s - 0.5 <= 0.5 + 0.064


@pytest.mark.parametrize(("voice", "interim"), [(VoiceSettings(progressive=False), True), (VoiceSettings(), False)])
def test_without_partials_there_is_one_transcript_per_utterance(voice: VoiceSettings, interim: bool) -> None:
    world = make_world(TWO, voice=voice, interim=interim)
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    assert world.partials == []
    assert [job.kind for job in world.jobs] == ["final", "final"]
    assert world.text == TWO.text


def test_segments_are_told_where_partials_are_not_wanted() -> None:
    world = make_world(LONG, endpoint=ENDPOINT, voice=VoiceSettings(max_segment_s=10.0), interim=False, segments=True)
    world.send(LONG.samples)
    world.close()
    check_order(world.events)
    assert len(world.partials) >= 3
    assert all(partial.stable_text == partial.text for partial in world.partials)
    (final,) = world.finals
    assert all(final.text.startswith(partial.text) for partial in world.partials)
    assert {job.kind for job in world.jobs} == {"final"}


def test_turns_are_told_when_they_are_decided() -> None:
    world = make_world(TWO, delay=lambda job: 10.0, turns_at_once=True)
    world.send(TWO.samples)
    assert [type(event) for event in world.events] == [SpeechStarted, SpeechStopped] * 2
    world.close()
    stops = [event for event in world.events if isinstance(event, SpeechStopped)]
    assert [(stop.end, stop.ended_by) for stop in stops] == [(final.end, final.ended_by) for final in world.finals]


def test_latency_is_split_by_stage() -> None:
    world = make_world(TWO, delay=lambda job: 0.1)
    world.send(TWO.samples)
    world.close()
    for event in (*world.partials, *world.finals):
        assert event.latency.total_ms == pytest.approx(100, abs=25)
        assert event.latency.inference_ms == pytest.approx(10)
        assert event.latency.queue_ms == pytest.approx(1)
        assert event.latency.buffer_ms == pytest.approx(0, abs=1)


def test_partials_carry_the_state_of_the_stream() -> None:
    world = make_world(TWO)
    world.send(TWO.samples)
    partial = world.partials[0]
    assert -30 < partial.level_db < -15
    assert 0 < partial.buffer_usage < 0.1
    assert partial.dropped == 0


def test_silence_and_no_audio_at_all_say_nothing() -> None:
    for n in (0, 100, 10 * RATE):
        world = make_world(TWO)
        world.session.receive_audio(np.zeros(n, np.int16), 0.0)
        world.close()
        assert [type(event).__name__ for event in world.events] == ["Closed"]
        assert world.jobs == []


def test_an_utterance_without_words_is_still_closed() -> None:
    world = make_world(TWO, engine=lambda job: Hypothesis(()))
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    assert [final.text for final in world.finals] == ["", ""]
    assert world.partials == []


# --- finalize, close and stalls at every moment -------------------------------------------------------------------


@pytest.mark.parametrize("moment", [i / 10 for i in range(0, 47, 2)])
def test_finalize_at_any_moment_is_answered_and_loses_no_word(moment: float) -> None:
    world = make_world(TWO)
    at = round(moment * RATE)
    world.send(TWO.samples[:at])
    before = len(world.finals)
    world.session.receive_finalize(world.now)
    world.pump()
    answers = world.finals[before:]
    assert answers
    assert [final.from_finalize for final in answers] == [False] * (len(answers) - 1) + [True]
    spoken = [w.text for w in TWO.words if w.end <= at]
    assert [w.text for final in world.finals for w in final.words][: len(spoken)] == spoken
    world.send(TWO.samples[at:])
    world.close()
    check_order(world.events)


@pytest.mark.parametrize("moment", [i / 10 for i in range(0, 47, 2)])
def test_close_at_any_moment_brings_every_accepted_word_to_a_final(moment: float) -> None:
    world = make_world(TWO, delay=lambda job: 0.3)
    at = round(moment * RATE) + 7
    world.send(TWO.samples[:at])
    world.close()
    check_order(world.events)
    whole = [w.text for w in TWO.words if w.end <= at]
    assert [w.text for final in world.finals for w in final.words][: len(whole)] == whole


def test_a_client_that_stops_sending_gets_its_final() -> None:
    world = make_world(TWO)
    world.send(TWO.samples[: round(1.5 * RATE)])
    assert world.session.next_deadline() == pytest.approx(3.5)
    world.pass_time(10.0)
    assert world.text == "one two three four"
    assert world.finals[-1].ended_by == "forced"
    assert world.session.next_deadline() is None


def test_who_answers_a_finalize_after_silence_says_that_nobody_spoke() -> None:
    world = make_world(TWO)
    world.send(TWO.samples)
    world.session.receive_finalize(world.now)
    world.close()
    started = [event for event in world.events if isinstance(event, SpeechStarted)]
    assert [event.silent for event in started] == [False] * (len(started) - 1) + [True]
    assert [final.ended_by for final in world.finals] == ["silence"] * (len(started) - 1) + ["forced"]


def test_audio_after_close_is_ignored() -> None:
    world = make_world(TWO)
    world.close()
    world.send(TWO.samples)
    world.session.receive_finalize(world.now)
    assert world.session.events_to_send() == []
    assert world.session.stats().samples == 0


@pytest.mark.parametrize("bad", [np.zeros(10, np.float32), np.zeros((2, 10), np.int16)])
def test_wrong_audio_is_refused(bad: np.ndarray) -> None:
    world = make_world(TWO)
    with pytest.raises(AudioFormatError, match="int16"):
        world.session.receive_audio(bad, 0.0)


# --- window -------------------------------------------------------------------------------------------------------


def test_a_slow_engine_lengthens_the_window_of_all() -> None:
    window = AdaptiveWindow(VoiceSettings())

    def engine(job: Job) -> Hypothesis:
        return hear(LONG)(job)

    world = make_world(LONG, engine=engine, window=window)
    world.outcome = lambda job: Outcome(job, engine(job), queue_s=1.0, inference_s=0.5)  # type: ignore[method-assign]
    world.send(LONG.samples[: 20 * RATE])
    assert window.seconds > 2.5
    assert world.session.stats().window_seconds == window.seconds
    assert make_world(TWO, window=window).session.stats().window_seconds == window.seconds


# --- properties ---------------------------------------------------------------------------------------------------


def finals_of(events: list[object]) -> list[tuple[object, ...]]:
    return [(f.utterance, f.text, f.start, f.end, f.words) for f in events if isinstance(f, Final)]


def final_jobs_of(jobs: list[Job]) -> list[tuple[int, int, int]]:
    return [(job.utterance, job.start, len(job.samples)) for job in jobs if job.kind == "final"]


MIXED = speak([0.3, "one two", 0.3, "three", 0.8, " ".join(NUMBERS * 6), 0.5, "four", 0.2])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60_000), max_size=30), st.booleans())
def test_any_chunking_gives_the_same_segments_and_finals(cuts: list[int], real_time: bool) -> None:
    reference = make_world(MIXED, endpoint=ENDPOINT)
    reference.send(MIXED.samples)
    reference.close()
    check_order(reference.events)
    world = make_world(MIXED, endpoint=ENDPOINT)
    for part in np.split(MIXED.samples, np.minimum(np.cumsum(cuts), len(MIXED.samples)).astype(int)):
        world.now += len(part) / RATE if real_time else 0.0
        world.session.receive_audio(part, world.now)
        world.pump()
    world.close()
    check_order(world.events)
    assert finals_of(world.events) == finals_of(reference.events)
    assert final_jobs_of(world.jobs) == final_jobs_of(reference.jobs)
    made = {(job.start, len(job.samples)) for job in reference.jobs}
    assert {(job.start, len(job.samples)) for job in world.jobs} <= made


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_delays_errors_and_nonsense_break_no_promise(seed: int) -> None:
    """Whatever the engine says, whenever: events stay in order, what is stable stays, everything is answered."""
    rng = random.Random(seed)

    def engine(job: Job) -> Hypothesis:
        if rng.random() < 0.15:
            raise rng.choice([EngineFailedError("broke"), QueueFullError("full")])
        n = rng.randrange(0, 8)
        times = sorted(job.start + rng.randrange(-100, len(job.samples) + 100) for _ in range(n + 1))
        said = itertools.pairwise(times)
        return Hypothesis(tuple(Word(rng.choice(["a", "b", "B.", "c"]), a, b, rng.random()) for a, b in said))

    voice = VoiceSettings(max_segment_s=3.0, ring_seconds=20.0)
    world = make_world(
        MIXED, endpoint=ENDPOINT, engine=engine, delay=lambda job: rng.choice([0.0, 0.1, 0.7, 3.0]), voice=voice
    )
    at = 0
    while at < len(MIXED.samples):
        n = rng.choice([1, 100, 320, 5000, 40_000])
        world.send(MIXED.samples[at : at + n], chunk=n)
        at += n
        if rng.random() < 0.1:
            world.session.receive_finalize(world.now)
    world.close()
    check_order(world.events)
    assert world.waiting == []
    assert not world.session.stats().open_utterances


def test_events_of_the_conversation_are_of_known_kinds() -> None:
    world = make_world(TWO, voice=VoiceSettings(early_triggers=False))
    world.send(TWO.samples)
    kinds = [type(e) for e in world.events]
    assert kinds == [
        SpeechStarted,
        Partial,
        Partial,
        Partial,
        Final,
        SpeechEnded,
        SpeechStarted,
        Partial,
        Final,
        SpeechEnded,
    ]


def test_audio_in_which_nobody_speaks_brings_nothing_and_says_so() -> None:
    world = make_world(TWO)
    session = world.session
    assert not session.receive_audio(np.zeros(RATE, np.int16), 0.0)
    assert not session.events_to_send()
    assert not session.jobs_to_run()
    assert session.next_deadline() is None
    assert session.receive_audio(TWO.samples[: 2 * RATE], 1.0)
    assert session.events_to_send()
    assert session.next_deadline() is not None
    world.close()
    session.events_to_send()
    assert not session.receive_audio(TWO.samples[: 2 * RATE], 2.0), "the session is closed"
    assert session.next_deadline() is None
    assert session.waiting_samples == 0


def test_a_client_whose_final_is_owed_for_long_is_told_so_without_waiting_for_it() -> None:
    world = make_world(TWO, voice=VoiceSettings(max_lag_s=2.0), delay=lambda job: 4.5 if job.kind == "final" else 0.0)
    world.send(TWO.samples)
    world.pass_time(world.now + 10)
    told = [event for event in world.events if isinstance(event, (Status, Final))]
    states = [event.state if isinstance(event, Status) else "final" for event in told]
    assert states[0] == "server_busy"
    assert states[-2:] == ["recovered", "final"]
    assert set(states[:-2]) == {"server_busy", "final"}
    first = next(event for event in told if isinstance(event, Status))
    assert 2000 <= first.lag_ms <= 2001
