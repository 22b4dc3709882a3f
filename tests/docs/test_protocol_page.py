"""The page of the protocol names every message, and every field of it, that the codec writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastring import events
from fastring.protocols.native_events import ENCODED, fields_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "protocol.md"

WORD = events.Word("six", 0, 1, 0.9)
LATENCY = events.Latency(1, 2, 3, 4)
FEEDBACK = (events.WordFeedback(0, "six", "minor_mistake", "sex"),)
EXAMPLES = [
    events.VoiceReady(16000, "linear16", 1, 40.0, 1 << 20, 2.5, "e", "m", True, "token"),
    events.AnalysisReady(44100, "float32", 1, 1024, 10.0),
    events.Resumed(0, 0, "token", 0, 0),
    events.SpeechStarted(0, 0, 0),
    events.Partial(0, "six", "six", (WORD,), 0.9, 0, 1, -20.0, 0.1, 0, LATENCY),
    events.Final(0, 0, "six", (WORD,), 0.9, 0, 1, LATENCY),
    events.SpeechEnded(0, 0, 1),
    events.EarlyTrigger(0, 0, "0-0", "six", 0.9),
    events.EarlyTriggerRetracted(0, 0, "0-0", "the final differs"),
    events.Status("server_busy"),
    events.Ack(0, 0, 0, "token"),
    events.Analysis(1, None, 0.0, None, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, (), 0.0, 0),
    events.Failure("odd_length", "3 bytes"),
    events.Recitation("sex", FEEDBACK, ("six",), LATENCY, error="it broke"),
    events.RecitationResult(events.Verification("sex", 0.5, FEEDBACK, ("six",)), 16_000),
    events.RecitationFailed("it broke"),
    events.SourceEvent("mic", events.SpeechEnded(0, 0, 1)),
    events.ReplyDelta(0, "r0", "0-0", "Yes."),
    events.ReplyDone(0, "r0", "0-0", "stop"),
    events.Pong(),
    events.Closed("requested"),
]
# Replies are listed by name.
ELSEWHERE = {events.Reply}


def test_no_event_is_forgotten() -> None:
    assert {type(event) for event in EXAMPLES} | ELSEWHERE == ENCODED


def _keys(rows: list[object]) -> list[str]:
    return list(rows[0]) if rows and isinstance(rows[0], dict) else []


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_message_and_field_stands_on_the_page(event: events.Event) -> None:
    text = PAGE.read_text(encoding="utf-8")
    name, fields = fields_of(event, 16000)
    nested = [key for value in fields.values() if isinstance(value, dict) for key in value]
    words = [key for value in fields.values() if isinstance(value, list) for key in _keys(value)]
    missing = [key for key in (name, *fields, *nested, *words) if f"`{key}`" not in text and f'"{key}"' not in text]
    assert missing == []


@pytest.mark.parametrize("name", ["stats", "analysis_reset", "streams", "paused", "resumed"])
def test_every_reply_stands_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
