from __future__ import annotations

import numpy as np

from fastring.asr.transcriber import Capabilities
from fastring.config import EndpointSettings, VoiceSettings
from fastring.events import Final, Latency, Partial, SpeechEnded, SpeechStarted, Status, Word
from fastring.server.metrics import Metrics
from fastring.server.voice_meter import VoiceMeter
from fastring.session.voice import VoiceSession

LATENCY = Latency(10.0, 20.0, 30.0, 60.0)


def _words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word, 0, 1, 0.9) for word in text.split())


def _partial(text: str) -> Partial:
    return Partial(0, text, "", _words(text), 0.9, 0, 1, -20.0, 0.0, 0, LATENCY)


def test_the_first_partial_and_changed_words_are_counted() -> None:
    metrics = Metrics()
    meter = VoiceMeter(metrics)
    meter.note(SpeechStarted(0, 0, 0), now=1.0)
    meter.note(_partial("one too"), now=1.5)
    meter.note(_partial("one two three"), now=2.0)
    meter.note(Final(1, 0, "one two three", _words("one two three"), 0.9, 0, 1, LATENCY), now=2.5)
    meter.note(SpeechEnded(2, 0, 1), now=2.5)
    text = metrics.exposition().decode()
    assert "fastring_first_partial_seconds_count 1.0" in text
    assert "fastring_first_partial_seconds_sum 0.5" in text
    assert metrics.summary()["latency_sample_count"] == 3
    assert metrics.summary()["avg_latency_ms"] == 60.0


def test_holes_are_counted_in_seconds() -> None:
    metrics = Metrics()
    VoiceMeter(metrics).note_gap(8_000)
    assert "fastring_gap_seconds_total 0.5" in metrics.exposition().decode()


def test_changes_of_engine_are_counted() -> None:
    metrics = Metrics()
    VoiceMeter(metrics).note(Status("fallback", engine="deepgram-batch", reason="closed"), now=1.0)
    text = metrics.exposition().decode()
    assert 'fastring_status_messages_total{engine="deepgram-batch",state="fallback"} 1.0' in text


def test_a_finalize_after_silence_says_nothing_of_latencies() -> None:
    metrics = Metrics()
    meter = VoiceMeter(metrics)
    meter.note(Final(0, 0, "", (), 0.0, 0, 0, Latency(0.0, 0.0, 0.0, 0.0)), now=1.0)
    assert metrics.summary()["latency_sample_count"] == 0
    text = metrics.exposition().decode()
    assert "fastring_final_lag_seconds_count 0.0" in text
    assert "fastring_finals_total 1.0" in text


def test_what_the_gate_saved_is_counted_at_the_end() -> None:
    metrics = Metrics()
    session = VoiceSession(
        "s", voice=VoiceSettings(), endpoint=EndpointSettings(), capabilities=Capabilities("fake", "none")
    )
    session.receive_audio(np.zeros(32_000, np.int16), 0.0)
    VoiceMeter(metrics).note_end(session.stats())
    text = metrics.exposition().decode()
    assert 'fastring_vad_frames_total{verdict="gated"} 62.0' in text
    assert 'fastring_vad_frames_total{verdict="scored"} 0.0' in text


def test_how_long_after_it_was_said_a_word_is_stable() -> None:
    metrics = Metrics()
    meter = VoiceMeter(metrics)
    stable, open_word = Word("one", 0, 8_000, 0.9, stable=True), Word("two", 8_000, 16_000, 0.9)
    meter.note_audio(16_000, now=11.0)  # the first word ended at 10.5, the second at 11.0
    partial = Partial(0, "one two", "one", (stable, open_word), 0.9, 0, 16_000, -20.0, 0.0, 0, LATENCY)
    meter.note(partial, now=11.25)
    meter.note(partial, now=11.5)
    meter.note(Final(1, 0, "one two", (stable, open_word), 0.9, 0, 16_000, LATENCY), now=12.0)
    text = metrics.exposition().decode()
    assert "fastring_word_commit_seconds_count 2.0" in text
    assert "fastring_word_commit_seconds_sum 1.75" in text
    assert "fastring_retracted_words_total 0.0" in text


def test_a_stable_word_that_changes_or_goes_would_be_seen() -> None:
    metrics = Metrics()
    meter = VoiceMeter(metrics)
    stable = tuple(Word(text, 0, 1, 0.9, stable=True) for text in ("one", "two"))
    meter.note(Partial(0, "one two", "one two", stable, 0.9, 0, 1, -20.0, 0.0, 0, LATENCY), now=1.0)
    meter.note(Final(1, 0, "three", _words("three"), 0.9, 0, 1, LATENCY), now=2.0)
    assert "fastring_retracted_words_total 2.0" in metrics.exposition().decode()
