"""An engine that fails, refuses, is slow or wants its own way, in front of a voice session."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from scripted_world import ENDPOINT, LONG, NUMBERS, TWO, World, check_order, failing, hear, make_world, speak

from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.errors import QueueFullError
from fastring.events import Failure, SpeechStarted, Status


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


def test_of_partials_a_slow_engine_has_one_to_hear_and_one_that_waits() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 3), 1.0])
    out: list[int] = []

    def delay(job: Job) -> float:
        if job.kind == "final":
            return 0.1
        out.append(1 + sum(other.kind == "partial" for _, other in world.waiting))
        return 1.3

    world = make_world(speech, delay=delay)
    world.send(speech.samples)
    world.close()
    check_order(world.events)
    assert set(out) == {1, 2}
    ends = [partial.end for partial in world.partials]
    assert ends == sorted(ends)
    assert len(ends) > 5
    assert world.text == speech.text


def test_an_answer_to_an_older_partial_that_comes_late_says_nothing() -> None:
    speech = speak([0.2, " ".join(NUMBERS * 3), 1.0])
    late = itertools.cycle((0.7, 0.05))
    world = make_world(speech, delay=lambda job: next(late) if job.kind == "partial" else 0.1)
    world.send(speech.samples)
    world.close()
    check_order(world.events)
    ends = [partial.end for partial in world.partials]
    assert ends == sorted(ends)
    assert sum(job.kind == "partial" for job in world.jobs) > len(ends)
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
