from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from fastring import events
from fastring.events import Analysis, Final, Latency, Partial, Word
from fastring.protocols.native import NativeCodec
from fastring.protocols.native_events import ENCODED, fields_of

EVENTS = sorted(ENCODED, key=lambda kind: kind.__name__)
LATENCY = Latency(10.0, 20.04, 300.06, 330.123)
WORDS = (Word("one", 0, 8_000, 0.91234, stable=True), Word("two", 8_000, 16_000, 0.5))

RENAMED = {  # field of the event → field on the wire
    "latency": "latency_ms",
    "level_db": "level",
    "end": "end",
}


def example(kind: type) -> Any:
    """An event of that class with a plausible value in every field."""
    by_name = {
        "words": WORDS,
        "latency": LATENCY,
        "onsets": (4_000,),
        "stats": {"messages": 1},
        "fields": {"a": 1},
        "name": "stats",
        "state": "recovered",
        "ended_by": "silence",
    }
    by_type = {"int": 7, "float": 0.5, "str": "text", "bool": False, "float | None": 0.5}
    values = {f.name: by_name.get(f.name, by_type.get(str(f.type))) for f in dataclasses.fields(kind)}
    assert None not in values.values(), f"teach this test the type of a field of {kind.__name__}: {values}"
    return kind(**values)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_becomes_one_json_object(kind: type) -> None:
    (message,) = NativeCodec("s", sample_rate=16_000).encode(example(kind))
    parsed = json.loads(message)
    assert parsed["stream_id"] == "s"
    assert parsed["type"]


@pytest.mark.parametrize(
    "kind", [kind for kind in EVENTS if kind not in (Analysis, events.Reply)], ids=lambda kind: kind.__name__
)
def test_no_field_is_lost(kind: type) -> None:
    event = example(kind)
    told = fields_of(event, 16_000)[1]
    hidden = {"from_finalize", "ended_by", "silent", "language"}  # told by other protocols
    for field in dataclasses.fields(kind):
        if field.name not in hidden:
            assert RENAMED.get(field.name, field.name) in told, field.name


def test_samples_become_seconds() -> None:
    fields = fields_of(Final(3, 1, "one two", WORDS, 0.7, 4_000, 24_001, LATENCY), 16_000)[1]
    assert fields["start"] == 0.25
    assert fields["end"] == 1.500063
    assert fields["words"] == [
        {"word": "one", "start": 0.0, "end": 0.5, "confidence": 0.9123, "stable": True},
        {"word": "two", "start": 0.5, "end": 1.0, "confidence": 0.5, "stable": False},
    ]
    assert fields["latency_ms"] == {"buffer_ms": 10.0, "queue_ms": 20.0, "inference_ms": 300.1, "total_ms": 330.1}


def test_partial_has_the_fields_of_the_protocol() -> None:
    partial = Partial(2, "one two", "one", WORDS, 0.7, 0, 16_000, float("-inf"), 0.25, 3, LATENCY)
    name, fields = fields_of(partial, 16_000)
    assert name == "partial"
    assert set(fields) == {
        *("utterance", "text", "stable_text", "words", "confidence", "start", "end", "level"),
        *("buffer_usage", "dropped", "latency_ms"),
    }
    assert fields["level"] is None


def test_analysis_has_the_fields_of_the_protocol() -> None:
    analysis = Analysis(44_100, None, 0.0, 440.0, 0.9, 0.1, 0.3, 0.5, None, float("nan"), 0.02, (22_050,), 0.1, 0)
    name, fields = fields_of(analysis, 44_100)
    assert name == "analysis"
    assert set(fields) == {
        *("timestamp", "tempo", "pitch", "energy", "rms", "spectral_centroid", "spectral_rolloff"),
        *("zero_crossing_rate", "onset_detected", "onsets", "peak", "pitch_confidence", "tempo_confidence"),
        *("buffer_usage", "dropped"),
    }
    assert fields["timestamp"] == 1.0
    assert fields["onsets"] == [0.5]
    assert fields["onset_detected"] is True
    assert (fields["tempo"], fields["pitch"], fields["spectral_rolloff"]) == (None, 440.0, None)


def test_early_triggers_and_replies() -> None:
    trigger = events.EarlyTrigger(4, 1, "t1", "one two", 0.9)
    assert fields_of(trigger, 16_000) == (
        "early_trigger",
        {"seq": 4, "utterance": 1, "trigger_id": "t1", "text": "one two", "confidence": 0.9},
    )
    assert fields_of(events.Reply("paused"), 16_000) == ("paused", {})


def test_only_a_fallback_names_an_engine() -> None:
    told = fields_of(events.Status("fallback", engine="deepgram-batch", reason="closed"), 16_000)[1]
    assert (told["engine"], told["reason"]) == ("deepgram-batch", "closed")
    assert "engine" not in fields_of(events.Status("recovered"), 16_000)[1]
