from __future__ import annotations

import math
from typing import Any

import pytest

from fastring.cli.live_state import LiveState


def analysis(timestamp: float, **fields: Any) -> dict[str, Any]:
    message = {"type": "analysis", "timestamp": timestamp, "rms": 0.1, "pitch": None, "onsets": [], "tempo": None}
    return {**message, "buffer_usage": 0.25, "dropped": 0, **fields}


def word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, "confidence": 0.9, "stable": True}


def test_analysis_fills_the_history() -> None:
    state = LiveState(started_s=100.0)
    state.receive(analysis(0.05, rms=1.0, pitch=220.0, onsets=[0.01, 0.04]), 100.052)
    state.receive(analysis(0.10, rms=0.0, tempo=120.0, dropped=3), 100.104)
    assert state.level_db == {0: 0.0, 1: 0.0, 2: pytest.approx(-100.0)}
    assert state.pitch_hz == {0: 220.0, 1: 220.0}
    assert state.onsets_s == [0.01, 0.04]
    assert (state.tempo, state.buffer_usage, state.dropped) == (120.0, 0.25, 3)
    assert state.latencies.analysis == pytest.approx([2.0, 4.0])
    assert math.isclose(state.elapsed_s(101.5), 1.5)


def test_an_utterance_from_partials_to_its_final() -> None:
    state = LiveState(started_s=10.0)
    state.receive({"type": "speech_started", "start": 0.5}, 10.6)
    state.receive({"type": "partial", "start": 0.4, "text": "two", "stable_text": ""}, 10.9)
    state.receive({"type": "partial", "start": 0.4, "text": "two five", "stable_text": "two"}, 11.4)
    assert state.partials == 2
    assert state.partial is not None
    assert state.text == ""
    words = [word("two", 0.5, 0.8), word("five", 1.0, 1.3)]
    state.receive({"type": "final", "text": "two five", "words": words}, 11.7)
    assert state.partial is None
    assert (state.text, state.words) == ("two five", words)
    assert state.latencies.first_partial == pytest.approx([400.0])
    assert state.latencies.partial_to_final == pytest.approx([300.0])
    assert state.latencies.last_word_to_final == pytest.approx([400.0])


def test_a_final_without_partials_and_one_without_words() -> None:
    state = LiveState(started_s=0.0)
    state.receive({"type": "final", "text": "six", "words": [word("six", 0.1, 0.4)]}, 1.0)
    state.receive({"type": "final", "text": "", "words": []}, 2.0)
    assert state.text == "six"
    assert state.latencies.partial_to_final == []
    assert len(state.latencies.last_word_to_final) == 1


def test_errors_are_kept_and_other_kinds_passed_over() -> None:
    state = LiveState(started_s=0.0)
    state.receive({"type": "error", "code": "odd_length", "message": "3 bytes"}, 1.0)
    state.receive({"type": "ready"}, 1.0)
    state.receive({"type": "a kind of a later version"}, 1.0)
    assert state.errors == ["odd_length: 3 bytes"]
