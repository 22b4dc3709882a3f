from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastring.events import EarlyTrigger, EarlyTriggerRetracted, Event, Final, Latency, ReplyDelta, ReplyDone
from fastring.session.replies import CancelReply, ReplyDesk, StartReply, Turn

LATENCY = Latency(1.0, 2.0, 3.0, 6.0)


def trigger(text: str, utterance: int = 0, number: int = 0) -> EarlyTrigger:
    return EarlyTrigger(0, utterance, f"{utterance}-{number}", text, 0.9)


def retracted(utterance: int = 0, number: int = 0) -> EarlyTriggerRetracted:
    return EarlyTriggerRetracted(0, utterance, f"{utterance}-{number}", "the text went on")


def final(text: str, utterance: int = 0) -> Final:
    return Final(0, utterance, text, (), 0.9, 0, 1, LATENCY)


def user(text: str) -> Turn:
    return Turn("user", text)


def test_a_trigger_starts_and_the_final_confirms() -> None:
    desk = ReplyDesk(8)
    assert desk.receive(trigger("what time is it")) == [StartReply("r0", (user("what time is it"),))]
    desk.receive_delta("r0", "It is ")
    assert desk.events_to_send() == [ReplyDelta(0, "r0", "0-0", "It is ")]
    assert desk.receive(final("What time is it?")) == []
    desk.receive_delta("r0", "noon.")
    desk.receive_end("r0", "stop")
    assert desk.events_to_send() == [ReplyDelta(0, "r0", "0-0", "noon."), ReplyDone(0, "r0", "0-0", "stop")]
    told = (user("what time is it"), Turn("assistant", "It is noon."), user("thanks"))
    assert desk.receive(final("thanks", 1)) == [StartReply("r1", told)]


def test_a_reply_that_is_complete_waits_for_the_final() -> None:
    desk = ReplyDesk(8)
    desk.receive(trigger("stop"))
    desk.receive_delta("r0", "Ok.")
    desk.receive_end("r0", "stop")
    assert [type(event) for event in desk.events_to_send()] == [ReplyDelta]
    desk.receive(final("Stop."))
    assert desk.events_to_send() == [ReplyDone(0, "r0", "0-0", "stop")]


def test_what_was_taken_back_is_cancelled_and_forgotten() -> None:
    desk = ReplyDesk(8)
    desk.receive(trigger("call"))
    desk.receive_delta("r0", "Whom?")
    assert desk.receive(retracted()) == [CancelReply("r0")]
    assert desk.events_to_send()[-1] == ReplyDone(0, "r0", "0-0", "retracted")
    desk.receive_delta("r0", "late")
    desk.receive_end("r0", "stop")
    assert desk.events_to_send() == []
    assert desk.receive(final("call Ada")) == [StartReply("r1", (user("call Ada"),))]


def test_the_next_utterance_replaces_a_reply_and_what_was_said_of_it_stays() -> None:
    desk = ReplyDesk(8)
    desk.receive(final("tell me a story"))
    desk.receive_delta("r0", "Once")
    orders = desk.receive(trigger("no", 1))
    assert orders == [
        CancelReply("r0"),
        StartReply("r1", (user("tell me a story"), Turn("assistant", "Once"), user("no"))),
    ]
    assert desk.events_to_send()[-1] == ReplyDone(0, "r0", "", "replaced")


def test_a_model_that_fails_is_told_and_nothing_is_left_to_cancel() -> None:
    desk = ReplyDesk(8)
    desk.receive(final("hello"))
    desk.receive_end("r0", "failed")
    assert desk.events_to_send() == [ReplyDone(0, "r0", "", "failed")]
    assert desk.receive(final("hello?", 1)) == [StartReply("r1", (user("hello"), user("hello?")))]


def test_nothing_said_wants_no_reply() -> None:
    assert ReplyDesk(8).receive(final("")) == []


def test_the_history_is_bounded() -> None:
    desk = ReplyDesk(2)
    for number in range(5):
        (order, *_) = desk.receive(final(f"line {number}", number))[-1:]
        assert isinstance(order, StartReply)
        assert len(order.turns) <= 3
        desk.receive_end(f"r{number}", "stop")


OCCURRENCES = st.one_of(
    st.builds(trigger, st.sampled_from(["a", "b"]), st.integers(0, 3), st.integers(0, 2)),
    st.builds(retracted, st.integers(0, 3), st.integers(0, 2)),
    st.builds(final, st.sampled_from(["", "a", "b"]), st.integers(0, 3)),
    st.tuples(st.integers(0, 6), st.sampled_from(["", "word"])),
    st.tuples(st.integers(0, 6), st.sampled_from(["stop", "failed", "busy"])),
)


@given(st.lists(OCCURRENCES, max_size=40))
def test_every_reply_that_starts_ends_once_or_is_the_last(occurrences: list[Event | tuple[int, str]]) -> None:
    desk, started, told = ReplyDesk(4), [], []
    for it in occurrences:
        if not isinstance(it, tuple):
            started += [order.reply_id for order in desk.receive(it) if isinstance(order, StartReply)]
        elif it[1] in ("stop", "failed", "busy"):
            desk.receive_end(f"r{it[0]}", it[1])  # type: ignore[arg-type]
        else:
            desk.receive_delta(f"r{it[0]}", it[1])
        told += desk.events_to_send()
    ends = [event.reply_id for event in told if isinstance(event, ReplyDone)]
    assert ends == started[: len(ends)]
    assert len(started) - len(ends) in (0, 1)
    for event in told:
        assert event.reply_id in started
