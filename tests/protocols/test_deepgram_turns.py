"""Turns: whatever a session says, in every order it may say it, they start with words, end once and keep their word."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest
from flux_talk import EAGER, ENDED, RETRACTED, early, final, heard, partial, started
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_world import World, make_world, speak

from fastring.asr.transcriber import Hypothesis
from fastring.config import VoiceSettings
from fastring.errors import EngineFailedError, ProtocolError
from fastring.events import Closed, Endpointing, Failure, Heard, Status, Word
from fastring.protocols.deepgram_turns import Thresholds, Turns

if TYPE_CHECKING:
    from fastring.asr.transcriber import Job

NOT_TURNS = (Failure, Status, Closed)
BOLD = Thresholds(eager_eot_threshold=0.3)


def told(turns: Turns, *events: Any) -> list[dict[str, Any]]:
    return [message for event in events for message in turns.tell(event)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [f"{message['event']} {message['turn_index']} {message['transcript']}".strip() for message in messages]


# --- thresholds -----------------------------------------------------------------------------------------------------


def test_the_usual_threshold_is_the_configured_silence() -> None:
    assert Thresholds().endpointing(256) == Endpointing(256, 5_000, None)


def test_silence_grows_with_the_threshold_and_never_lies_within_a_word() -> None:
    silences = [Thresholds(eot_threshold=it / 100).endpointing(256).silence_ms for it in range(50, 100, 5)]
    assert silences == sorted(silences)
    assert silences[0] == 100
    assert silences[-1] == pytest.approx(640, abs=1)


def test_no_confidence_ends_a_turn_that_only_the_client_ends() -> None:
    """A silence that weighs most is a quarter longer than it lasts."""
    endpointing = Thresholds(eot_threshold=1, eot_timeout_ms=30_000).endpointing(256)
    assert endpointing.silence_ms > 1.25 * 30_000
    assert endpointing.timeout_ms == 30_000


def test_an_eager_end_is_a_share_of_the_end() -> None:
    assert Thresholds(eot_threshold=0.8, eager_eot_threshold=0.4).endpointing(256).trigger == 0.5


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"eot_threshold": 0.49}, "eot_threshold"),
        ({"eot_threshold": 1.01}, "eot_threshold"),
        ({"eager_eot_threshold": 0.2}, "eager_eot_threshold"),
        ({"eager_eot_threshold": 0.75}, "eager_eot_threshold"),  # above the end's
        ({"eager_eot_threshold": "0.5"}, "eager_eot_threshold"),
        ({"eot_timeout_ms": 499}, "eot_timeout_ms"),
        ({"eot_timeout_ms": 60_001}, "eot_timeout_ms"),
        ({"eot_timeout_ms": True}, "eot_timeout_ms"),
        ({"eot_timeout_ms": [10**400]}, "eot_timeout_ms"),
    ],
)
def test_a_threshold_out_of_range_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ProtocolError, match=f"^{named} = "):
        Thresholds().changed(fields)


def test_what_is_not_given_stays() -> None:
    thresholds = Thresholds().changed({"eot_threshold": 0.9, "eager_eot_threshold": None, "other": 3})
    assert thresholds.changed({"eager_eot_threshold": 0.8, "eot_timeout_ms": 700}) == Thresholds(0.9, 0.8, 700)
    assert thresholds.fields() == {"eot_threshold": 0.9, "eot_timeout_ms": 5_000}


# --- turns ----------------------------------------------------------------------------------------------------------


def test_a_turn_starts_with_its_first_words_and_ends_with_all_of_them() -> None:
    turns = Turns(Thresholds())
    messages = told(
        turns, started(0.5), partial("a", 0.5, 0.8), partial("a b", 0.5, 1.1), final("a b", 0.5, 1.0), ENDED
    )
    assert kinds(messages) == ["StartOfTurn 0 a", "Update 0 a b", "EndOfTurn 0 a b"]
    assert kinds(told(turns, started(2.0), final("c", 2.0, 2.3))) == ["StartOfTurn 1 c", "EndOfTurn 1 c"]


def test_what_holds_no_words_is_no_turn() -> None:
    silent = (started(2.5, silent=True), final("", 2.5, 2.5, from_finalize=True, ended_by="forced"))
    turns = Turns(EAGER)
    assert told(turns, started(0.5), final("", 0.5, 1.0), ENDED, *silent, ENDED) == []
    assert kinds(told(turns, started(3.0), final("a", 3.0, 3.4))) == ["StartOfTurn 0 a", "EndOfTurn 0 a"]


def test_updates_come_with_the_audio_in_silence_too() -> None:
    turns = Turns(Thresholds())
    messages = told(
        turns, *(heard(n / 10) for n in range(11)), started(1.0), partial("a", 1.0, 1.2), heard(1.3), heard(1.5, 0.5)
    )
    assert [(it["event"], it["audio_window_end"]) for it in messages] == [
        *(("Update", 0.3), ("Update", 0.6), ("Update", 0.9)),
        *(("StartOfTurn", 1.2), ("Update", 1.5)),
    ]
    assert [it["transcript"] for it in messages] == ["", "", "", "a", "a"]
    assert messages[-1]["end_of_turn_confidence"] == 0.35


def test_the_same_words_are_no_news() -> None:
    turns = Turns(Thresholds())
    assert kinds(told(turns, partial("a", 0.0, 0.5), partial("a", 0.0, 0.6), heard(0.7))) == ["StartOfTurn 0 a"]
    assert kinds(told(turns, heard(0.8))) == ["Update 0 a"]


def test_an_eager_end_is_followed_by_the_end_it_announced() -> None:
    turns = Turns(EAGER)
    told(turns, started(0.5), partial("One two.", 0.5, 1.0))
    (eager,) = told(turns, early("One two.", 0.8))
    assert (eager["event"], eager["transcript"], eager["end_of_turn_confidence"]) == (
        "EagerEndOfTurn",
        "One two.",
        0.56,
    )
    assert told(turns, heard(1.4), heard(1.9), partial("one, two", 0.5, 1.9)) == []
    (end,) = told(turns, final("one two", 0.5, 1.0))
    assert (end["event"], end["transcript"], end["words"]) == ("EndOfTurn", "One two.", eager["words"])
    assert (end["trigger"], end["end_of_turn_confidence"]) == ("model", 0.7)


def test_a_speaker_who_goes_on_takes_the_eager_end_back() -> None:
    turns = Turns(EAGER)
    told(turns, started(0.5), partial("a", 0.5, 1.0), early("a"))
    assert kinds(told(turns, partial("a b", 0.5, 1.5), RETRACTED)) == ["TurnResumed 0 a b"]
    messages = told(turns, early("a b"), RETRACTED, final("a b c", 0.5, 1.6))
    assert kinds(messages) == ["EagerEndOfTurn 0 a b", "TurnResumed 0 a b", "EndOfTurn 0 a b c"]


def test_a_turn_whose_words_are_gone_ends_all_the_same() -> None:
    turns = Turns(EAGER)
    told(turns, partial("a", 0.5, 1.0), early("a"))
    assert kinds(told(turns, RETRACTED, final("", 0.5, 1.0))) == ["TurnResumed 0 a", "EndOfTurn 0"]


def test_who_asked_for_no_eager_end_is_told_none() -> None:
    turns = Turns(Thresholds())
    assert kinds(told(turns, partial("a", 0.5, 1.0), early("a"), RETRACTED, final("b", 0.5, 1.0))) == [
        "StartOfTurn 0 a",
        "EndOfTurn 0 b",
    ]


@pytest.mark.parametrize(
    ("ended_by", "trigger"),
    [("silence", "model"), ("timeout", "timeout"), ("longest", "timeout"), ("forced", "manual")],
)
def test_an_end_says_why(ended_by: Any, trigger: str) -> None:
    turns = Turns(Thresholds())
    *_, end = told(turns, partial("a", 0.0, 0.5), heard(0.8, 0.4), final("a", 0.0, 0.5, ended_by=ended_by))
    assert end["trigger"] == trigger
    assert end["end_of_turn_confidence"] == (0.7 if trigger == "model" else 0.28)


def test_windows_follow_each_other_and_hold_their_words() -> None:
    """Also where the final came so late that the next speech was under way."""
    turns = Turns(Thresholds())
    first = told(turns, started(0.5), final("a", 0.5, 0.8))[-1]
    assert (first["audio_window_start"], first["audio_window_end"]) == (0.0, 0.8)
    second = told(turns, started(2.0), partial("b", 2.0, 2.3), heard(4.0), final("b", 2.0, 2.3))[-1]
    assert (second["audio_window_start"], second["audio_window_end"]) == (0.8, 4.0)
    third = told(turns, started(3.0), final("c", 3.0, 3.3))[-1]
    assert (third["audio_window_start"], third["audio_window_end"]) == (3.0, 4.0)


def test_the_language_is_told_at_the_end_to_who_expects_several() -> None:
    end = final("a", 0.0, 0.5, language="de")
    assert [it.get("languages") for it in told(Turns(Thresholds(), tell_language=True), end)] == [None, ["de"]]
    assert [it.get("languages") for it in told(Turns(Thresholds()), end)] == [None, None]


# --- whatever a session says ----------------------------------------------------------------------------------------


@st.composite
def talks(draw: st.DrawFn) -> list[Any]:
    """What a session may say of a few utterances: triggers only while none lives, of the text that was last told."""
    said: list[Any] = []
    at = 0.0
    for _ in range(draw(st.integers(1, 4))):
        start = at = at + draw(st.sampled_from([0.1, 1.0]))
        said.append(started(start))
        live, text = "", ""
        for _ in range(draw(st.integers(0, 8))):
            at += 0.2
            kind = draw(st.sampled_from(["partial", "early", "heard"]))
            if kind == "heard":
                said.append(heard(at, draw(st.sampled_from([0.0, 0.5]))))
            elif kind == "early" and text and not live:
                live = text
                said.append(early(text))
            elif kind == "partial":
                text = draw(st.sampled_from(["a", "a b", "A b.", "a b c"]))
                said.append(partial(text, start, at))
                if live and live.lower().strip(".") != text.lower().strip("."):
                    live = ""
                    said.append(RETRACTED)
        text = draw(st.sampled_from(["", "a", "A b.", "a b c"]))
        if live and live.lower().strip(".") != text.lower().strip("."):
            said.append(RETRACTED)
        said += [final(text, start, at, ended_by=draw(st.sampled_from(["silence", "forced", "timeout"]))), ENDED]
    return said


AFTER = {
    "start": {"Update", "StartOfTurn"},
    "StartOfTurn": {"Update", "EagerEndOfTurn", "EndOfTurn"},
    "EagerEndOfTurn": {"TurnResumed", "EndOfTurn"},
    "TurnResumed": {"Update", "EagerEndOfTurn", "EndOfTurn"},
}


def assert_talk(messages: list[dict[str, Any]], *, real_words: bool = True) -> None:
    """What Deepgram promises of any talk, once it is over."""
    state, index, eager_text, window_end = "start", 0, "", 0.0
    for message in messages:
        event = message["event"]
        assert event in AFTER[state]
        assert message["turn_index"] == index
        assert message["audio_window_start"] <= message["audio_window_end"]
        assert message["audio_window_end"] >= window_end
        assert 0 <= message["end_of_turn_confidence"] <= 1
        assert ("trigger" in message) is (event == "EndOfTurn")
        assert " ".join(word["word"] for word in message["words"]) == message["transcript"]
        assert not real_words or all(word["start"] >= message["audio_window_start"] for word in message["words"])
        window_end = message["audio_window_end"]
        if event == "Update":
            assert bool(message["transcript"]) is (state != "start")
            continue
        if event in ("StartOfTurn", "EagerEndOfTurn"):
            assert message["transcript"]
        if event == "EndOfTurn":
            assert state != "EagerEndOfTurn" or message["transcript"] == eager_text
            index += 1
        eager_text = message["transcript"]
        state = "start" if event == "EndOfTurn" else event
    assert state == "start"


@given(talks(), st.booleans())
def test_the_state_machine_holds(said: list[Any], eager: bool) -> None:
    assert_talk(told(Turns(EAGER if eager else Thresholds()), *said))


TALK = speak([0.5, "one two three", 0.6, "four five", 1.5, "six", 1.0, "seven eight nine ten one two", 1.0])


def overhear(world: World, turns: Turns, steps: list[int], forced: set[int]) -> list[dict[str, Any]]:
    """Let a session hear the talk in pieces and make turns of it, as a station does."""
    messages: list[dict[str, Any]] = []
    at = 0

    def take() -> None:
        messages.extend(told(turns, *(event for event in world.events if not isinstance(event, NOT_TURNS))))
        world.events.clear()

    for number, step in enumerate([*steps, len(TALK.samples)]):
        world.send(TALK.samples[at : at + step], step)
        at += step
        if number in forced:
            world.session.receive_finalize(world.now)
        take()
        stats = world.session.stats()
        position = stats.samples - stats.waiting_samples - 2048
        messages += told(turns, Heard(max(0, position), world.session.end_chance))
    world.close()
    take()
    return messages


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(300, 6_000), max_size=60), st.sets(st.integers(0, 60), max_size=3), st.booleans())
def test_a_real_session_makes_turns_that_hold_all_its_words(steps: list[int], forced: set[int], eager: bool) -> None:
    thresholds = BOLD if eager else Thresholds()
    world = make_world(TALK, voice=VoiceSettings(early_trigger_interval_ms=0))
    world.session.receive_endpointing(thresholds.endpointing(256), 0.0)
    messages = overhear(world, Turns(thresholds), steps, forced)
    assert_talk(messages)
    ends = [it["transcript"] for it in messages if it["event"] == "EndOfTurn"]
    assert forced or " ".join(ends) == TALK.text
    assert not any(it["event"] == "EagerEndOfTurn" for it in messages) or eager


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_whatever_the_engine_says_the_turns_keep_their_word(seed: int) -> None:
    """It takes its time, fails, and hears something else each time."""
    rng = random.Random(seed)

    def engine(job: Job) -> Hypothesis:
        if rng.random() < 0.1:
            raise EngineFailedError("broke")
        times = sorted(job.start + rng.randrange(len(job.samples)) for _ in range(rng.randrange(5)))
        said = (Word(rng.choice(["a", "A.", "b"]), *span, rng.uniform(0.6, 1)) for span in itertools.pairwise(times))
        return Hypothesis(tuple(said))

    voice = VoiceSettings(early_trigger_interval_ms=0)
    world = make_world(TALK, engine=engine, voice=voice, delay=lambda _job: rng.choice([0.0, 0.1, 0.9]))
    world.session.receive_endpointing(BOLD.endpointing(256), 0.0)
    steps = [rng.choice([320, 640, 5_000]) for _ in range(80)]
    assert_talk(overhear(world, Turns(BOLD), steps, {rng.randrange(80)}), real_words=False)
