from __future__ import annotations

from example_events import FEEDBACK, LATENCY, WORDS

from fastring import events
from fastring.events import Analysis, Final, Partial
from fastring.protocols.native_events import ENCODED, fields_of

EVENTS = sorted(ENCODED, key=lambda kind: kind.__name__)

RENAMED = {  # field of the event → field on the wire
    "latency": "latency_ms",
    "level_db": "level",
    "end": "end",
}
RENAMED_OF: dict[type, dict[str, str]] = {
    events.Recitation: {"transcript": "partial_transcript", "words": "word_feedback"},
    events.RecitationResult: {"verification": "score", "end": "duration"},
}


def test_samples_become_seconds() -> None:
    fields = fields_of(Final(3, 1, "one two", WORDS, 0.7, 4_000, 24_001, LATENCY), 16_000)[1]
    assert fields["start"] == 0.25
    assert fields["end"] == 1.500063
    assert fields["words"] == [
        {"word": "One,", "start": 0.0, "end": 0.5, "confidence": 0.9123, "stable": True},
        {"word": "two.", "start": 0.5, "end": 1.0, "confidence": 0.5, "stable": False},
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


def test_feedback_has_the_fields_of_the_protocol() -> None:
    name, fields = fields_of(events.Recitation("one too", FEEDBACK, ("six",), LATENCY, 2, server_busy=True), 16_000)
    assert name == "partial_result"
    assert fields == {
        "partial_transcript": "one too",
        "word_feedback": [
            {"index": 0, "word": "one", "status": "correct"},
            {"index": 1, "word": "two", "status": "minor_mistake", "heard": "too"},
        ],
        "extra_words": ["six"],
        "latency_ms": {"buffer_ms": 10.0, "inference_ms": 300.1, "total_ms": 330.1},
        "queue_depth": 2,
        "server_busy": True,
    }
    assert fields_of(events.RecitationFailed("no"), 16_000) == (
        "final_result_error",
        {"message": "no", "fallback": "/verify"},
    )
