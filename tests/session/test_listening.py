from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_world import RATE, LevelScorer, speak

from fastring.analysis.endpoint import SpeechEnd, SpeechStart
from fastring.config import EndpointSettings
from fastring.errors import RangeLostError
from fastring.session.listening import MOST_AT_ONCE, Listening, Pause, Rest, Resume, Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

TWO = speak([0.5, "one two three four", 1.0, "seven eight", 1.0])


def listening(capacity: int = 40 * RATE) -> Listening:
    return Listening(capacity, EndpointSettings(), LevelScorer())


def test_speech_starts_and_ends_in_turn() -> None:
    turns = listening().hear(TWO.samples)
    assert [type(turn.decision) for turn in turns] == [SpeechStart, Pause, SpeechEnd] * 2
    start, end = turns[0].decision, turns[2].decision
    assert isinstance(start, SpeechStart)
    assert isinstance(end, SpeechEnd)
    assert abs(start.onset - RATE // 2) <= 512
    assert abs(end.end - 1.5 * RATE) <= 1024
    assert [turn.position % 512 for turn in turns] == [0] * 6
    assert end.end < turns[2].position <= end.end + 0.3 * RATE


def rests(trailing_silence_ms: int, rest_ms: int = 500) -> list[Turn]:
    ear = Listening(40 * RATE, EndpointSettings(trailing_silence_ms=trailing_silence_ms), LevelScorer(), rest_ms)
    return [turn for turn in ear.hear(TWO.samples) if not isinstance(turn.decision, Pause)]


def test_a_long_pause_within_speech_is_a_rest_until_the_speaker_goes_on() -> None:
    start, rest, resume, last = rests(2000)
    assert isinstance(start.decision, SpeechStart)
    assert isinstance(rest.decision, Rest)
    assert abs(rest.decision.begin - 1.5 * RATE) <= 1024
    assert rest.decision.begin < rest.decision.end < rest.position <= rest.decision.begin + RATE // 2 + 512
    assert isinstance(resume.decision, Resume)
    assert abs(resume.decision.onset - 2.5 * RATE) <= 1024
    assert isinstance(last.decision, Rest)


def test_without_rests_and_where_the_utterance_ends_sooner_there_is_none() -> None:
    assert [type(turn.decision) for turn in rests(2000, 0)] == [SpeechStart]
    assert [type(turn.decision) for turn in rests(256)] == [SpeechStart, SpeechEnd] * 2


REACH = RATE + RATE // 2
IDLE = REACH + MOST_AT_ONCE


def in_pieces(ear: Listening, samples: NDArray[np.int16], piece: int = 4000) -> list[Turn]:
    return [turn for at in range(0, len(samples), piece) for turn in ear.hear(samples[at : at + piece])]


def test_silence_is_kept_for_as_long_as_speech_may_reach_back_and_speech_for_as_long_as_it_is_wanted() -> None:
    ear = Listening(40 * RATE, EndpointSettings(), LevelScorer(), reach=REACH)
    in_pieces(ear, np.zeros(10 * RATE, np.int16))
    assert len(ear.read(ear.written - REACH, ear.written)) == REACH
    with pytest.raises(RangeLostError):
        ear.read(ear.written - IDLE - 1, ear.written)
    begin = ear.written
    in_pieces(ear, TWO.samples)
    in_pieces(ear, np.zeros(10 * RATE, np.int16))
    assert ear.can_shrink
    expected = np.concatenate([np.zeros(RATE), TWO.samples / np.float32(32768)]).astype(np.float32)
    assert np.array_equal(ear.read(begin - RATE, begin + len(TWO.samples)), expected)
    ear.shrink()
    assert not ear.can_shrink
    assert len(ear.read(ear.written - REACH, ear.written)) == REACH
    with pytest.raises(RangeLostError):
        ear.read(begin, ear.written)


def test_a_capacity_that_is_small_anyway_is_kept() -> None:
    ear = Listening(RATE, EndpointSettings(), LevelScorer(), reach=REACH)
    in_pieces(ear, TWO.samples)
    in_pieces(ear, np.zeros(3 * RATE, np.int16))
    assert not ear.can_shrink
    assert len(ear.read(ear.written - RATE, ear.written)) == RATE


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(200, MOST_AT_ONCE), min_size=1, max_size=12), st.integers(0, 3 * RATE))
def test_a_ring_that_shrinks_in_silence_loses_nothing_of_speech(lengths: list[int], lead: int) -> None:
    samples = np.concatenate([np.full(lead, 3, np.int16), TWO.samples, np.zeros(2 * RATE, np.int16), TWO.samples])
    ear, whole = Listening(40 * RATE, EndpointSettings(), LevelScorer(), reach=REACH), listening()
    turns: list[Turn] = []
    at, k, start = 0, 0, None
    while at < len(samples):
        if ear.can_shrink:
            ear.shrink()
        piece = samples[at : at + lengths[k % len(lengths)]]
        at, k = at + len(piece), k + 1
        for turn in ear.hear(piece):
            turns.append(turn)
            if isinstance(turn.decision, SpeechStart):
                start = turn.decision.audio_start
            elif isinstance(turn.decision, SpeechEnd):
                end = turn.decision.audio_end
                assert start is not None
                assert np.array_equal(ear.read(start, end), samples[start:end] / np.float32(32768))
    assert turns == whole.hear(samples)
    assert sum(isinstance(turn.decision, SpeechEnd) for turn in turns) == 4


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 30_000), max_size=10))
def test_any_chunking_gives_the_same_turns(cuts: list[int]) -> None:
    ear = listening()
    at = np.minimum(np.cumsum(cuts), len(TWO.samples)).astype(int)
    turns = [turn for part in np.split(TWO.samples, at) for turn in ear.hear(part)]
    assert turns == listening().hear(TWO.samples)


def test_nothing_lies_after_the_audio() -> None:
    ear = listening()
    ear.hear(TWO.samples[: RATE + 100])
    assert ear.position == (RATE + 100) // 512 * 512
    ear.flush()
    assert ear.position == ear.written == RATE + 100
    (turn,) = ear.end_speech()
    assert turn.position == RATE + 100
    assert isinstance(turn.decision, SpeechEnd)
    assert turn.decision.audio_end == RATE + 100
    assert ear.end_speech() == []


@pytest.mark.parametrize("missing", [1, 100, 512, 5000, 20_000])
def test_what_starts_after_a_gap_does_not_reach_back_over_it(missing: int) -> None:
    ear = listening()
    ear.hear(TWO.samples[: RATE // 2])
    assert ear.skip(missing) == []
    start = ear.hear(TWO.samples[RATE // 2 :])[0].decision
    assert isinstance(start, SpeechStart)
    assert start.audio_start >= RATE // 2 + missing
    assert start.onset - (RATE // 2 + missing) < 512


def test_audio_is_read_as_floats_while_it_is_held() -> None:
    ear = listening(capacity=RATE)
    ear.hear(TWO.samples[: 2 * RATE])
    np.testing.assert_array_equal(ear.read(RATE, RATE + 10), TWO.samples[RATE : RATE + 10] / np.float32(32768))
    with pytest.raises(RangeLostError):
        ear.read(0, 10)


def test_the_quietest_frame_and_the_newest_level() -> None:
    ear = listening()
    assert ear.level_db == -120.0
    ear.hear(TWO.samples[: RATE // 2])
    loud = round(0.6 * RATE)
    ear.hear(TWO.samples[RATE // 2 : RATE // 2 + loud])
    assert -30 < ear.level_db < -15
    assert ear.quietest(0, RATE) < RATE // 2
    dip = ear.quietest(RATE // 2, RATE)  # words of 0.25 s end in a dip
    assert min(abs(dip - 0.75 * RATE), abs(dip - RATE)) < 1024


def test_the_share_that_the_gate_saved() -> None:
    ear = listening()
    assert ear.gated_share == 0.0
    ear.hear(np.zeros(10 * RATE, np.int16))
    assert ear.gated_share == 1.0
    ear.hear(TWO.samples)
    assert 0.5 < ear.gated_share < 0.9


def test_silence_is_counted_and_its_levels_are_kept() -> None:
    ear = listening()
    assert ear.hear(np.tile([3, -3], RATE // 2).astype(np.int16)) == []
    assert (ear.frames, ear.gated_share) == (RATE // 512, 1.0)
    assert -90 < ear.level_db < -75
    assert ear.position == RATE // 512 * 512
