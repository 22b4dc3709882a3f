from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.analysis.detector import FRAME_SAMPLES, Frame
from fastring.analysis.endpoint import Decision, Endpointer, SpeechEnd, SpeechStart
from fastring.config import EndpointSettings
from fastring.events import Endpointing

SETTINGS = EndpointSettings()
SPEECH, FADING, QUIET = (-20.0, 0.9), (-30.0, 0.5), (-60.0, 0.01)


def run(endpointer: Endpointer, *parts: tuple[tuple[float, float], int]) -> list[tuple[int, Decision]]:
    """Push `count` frames of each (level, probability); what was decided at the end of which frame."""
    decided, frame = [], 0
    for (level, probability), count in parts:
        for _ in range(count):
            frame += 1
            decided += [(frame, d) for d in endpointer.push(Frame(level, probability, True))]
    return decided


def at(frame: int) -> int:
    return frame * FRAME_SAMPLES


def test_speech_starts_with_pre_roll_and_ends_after_silence() -> None:
    decided = run(Endpointer(SETTINGS), (QUIET, 30), (SPEECH, 20), (QUIET, 30))
    (started, start), (ended, end) = decided
    assert isinstance(start, SpeechStart)
    assert start == SpeechStart(onset=at(30), audio_start=at(30) - 16 * SETTINGS.pre_roll_ms)
    assert (started - 30) * 32 >= SETTINGS.min_speech_ms
    assert isinstance(end, SpeechEnd)
    assert end.end == at(50)
    assert end.reason == "silence"
    assert at(50) < end.audio_end <= at(ended)


def test_one_loud_frame_is_not_speech() -> None:
    assert run(Endpointer(SETTINGS), (QUIET, 30), (SPEECH, 1), (QUIET, 30)) == []


def test_a_sure_silence_is_reported_sooner_than_a_fading_one() -> None:
    sure = run(Endpointer(SETTINGS), (SPEECH, 20), (QUIET, 30))[-1][0]
    fading = run(Endpointer(SETTINGS), (SPEECH, 20), (FADING, 30))[-1][0]
    assert (sure - 20) * 32 < SETTINGS.trailing_silence_ms < (fading - 20) * 32


def test_after_a_short_sound_more_silence_is_asked_for() -> None:
    word = run(Endpointer(SETTINGS), (SPEECH, 10), (QUIET, 30))[-1][0] - 10
    sentence = run(Endpointer(SETTINGS), (SPEECH, 40), (QUIET, 30))[-1][0] - 40
    assert 1.8 * sentence < word < 2.6 * sentence
    longer = run(Endpointer(SETTINGS), (SPEECH, 13), (QUIET, 30))[-1][0] - 13
    assert longer == sentence


@pytest.mark.parametrize(("silence", "frames"), [(QUIET, 3), (FADING, 4)])
def test_the_audio_ends_where_the_pause_was_noticed(silence: tuple[float, float], frames: int) -> None:
    endpointer = Endpointer(SETTINGS)
    run(endpointer, (SPEECH, 20), (silence, frames - 1))
    assert not endpointer.pausing
    run(endpointer, (silence, 1))
    assert endpointer.pausing
    assert endpointer.tail_end == at(20 + frames)
    ((_, end),) = run(endpointer, (silence, 30))
    assert end.audio_end == at(20 + frames)


def test_a_short_pause_does_not_end_it() -> None:
    decided = run(Endpointer(SETTINGS), (SPEECH, 20), (QUIET, 3), (SPEECH, 20), (QUIET, 30))
    assert [type(d) for _, d in decided] == [SpeechStart, SpeechEnd]


def test_the_stream_may_begin_in_speech() -> None:
    (_, start), *_ = run(Endpointer(SETTINGS), (SPEECH, 20))
    assert start == SpeechStart(0, 0)


def test_pre_roll_never_reaches_into_the_utterance_before() -> None:
    decided = run(Endpointer(SETTINGS), (SPEECH, 20), (QUIET, 11), (SPEECH, 10))
    end, start = decided[1][1], decided[2][1]
    assert isinstance(end, SpeechEnd)
    assert isinstance(start, SpeechStart)
    assert start.audio_start >= end.audio_end


def test_endless_speech_is_ended_and_goes_on_as_the_next() -> None:
    settings = EndpointSettings(max_utterance_s=2.0)
    decided = [d for _, d in run(Endpointer(settings), (SPEECH, 150))]
    first, ended, second, *_ = decided
    assert isinstance(ended, SpeechEnd)
    assert isinstance(first, SpeechStart)
    assert ended.reason == "longest"
    assert ended.end - first.onset >= 32_000 > ended.end - first.onset - FRAME_SAMPLES
    assert second == SpeechStart(ended.audio_end, ended.audio_end)


def test_long_speech_is_cut_at_a_breath_before_it_must_be() -> None:
    settings = EndpointSettings(max_utterance_s=2.0)
    frames = round(2.0 * 16_000 / FRAME_SAMPLES)
    decided = run(Endpointer(settings), (SPEECH, frames - 5), (QUIET, 3), (SPEECH, 20))
    ended = decided[1][1]
    assert isinstance(ended, SpeechEnd)
    assert ended.reason == "silence"


def test_forced_end_takes_everything_up_to_the_sample() -> None:
    endpointer = Endpointer(SETTINGS)
    run(endpointer, (QUIET, 10), (SPEECH, 10))
    assert endpointer.force_end(at(20) + 100) == (SpeechEnd(at(20) + 100, at(20) + 100, "forced"),)
    assert endpointer.force_end(at(20) + 100) == ()


def test_forced_end_takes_speech_that_was_just_rising() -> None:
    endpointer = Endpointer(SETTINGS)
    run(endpointer, (QUIET, 10), (SPEECH, 1))
    start, end = endpointer.force_end(at(11))
    assert isinstance(start, SpeechStart)
    assert start.onset == at(10)
    assert isinstance(end, SpeechEnd)


@given(st.lists(st.tuples(st.floats(-90, 0), st.floats(0, 1)), max_size=300), st.sets(st.integers(0, 300), max_size=5))
def test_decisions_alternate_and_audio_never_overlaps(frames: list[tuple[float, float]], forced: set[int]) -> None:
    endpointer = Endpointer(EndpointSettings(max_utterance_s=1.0))
    decisions: list[Decision] = []
    for i, (level, probability) in enumerate(frames):
        decisions += endpointer.push(Frame(level, probability, True))
        if i in forced:
            decisions += endpointer.force_end(at(i + 1))
    decisions += endpointer.force_end(at(len(frames)))
    assert [type(d) for d in decisions] == [SpeechStart, SpeechEnd] * (len(decisions) // 2)
    free = 0
    for start, end in zip(decisions[::2], decisions[1::2], strict=True):
        assert isinstance(start, SpeechStart)
        assert isinstance(end, SpeechEnd)
        assert free <= start.audio_start <= start.onset < end.end <= end.audio_end <= at(len(frames))
        free = end.audio_end


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 12)), max_size=20))
def test_silence_passed_at_once_is_silence_frame_by_frame(parts: list[tuple[float, int]]) -> None:
    at_once, one_by_one = Endpointer(SETTINGS), Endpointer(SETTINGS)
    for probability, count in parts:
        expected = run(one_by_one, ((-60.0, 0.0), count), ((-20.0, probability), count))
        passed = at_once.pass_silence(count)
        decided = [] if passed else run(at_once, ((-60.0, 0.0), count))
        decided += [(count + frame, d) for frame, d in run(at_once, ((-20.0, probability), count))]
        assert decided == expected


@pytest.mark.parametrize("silence", [QUIET, FADING])
@pytest.mark.parametrize("timeout_ms", [96, 500, 5_000])
def test_silence_of_any_weight_ends_speech_at_the_limit(silence: tuple[float, float], timeout_ms: int) -> None:
    endpointer = Endpointer(SETTINGS)
    endpointer.endpointing = Endpointing(1e9, timeout_ms)
    ((frame, end),) = run(endpointer, (SPEECH, 20), (silence, 300))[1:]
    assert isinstance(end, SpeechEnd)
    assert (end.reason, end.end) == ("timeout", at(20))
    assert timeout_ms - 32 < (frame - 20) * 32 <= timeout_ms


def test_endpointing_may_change_within_a_pause() -> None:
    endpointer = Endpointer(SETTINGS)
    endpointer.endpointing = Endpointing(5_000)
    assert len(run(endpointer, (SPEECH, 20), (QUIET, 40))) == 1
    endpointer.endpointing = Endpointing(256)
    ((frame, end),) = run(endpointer, (QUIET, 10))
    assert frame == 1
    assert isinstance(end, SpeechEnd)
    assert (end.reason, end.end) == ("silence", at(20))
