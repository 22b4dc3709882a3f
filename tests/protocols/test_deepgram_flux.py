from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from example_events import example
from flux_talk import EAGER, ENDED, RETRACTED, early, final, heard, partial, started
from hypothesis import given
from hypothesis import strategies as st

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, ChannelEvent, Close, Closed, Echo, Endpointing, Failure, Finalize
from fastring.protocols.deepgram_flux import CONNECTED, FluxCodec
from fastring.protocols.deepgram_turns import Thresholds

ID = "5f7c3f0e-3ad1-4b7e-8f5e-7f0b6a4f2f11"
GOLDEN = Path(__file__).parent / "golden" / "deepgram_flux.json"


def codec(thresholds: Thresholds | None = None, **options: Any) -> FluxCodec:
    return FluxCodec(ID, thresholds=thresholds, max_message_bytes=5000, **options)


def told(subject: FluxCodec, *said: Any) -> list[dict[str, Any]]:
    plain = (Failure, Closed, Echo)
    wrapped = [it if isinstance(it, plain) else ChannelEvent(0, 1, it) for it in said]
    return [json.loads(message) for event in wrapped for message in subject.encode(event)]


# --- in -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "commands"),
    [
        (b"\x01\x02\x03", [Audio(b"\x01\x02\x03")]),
        (b"", []),
        ('{"type": "KeepAlive"}', []),
        ('{"type":"ForceEndTurn"}', [Finalize()]),
        ('{"type": "CloseStream"}', [Close()]),
    ],
)
def test_messages_become_commands(message: str | bytes, commands: list[object]) -> None:
    subject = codec()
    assert subject.decode(message) == commands
    assert (subject.counters.messages, subject.counters.malformed) == (1, 0)


@pytest.mark.parametrize(
    "message", ["", "[]", "{}", '{"type":3}', '{"type":"Finalize"}', '{"type":"\ud800"}', "[" * 90]
)
def test_what_cannot_be_read_is_a_warning_and_the_stream_goes_on(message: str) -> None:
    subject = codec()
    with pytest.raises(ProtocolError) as caught:
        subject.decode(message)
    assert caught.value.close_code is None
    assert subject.counters.malformed == 1
    (warning,) = told(subject, Failure(caught.value.code, str(caught.value)))
    assert (warning["type"], warning["code"]) == ("Warning", "UNPARSABLE_CLIENT_MESSAGE")
    assert warning["description"]
    assert subject.decode(b"\x00") == [Audio(b"\x00")]


def test_too_large_a_message_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec().decode(bytes(5001))
    assert caught.value.code == "message_too_large"


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_message_means_something_or_is_refused(message: str | bytes) -> None:
    subject = codec()
    try:
        commands = subject.decode(message)
    except ProtocolError as error:
        assert error.code == "unparsable_client_message"  # noqa: PT017
    else:
        assert len(commands) <= 2


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
THRESHOLD = st.sampled_from(["eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "x"])


@given(st.dictionaries(THRESHOLD, JSON) | JSON, JSON, st.sampled_from([Thresholds(), EAGER]))
def test_any_configure_is_answered_once_and_keeps_the_thresholds_in_their_ranges(
    thresholds: Any, keyterms: Any, before: Thresholds
) -> None:
    subject = codec(before)
    try:
        commands = subject.decode(json.dumps({"type": "Configure", "thresholds": thresholds, "keyterms": keyterms}))
    except ProtocolError as error:
        answers = told(subject, Failure(error.code, str(error)))
        now = before
    else:
        endpointing, echo = commands
        assert isinstance(endpointing, Endpointing)
        answers = told(subject, echo)
        now = Thresholds(**answers[0].get("thresholds", {}))
        assert now.endpointing(256) == endpointing
        assert now.changed({}) == now
    assert [answer["type"] for answer in answers] in (["ConfigureSuccess"], ["ConfigureFailure"])
    assert now.eot_threshold >= (now.eager_eot_threshold or 0)


def test_configure_is_answered_with_what_holds() -> None:
    subject = codec(EAGER, silence_ms=200)
    endpointing, echo = subject.decode('{"type":"Configure","thresholds":{"eot_threshold":0.8},"keyterms":["ring"]}')
    assert endpointing == Endpointing(pytest.approx(298.5, abs=0.1), 5_000, 0.5)
    assert told(subject, echo) == [
        {
            "type": "ConfigureSuccess",
            "request_id": ID,
            "sequence_id": 0,
            "thresholds": {"eager_eot_threshold": 0.4, "eot_threshold": 0.8, "eot_timeout_ms": 5_000},
            "keyterms": [],
        }
    ]
    (_, again) = subject.decode('{"type":"Configure"}')
    assert again == echo


def test_what_is_refused_changes_nothing() -> None:
    subject = codec()
    with pytest.raises(ProtocolError) as caught:
        subject.decode('{"type":"Configure","thresholds":{"eot_threshold":0.9,"eot_timeout_ms":3}}')
    (failure,) = told(subject, Failure(caught.value.code, str(caught.value)))
    assert (failure["type"], failure["code"], failure["request_id"]) == ("ConfigureFailure", "CONFIGURE_INVALID", ID)
    assert "eot_timeout_ms = 3" in failure["description"]
    endpointing, _ = subject.decode('{"type":"Configure"}')
    assert endpointing == Endpointing(256, 5_000, None)


def test_thresholds_hold_for_what_is_said_after_their_answer() -> None:
    """What was said before is still on its way."""
    subject = codec()
    _, echo = subject.decode('{"type":"Configure","thresholds":{"eot_threshold":0.9,"eager_eot_threshold":0.5}}')
    before = told(subject, partial("a", 0.0, 0.5), early("a"), final("a", 0.0, 0.5))
    after = told(subject, echo, partial("b", 1.0, 1.5), early("b"), final("b", 1.0, 1.5))
    assert [it.get("event", it["type"]) for it in before] == ["StartOfTurn", "EndOfTurn"]
    assert [it.get("event", it["type"]) for it in after] == [
        *("ConfigureSuccess", "StartOfTurn", "EagerEndOfTurn", "EndOfTurn"),
    ]
    assert (before[-1]["end_of_turn_confidence"], after[-1]["end_of_turn_confidence"]) == (0.7, 0.9)


# --- out ------------------------------------------------------------------------------------------------------------


def test_a_conversation_is_told_to_the_letter() -> None:
    subject = codec(EAGER, language_hints=("en",), tell_language=True)
    _, echo = subject.decode('{"type":"Configure","thresholds":{"eot_threshold":0.8}}')
    conversation = told(
        subject,
        CONNECTED,
        heard(0.3),
        *(started(0.5), partial("One,", 0.5, 0.9), heard(1.0), early("One,"), partial("One, two", 0.5, 1.4), RETRACTED),
        *(heard(1.7, 0.5), early("One, two"), final("One two.", 0.5, 1.0, language="en"), ENDED),
        echo,
        *(started(2.5), partial("Three.", 2.5, 2.9), heard(3.0)),
        *(final("Three. Four.", 2.5, 3.0, from_finalize=True, ended_by="forced", language="en"), ENDED),
        Failure("engine_failed", "the engine heard nothing"),
        Closed("requested", {"duration_s": 3.5, "channels": 1}),
    )
    assert conversation == json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert [message["sequence_id"] for message in conversation] == list(range(len(conversation)))


def test_takes_whatever_a_channel_may_say() -> None:
    for kind in get_args(get_type_hints(events.ChannelEvent)["event"]):
        messages = told(codec(EAGER), partial("One, two.", 0.0, 0.5), example(kind))
        assert {it["type"] for it in messages} == {"TurnInfo"}


@pytest.mark.parametrize(
    ("event", "code", "reason", "named"),
    [
        (Closed("requested"), 1000, "requested", None),
        (Failure("idle_timeout", "nothing came", fatal=True), 1011, "NET-0001", "INACTIVE_CLIENT"),
        (Failure("undecodable", "noise", fatal=True), 1008, "DATA-0000", "UNDECODABLE_AUDIO"),
        (Failure("message_too_large", "too much", fatal=True), 1009, "message_too_large", "MESSAGE_TOO_LARGE"),
        (Failure("internal", "it broke", fatal=True), 1011, "internal", "INTERNAL"),
    ],
)
def test_ends(event: Closed | Failure, code: int, reason: str, named: str | None) -> None:
    subject = codec()
    said = told(subject, event)
    if isinstance(event, Failure):
        assert said == [{"type": "Error", "sequence_id": 0, "code": named, "description": event.message}]
    else:
        assert said == []
    got, why = subject.close_frame(event)
    assert (got, why.startswith(reason)) == (code, True)


def test_an_error_that_is_prepared_takes_no_number() -> None:
    subject = codec()
    told(subject, Failure("message_too_large", "too much", fatal=True))
    assert told(subject, CONNECTED)[0]["sequence_id"] == 0
