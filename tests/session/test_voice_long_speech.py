"""Long speech in a voice session: cut at words, flat in cost, and honest about gaps."""

from __future__ import annotations

from scripted_world import ENDPOINT, LONG, NUMBERS, RATE, TWO, check_order, make_world, speak

from fastring.config import EndpointSettings, VoiceSettings


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
    assert stats.buffer.dropped == stats.dropped_samples
    assert stats.buffer.overflows > 1
    assert 0 < stats.buffer.used_samples <= stats.buffer.capacity_samples == 20 * RATE
    assert stats.buffer.usage == stats.buffer.used_samples / stats.buffer.capacity_samples
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
