from __future__ import annotations

from fastring.events import Word
from fastring.session.state import State
from fastring.session.utterance import SegmentLimits, Utterance, Want

SECOND = 16_000
LIMITS = SegmentLimits(longest=4 * SECOND, overlap=SECOND // 2)


def quietest(start: int, end: int) -> int:
    return (start + end) // 2


def utterance(onset: int = SECOND, hop: int = SECOND // 2) -> Utterance:
    return Utterance(0, onset, onset - 5000, hop, LIMITS)


def words(*ends: float) -> list[Word]:
    return [Word(f"w{i}", round((end - 0.25) * SECOND), round(end * SECOND), 0.9) for i, end in enumerate(ends)]


def test_partials_are_due_every_hop_after_the_onset_and_the_newest_wins() -> None:
    one = utterance()
    one.grow(SECOND + 7999, 1.0)
    assert one.take_partial() is None
    one.grow(SECOND + 8000, 2.0)
    assert one.take_partial() == Want("partial", SECOND - 5000, SECOND + 8000, 2.0)
    assert one.take_partial() is None
    one.grow(SECOND + 30_000, 3.0)
    assert one.take_partial() == Want("partial", SECOND - 5000, SECOND + 24_000, 3.0)


def test_an_endpoint_wants_the_whole_and_no_partial_any_more() -> None:
    one = utterance()
    one.grow(SECOND + 8000, 1.0)
    one.endpoint(SECOND + 9000, SECOND + 9500, SECOND + 15_000, 2.0)
    assert one.take_partial() is None
    assert one.needed_from == SECOND - 5000
    assert one.take_final() == Want("final", SECOND - 5000, SECOND + 9500, 2.0)
    assert one.take_final() is None
    assert one.needed_from is None
    assert one.partial_decoded(SECOND - 5000, words(2), SECOND + 8000)  # it was out already, and is of use until then
    one.whole_decoded(words(2), quietest, SECOND + 16_000, 8000, 3.0)
    assert one.state is State.DONE
    assert not one.partial_decoded(SECOND - 5000, words(2), SECOND + 8000)
    assert [word.text for word in one.words] == ["w0"]


def test_words_heard_in_a_pause_are_kept_for_a_final_of_the_same_samples_alone() -> None:
    one = utterance()
    one.pause(SECOND + 9000, 1.0)
    pause = one.take_partial()
    assert pause == Want("partial", SECOND - 5000, SECOND + 9000, 1.0, in_pause=True)
    one.keep_for_final(pause, words(1.5))
    assert one.kept_for(Want("final", pause.start, pause.end, 2.0)) == tuple(words(1.5))
    assert one.kept_for(Want("final", pause.start, pause.end + 512, 2.0)) is None
    assert one.kept_for(Want("final", pause.start + 512, pause.end, 2.0)) is None


def test_a_long_segment_is_cut_after_the_last_word_that_leaves_the_overlap() -> None:
    one = utterance()
    start = SECOND - 5000
    one.grow(start + LIMITS.longest, 1.0)
    assert one.state is State.CUTTING
    assert one.take_final() == Want("final", start, start + LIMITS.longest, 1.0)
    one.whole_decoded(words(2, 3, 4.0, 4.6), quietest, start + LIMITS.longest, 8000, 2.0)
    assert one.state is State.OPEN
    assert [word.text for word in one.words] == ["w0", "w1", "w2"]
    assert 4.0 * SECOND - 800 <= one.segment_start <= 4.4 * SECOND


def test_with_few_words_it_is_cut_at_the_quietest_frame_near_the_end() -> None:
    for heard in (words(), words(1.5)):
        one = utterance()
        end = one.segment_start + LIMITS.longest
        one.grow(end, 1.0)
        one.take_final()
        one.whole_decoded(heard, lambda low, high: low + 1, end, 8000, 2.0)
        assert one.segment_start == end - 2 * SECOND + 1
        assert len(one.words) == len(heard)


def test_a_cut_is_the_same_however_much_audio_is_there_already() -> None:
    """A burst has the endpoint before the first cut is decoded; live, the endpoint comes last."""
    spoken = [Word(f"w{i}", i * 4000, (i + 1) * 4000, 0.9) for i in range(4, 44)]
    end = 11 * SECOND

    def decode(one: Utterance, want: Want, position: int) -> None:
        heard = [w for w in spoken if w.start >= want.start - 400 and w.end <= want.end]
        one.whole_decoded(heard, quietest, position, 8000, 0.0)

    def live() -> tuple[list[Want], Utterance]:
        one, wants = utterance(), []
        for position in range(SECOND, end + 6000, 500):
            one.grow(position, 0.0)
            if position == end + 5500:
                one.endpoint(end, end + 2000, position, 0.0)
            while (want := one.take_final()) is not None:
                wants.append(want)
                decode(one, want, position)
        return wants, one

    def burst() -> tuple[list[Want], Utterance]:
        one, wants = utterance(), []
        for position in range(SECOND, end + 6000, 500):
            one.grow(position, 0.0)
        one.endpoint(end, end + 2000, end + 5500, 0.0)
        while (want := one.take_final()) is not None:
            wants.append(want)
            decode(one, want, end + 5500)
        return wants, one

    (wants, one), (others, other) = live(), burst()
    assert wants == others
    assert len(wants) > 2
    assert one.words == other.words
    assert [w.text for w in one.words] == [w.text for w in spoken]
    assert one.state is other.state is State.DONE


def test_when_decoding_fails_what_was_heard_is_kept() -> None:
    one = utterance()
    one.grow(3 * SECOND, 0.0)
    one.partial_decoded(one.segment_start, words(2, 2.5), 3 * SECOND)
    one.endpoint(3 * SECOND, 3 * SECOND, 3 * SECOND, 0.0)
    one.take_final()
    one.whole_decoded(None, quietest, 3 * SECOND, 8000, 0.0)
    assert [word.text for word in one.words] == ["w0", "w1"]


def test_where_the_speaker_rests_the_segment_is_cut_and_the_next_begins_where_speech_goes_on() -> None:
    one = utterance()
    start, begin = one.segment_start, 2 * SECOND
    one.grow(begin + 8000, 1.0)
    one.rest(begin, begin + 2000, begin + 8000, 1.0)
    assert one.take_partial() is None
    assert one.take_final() == Want("final", start, begin + 2000, 1.0)
    one.whole_decoded(words(1.5, 2), quietest, begin + 8000, 8000, 2.0)
    assert one.resting
    assert [word.text for word in one.words] == ["w0", "w1"]
    onset = begin + SECOND
    one.grow(onset + 512, 3.0)
    assert one.take_partial() is None
    assert one.needed_from is not None
    one.resume(onset)
    assert not one.resting
    assert one.segment_start == onset - LIMITS.pre_roll
    one.grow(onset + 8000, 4.0)
    assert one.take_partial() == Want("partial", one.segment_start, onset + 8000, 4.0)


def test_an_utterance_that_ends_in_a_rest_has_nothing_left_to_decode() -> None:
    for decoded_first in (True, False):
        one = utterance()
        begin = 2 * SECOND
        one.grow(begin + 8000, 1.0)
        one.rest(begin, begin + 2000, begin + 8000, 1.0)
        assert one.take_final() is not None
        if decoded_first:
            one.whole_decoded(words(2), quietest, begin + 8000, 8000, 2.0)
        one.endpoint(begin, begin + 2000, begin + 30_000, 3.0)
        if decoded_first:
            want = one.take_final()
            assert want is not None
            assert want.start == want.end
            one.whole_decoded((), quietest, begin + 30_000, 8000, 3.0)
        else:
            one.whole_decoded(words(2), quietest, begin + 30_000, 8000, 3.0)
        assert one.state is State.DONE
        assert [word.text for word in one.words] == ["w0"]


def test_a_cut_behind_the_end_of_the_speech_leaves_nothing_to_decode() -> None:
    one = utterance()
    end = one.segment_start + LIMITS.longest
    one.grow(end, 1.0)
    one.take_final()
    one.whole_decoded(words(2), lambda low, high: high, end, 8000, 2.0)
    one.endpoint(2 * SECOND, 2 * SECOND + 2560, end + 8000, 3.0)  # before the cut
    want = one.take_final()
    assert want is not None
    assert want.start == want.end
