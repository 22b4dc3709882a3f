from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_world import NUMBERS, RATE, World, check_order, failing, hear, make_world, speak

from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.config import EndpointSettings, VoiceSettings
from fastring.errors import AudioFormatError, EngineFailedError, QueueFullError
from fastring.events import Failure, Final, Partial, SpeechEnded, SpeechStarted, Status, Word
from fastring.session.window import AdaptiveWindow

TWO = speak([0.5, "one two three four five six", 1.0, "seven eight nine", 1.0])
LONG = speak([0.5, " ".join(NUMBERS * 16), 1.0])  # 40 s without a pause
ENDPOINT = EndpointSettings(max_utterance_s=60.0)


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


# --- long speech --------------------------------------------------------------------------------------------------


def test_long_speech_is_cut_at_words_and_every_word_comes_once() -> None:
    world = make_world(LONG, endpoint=ENDPOINT)
    world.send(LONG.samples)
    world.close()
    check_order(world.events)
    assert world.text == LONG.text
    assert len(world.finals) == 1
    longest = max(len(job.samples) for job in world.jobs)
    assert longest <= VoiceSettings().max_segment_s * RATE
    assert sum(job.kind == "final" for job in world.jobs) >= 4


def test_speech_beyond_the_longest_utterance_goes_on_in_the_next() -> None:
    world = make_world(LONG, endpoint=EndpointSettings(max_utterance_s=10.0))
    world.send(LONG.samples)
    world.close()
    check_order(world.events)
    assert len(world.finals) >= 4
    for before, after in zip(world.finals, world.finals[1:], strict=False):
        assert before.end <= after.start
        assert before.ended_by in ("silence", "longest")
    assert "longest" in {final.ended_by for final in world.finals}


def test_cost_per_second_stays_flat() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 48), 1.0])  # two minutes without a pause
    world = make_world(speech, endpoint=EndpointSettings(max_utterance_s=120.0))
    world.send(speech.samples)
    world.close()
    cost = [0.0, 0.0]
    for job in world.jobs:
        cost[job.start > 60 * RATE] += len(job.samples)
    assert cost[1] < 1.2 * cost[0]
    assert world.text == speech.text


def test_a_burst_of_long_speech_is_heard_whole_and_waits_for_the_engine() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 24), 1.0])
    world = make_world(speech, endpoint=EndpointSettings(max_utterance_s=120.0), delay=lambda job: 0.5)
    world.session.receive_audio(speech.samples, 0.0)
    assert world.session.paused
    world.close()
    assert not world.session.paused
    assert world.text == speech.text
    assert world.session.stats().dropped_samples == 0


def test_a_client_that_will_not_wait_loses_the_oldest_and_nothing_is_decoded_across_the_gap() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 60), 1.0])
    voice = VoiceSettings(ring_seconds=20.0)
    world = make_world(speech, voice=voice, endpoint=EndpointSettings(max_utterance_s=120.0), delay=lambda job: 5.0)
    for start in range(0, len(speech.samples), RATE):
        world.session.receive_audio(speech.samples[start : start + RATE], 0.0)
    stats = world.session.stats()
    assert stats.dropped_samples > 60 * RATE
    assert stats.waiting_samples <= 20 * RATE
    world.close()
    check_order(world.events)
    assert len(world.finals) == 2
    said = [w.text for w in speech.words]
    first = [w.text for w in world.finals[0].words]
    last = [w.text for w in world.finals[1].words]
    assert said[: len(first)] == first
    assert said[-len(last) :] == last


def test_a_gap_ends_the_utterance() -> None:
    world = make_world(TWO)
    world.send(TWO.samples[: round(1.25 * RATE)])
    world.session.receive_gap(5 * RATE, world.now)
    world.send(TWO.samples[round(1.25 * RATE) : 2 * RATE])
    world.close()
    check_order(world.events)
    first, second = world.finals
    assert first.text == "one two three"
    assert second.start >= round(6.25 * RATE) - 512
    assert all(not (job.start < 2 * RATE < 5 * RATE < job.start + len(job.samples)) for job in world.jobs)


# --- an engine in trouble -----------------------------------------------------------------------------------------


def test_a_failed_final_is_reported_and_keeps_what_was_heard() -> None:
    good = hear(TWO)
    world = make_world(TWO, engine=lambda job: failing(job) if job.kind == "final" else good(job))
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    failures = [event for event in world.events if isinstance(event, Failure)]
    assert [(f.code, f.fatal) for f in failures] == [("engine_failed", False)] * 2
    assert world.finals[0].text == "one two three four five six"


def test_a_failed_partial_costs_a_partial_only() -> None:
    good = hear(TWO)
    world = make_world(TWO, engine=lambda job: failing(job) if job.kind == "partial" else good(job))
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    assert world.text == TWO.text
    assert world.partials == []


def test_a_cut_that_fails_goes_on_behind_it() -> None:
    good = hear(LONG)
    finals = iter([True])

    def engine(job: Job) -> Hypothesis:
        return failing(job) if job.kind == "final" and next(finals, False) else good(job)

    world = make_world(LONG, engine=engine, endpoint=ENDPOINT)
    world.send(LONG.samples)
    world.close()
    check_order(world.events)
    said, heard = [w.text for w in LONG.words], [w.text for w in world.finals[0].words]
    assert len(said) - 3 <= len(heard) <= len(said)


def test_a_refused_final_is_tried_again_until_there_is_room() -> None:
    good = hear(TWO)
    full_until = 5.0
    worlds: list[World] = []

    def engine(job: Job) -> Hypothesis:
        if worlds[0].now < full_until:
            raise QueueFullError("no room")
        return good(job)

    world = make_world(TWO, engine=engine)
    worlds.append(world)
    world.send(TWO.samples)
    world.close()
    check_order(world.events)
    assert world.text == TWO.text
    states = [event.state for event in world.events if isinstance(event, Status)]
    assert states[0] == "server_busy"
    assert states[-1] == "recovered"
    assert states.count("server_busy") <= full_until + 1
    assert world.session.stats().refused_jobs > 0


def test_a_slow_engine_gets_the_newest_partial_and_one_at_a_time() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 3), 1.0])
    world = make_world(speech, delay=lambda job: 1.3 if job.kind == "partial" else 0.1)
    world.send(speech.samples)
    world.close()
    check_order(world.events)
    onset = world.finals[0].start
    hops = [(p.end - onset) / 8000 for p in world.partials]
    assert hops == [1, 3, 6, 9, 11] or np.diff(hops).min() >= 2
    assert world.text == speech.text


def test_a_progressive_engine_gets_one_job_at_a_time() -> None:
    world = make_world(TWO, capabilities=Capabilities("cloud", "x", progressive=True), delay=lambda job: 0.4)
    out = 0
    for start in range(0, len(TWO.samples), 320):
        world.send(TWO.samples[start : start + 320])
        out = max(out, len(world.waiting))
    world.close()
    assert out == 1
    assert world.text == TWO.text


def test_an_engine_may_set_its_own_hop() -> None:
    world = make_world(TWO, capabilities=Capabilities("cloud", "x", progressive=True, hop_ms=250))
    world.send(TWO.samples)
    partials = [job for job in world.jobs if job.kind == "partial" and job.utterance == 0]
    ends = [job.start + len(job.samples) for job in partials]
    assert len(ends) > 2
    assert set(np.diff(ends)) == {4000}


def test_an_engine_that_wants_no_partials_gets_none() -> None:
    world = make_world(TWO, capabilities=Capabilities("batch", "x", partials=False))
    world.send(TWO.samples)
    world.close()
    assert {job.kind for job in world.jobs} == {"final"}
    assert world.text == TWO.text


def test_the_same_answer_given_again_confirms_nothing() -> None:
    def engine(job: Job) -> Hypothesis:
        return replace(hear(TWO)(job), is_new=job.kind == "final")

    world = make_world(TWO, engine=engine)
    world.send(TWO.samples)
    world.close()
    assert world.partials == []
    assert world.text == TWO.text


def test_what_the_engine_wants_told_is_told() -> None:
    def engine(job: Job) -> Hypothesis:
        notices = (Status("fallback", engine="other", reason="closed"),) if job.job_id == 1 else ()
        return replace(hear(TWO)(job), notices=notices)

    world = make_world(TWO, engine=engine)
    world.send(TWO.samples)
    world.close()
    told = [event for event in world.events if isinstance(event, Status)]
    assert [(status.state, status.engine, status.reason) for status in told] == [("fallback", "other", "closed")]


def test_the_next_utterance_waits_until_the_one_before_has_been_told() -> None:
    world = make_world(TWO, delay=lambda job: 4.0 if job.utterance == 0 and job.kind == "final" else 0.05)
    world.send(TWO.samples)
    assert not any(isinstance(e, SpeechStarted) and e.utterance == 1 for e in world.events)
    world.close()
    check_order(world.events)
    held = [event for event in world.partials if event.utterance == 1]
    assert len(held) <= 1


def test_an_unknown_or_repeated_outcome_is_ignored() -> None:
    world = make_world(TWO)
    world.send(TWO.samples)
    world.close()
    told = list(world.events)
    world.session.receive_outcome(world.outcome(world.jobs[0]), world.now)
    assert world.session.events_to_send() == []
    assert world.events == told


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


def test_a_session_is_at_rest_while_nobody_speaks_and_all_is_told() -> None:
    world = make_world(TWO)
    session = world.session
    assert session.at_rest
    session.receive_audio(np.zeros(RATE, np.int16), 0.0)
    assert session.at_rest
    session.receive_audio(TWO.samples[: 2 * RATE], 1.0)
    assert not session.at_rest
    assert session.next_deadline() is not None
    world.close()
    session.events_to_send()
    assert session.at_rest
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
