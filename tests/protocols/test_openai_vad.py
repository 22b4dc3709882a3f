from __future__ import annotations

from typing import Any

import pytest

from fastring.config import EndpointSettings
from fastring.errors import ProtocolError
from fastring.protocols.openai_vad import SERVER_VAD, endpoint_for

BASE = EndpointSettings()


def test_what_is_given_counts() -> None:
    vad = {"type": "server_vad", "threshold": 0.8, "prefix_padding_ms": 100, "silence_duration_ms": 900}
    settings = endpoint_for(vad, BASE)
    assert (settings.speech_threshold, settings.pre_roll_ms, settings.trailing_silence_ms) == (0.8, 100, 900)
    assert settings.silence_threshold == pytest.approx(0.65)
    assert settings.max_utterance_s == BASE.max_utterance_s


@pytest.mark.parametrize("vad", [{}, {"type": "server_vad"}, SERVER_VAD, {"threshold": None}])
def test_their_defaults_leave_the_measured_thresholds(vad: dict[str, Any]) -> None:
    settings = endpoint_for(vad, BASE)
    assert (settings.speech_threshold, settings.silence_threshold) == (BASE.speech_threshold, BASE.silence_threshold)
    assert (settings.pre_roll_ms, settings.trailing_silence_ms) == (300, 500)


@pytest.mark.parametrize("threshold", [0, 0.01, 0.2, 0.99, 1.0, "0.3"])
def test_every_threshold_makes_settings_that_hold(threshold: object) -> None:
    settings = endpoint_for({"threshold": threshold}, BASE)
    assert 0 < settings.silence_threshold <= settings.speech_threshold < 1


def test_forms_hold_numbers_as_text() -> None:
    assert endpoint_for({"silence_duration_ms": "250"}, BASE).trailing_silence_ms == 250


def test_semantic_vad_is_its_eagerness() -> None:
    waits = [
        endpoint_for({"type": "semantic_vad", "eagerness": eagerness}, BASE).trailing_silence_ms
        for eagerness in ("high", "medium", "low")
    ]
    assert waits == sorted(waits)
    auto = endpoint_for({"type": "semantic_vad"}, BASE)
    assert auto == endpoint_for({"type": "semantic_vad", "eagerness": "auto"}, BASE)


@pytest.mark.parametrize(
    "vad",
    [
        {"type": "push_to_talk"},
        {"type": None},
        {"type": ["server_vad"]},
        {"threshold": 1.5},
        {"threshold": True},
        {"threshold": "loud"},
        {"threshold": float("nan")},
        {"silence_duration_ms": 31},
        {"silence_duration_ms": 1e9},
        {"silence_duration_ms": 10**400},
        {"prefix_padding_ms": -1},
        {"prefix_padding_ms": {}},
        {"type": "semantic_vad", "eagerness": "very"},
        {"type": "semantic_vad", "eagerness": {}},
    ],
)
def test_nonsense_is_refused_by_name(vad: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="turn_detection") as caught:
        endpoint_for(vad, BASE)
    assert caught.value.code == "invalid_value"
    assert next(name for name in ("eagerness", *vad) if name in vad) in str(caught.value)
