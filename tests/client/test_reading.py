from __future__ import annotations

import json

import pytest

from fastring import events as told
from fastring.client import events
from fastring.client.reading import NUMBERED, Shift, read_event
from fastring.protocols.native import NativeCodec

WORD = told.Word("six", 8_000, 16_000, 0.9, True)
LATENCY = told.Latency(1, 2, 3, 4)
SHIFT = Shift(10.0, 5, 70)
CODEC = NativeCodec("mic")


def through_the_wire(event: told.Event) -> events.ClientEvent | None:
    (message,) = CODEC.encode(event)
    return read_event(json.loads(message), SHIFT)


def test_a_final_is_moved_to_the_clients_time_and_numbers() -> None:
    final = through_the_wire(told.Final(1, 2, "six", (WORD,), 0.9, 8_000, 16_000, LATENCY))
    assert isinstance(final, events.Final)
    assert (final.seq, final.utterance, final.text, final.start, final.end) == (70, 7, "six", 10.5, 11.0)
    assert final.words == (events.Word("six", 10.5, 11.0, 0.9, True),)
    assert final.message["latency_ms"]["total_ms"] == 4


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (told.SpeechStarted(0, 1, 16_000), events.SpeechStarted(70, 6, 11.0)),
        (told.SpeechEnded(0, 1, 16_000), events.SpeechEnded(70, 6, 11.0)),
        (told.EarlyTrigger(0, 1, "t", "six", 0.5), events.EarlyTrigger(70, 6, "t", "six", 0.5)),
        (told.EarlyTriggerRetracted(0, 1, "t", "no"), events.EarlyTriggerRetracted(70, 6, "t", "no")),
    ],
)
def test_numbered_events(event: told.Event, expected: events.ClientEvent) -> None:
    assert through_the_wire(event) == expected
    (message,) = CODEC.encode(event)
    assert json.loads(message)["type"] in NUMBERED


def test_a_partial_and_a_status() -> None:
    partial = through_the_wire(told.Partial(0, "six s", "six", (WORD,), 0.9, 0, 1, -20.0, 0.1, 0, LATENCY))
    assert isinstance(partial, events.Partial)
    assert (partial.text, partial.stable_text, partial.utterance) == ("six s", "six", 5)
    status = through_the_wire(told.Status("server_busy", queue_depth=3))
    assert isinstance(status, events.Status)
    assert (status.state, status.message["queue_depth"]) == ("server_busy", 3)


@pytest.mark.parametrize("kind", ["ack", "pong", "something_new"])
def test_what_concerns_no_user_is_none(kind: str) -> None:
    assert read_event({"type": kind}, SHIFT) is None
