"""Settings of hearing and measuring: a value out of range is named with its limit."""

from __future__ import annotations

import pytest

from fastring.config import AnalysisSettings, EndpointSettings, VoiceSettings
from fastring.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
        (EndpointSettings, {"speech_threshold": 1.5}, "endpoint.speech_threshold = 1.5"),
        (EndpointSettings, {"silence_threshold": 0.9}, "endpoint.silence_threshold = 0.9"),
        (EndpointSettings, {"trailing_silence_ms": 1}, "endpoint.trailing_silence_ms = 1"),
        (VoiceSettings, {"window_seconds": 9.0}, "voice.window_seconds = 9.0"),
        (VoiceSettings, {"overlap_seconds": 1.0}, "voice.overlap_seconds = 1.0"),
        (VoiceSettings, {"ring_seconds": 5.0}, "voice.ring_seconds = 5.0"),
        (VoiceSettings, {"adaptive_latency_low_ms": 900}, "voice.adaptive_latency_low_ms = 900"),
        (VoiceSettings, {"max_segment_s": 40.0}, "voice.max_segment_s = 40.0"),
        (AnalysisSettings, {"update_hz": 101.0}, "analysis.update_hz = 101.0"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(section: type, values: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        section(**values)
    assert str(caught.value).startswith(named)
    assert "must be" in str(caught.value)
