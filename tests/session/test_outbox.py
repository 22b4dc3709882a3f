from __future__ import annotations

from fastring.events import Final, Latency, Partial, Pong, SpeechEnded, SpeechStarted, SpeechStopped
from fastring.session.outbox import Outbox

LATENCY = Latency(0, 0, 0, 0)


def partial(utterance: int, text: str) -> Partial:
    return Partial(utterance, text, "", (), 0.0, 0, 0, 0.0, 0.0, 0, LATENCY)


def final(utterance: int) -> Final:
    return Final(0, utterance, "", (), 0.0, 0, 0, LATENCY)


def tell_all(outbox: Outbox, utterance: int) -> None:
    outbox.say(utterance, final(utterance))
    outbox.say(utterance, SpeechEnded(0, utterance, 0))
    outbox.end(utterance)


def test_an_utterance_waits_for_the_one_before_and_keeps_its_newest_partial() -> None:
    outbox = Outbox()
    for utterance in (0, 1, 2):
        outbox.begin(utterance)
        outbox.say(utterance, SpeechStarted(0, utterance, 0))
    for text in ("a", "b", "c"):
        outbox.say(1, partial(1, text))
    tell_all(outbox, 1)
    outbox.say(2, partial(2, "x"))
    assert outbox.take() == [SpeechStarted(0, 0, 0)]
    tell_all(outbox, 0)
    told = outbox.take()
    assert [(type(event), event.utterance) for event in told if not isinstance(event, Pong)] == [
        (Final, 0),
        (SpeechEnded, 0),
        (SpeechStarted, 1),
        (Partial, 1),
        (Final, 1),
        (SpeechEnded, 1),
        (SpeechStarted, 2),
        (Partial, 2),
    ]
    assert told[3] == partial(1, "c")
    assert [event.seq for event in told if isinstance(event, SpeechStarted | Final | SpeechEnded)] == list(range(1, 7))


def test_what_belongs_to_no_utterance_does_not_wait() -> None:
    outbox = Outbox()
    for utterance in (0, 1):
        outbox.begin(utterance)
    outbox.say(1, SpeechStarted(0, 1, 0))
    outbox.tell(Pong())
    assert outbox.take() == [Pong()]
    assert outbox.take() == []


def test_turns_that_are_told_at_once_do_not_wait_but_their_text_does() -> None:
    outbox = Outbox(turns_at_once=True)
    for utterance in (0, 1):
        outbox.begin(utterance)
        outbox.say(utterance, SpeechStarted(0, utterance, 0))
        outbox.say(utterance, SpeechStopped(utterance, 0))
    tell_all(outbox, 1)
    assert [(type(event), event.utterance) for event in outbox.take() if not isinstance(event, Pong)] == [
        *((SpeechStarted, 0), (SpeechStopped, 0), (SpeechStarted, 1), (SpeechStopped, 1)),
    ]
    tell_all(outbox, 0)
    assert [event.seq for event in outbox.take() if isinstance(event, Final | SpeechEnded)] == [2, 3, 4, 5]
