"""Defaults are valid, settings are frozen, and a value out of range is named with its limit."""

from __future__ import annotations

import dataclasses

import pytest

from fastring.config import (
    AnalysisSettings,
    AsrSettings,
    DeepgramSettings,
    EndpointSettings,
    OpenAISettings,
    ServerSettings,
    Settings,
    VoiceSettings,
)
from fastring.errors import ConfigError

SECTIONS = [f.name for f in dataclasses.fields(Settings)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_says_what_it_does(section: str) -> None:
    for field in dataclasses.fields(getattr(Settings(), section)):
        assert field.metadata["help"], f"{section}.{field.name}"


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_are_frozen(section: str) -> None:
    settings = getattr(Settings(), section)
    name = dataclasses.fields(settings)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, name, None)


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
        (AsrSettings, {"beam_size": 0}, "asr.beam_size = 0"),
        (AsrSettings, {"max_queue": 100}, "asr.max_queue = 100"),
        (AsrSettings, {"engine": "deepgram", "fallback": ("deepgram",)}, "asr.fallback = ('deepgram',)"),
        (AsrSettings, {"breaker_failures": 0}, "asr.breaker_failures = 0"),
        (AsrSettings, {"decoders": 0}, "asr.decoders = 0"),
        (DeepgramSettings, {"base_url": "ftp://127.0.0.1"}, "deepgram.base_url = 'ftp://127.0.0.1'"),
        (DeepgramSettings, {"base_url": "localhost:80"}, "deepgram.base_url = 'localhost:80'"),
        (DeepgramSettings, {"chunk_size_ms": 5}, "deepgram.chunk_size_ms = 5"),
        (DeepgramSettings, {"keepalive_s": 12.0}, "deepgram.keepalive_s = 12.0"),
        (DeepgramSettings, {"options": ("punctuate",)}, "deepgram.options = 'punctuate'"),
        (OpenAISettings, {"base_url": "ws://127.0.0.1"}, "openai.base_url = 'ws://127.0.0.1'"),
        (OpenAISettings, {"timeout_s": 0.0}, "openai.timeout_s = 0.0"),
        (AnalysisSettings, {"update_hz": 101.0}, "analysis.update_hz = 101.0"),
        (ServerSettings, {"port": 70_000}, "server.port = 70000"),
        (ServerSettings, {"max_upload_bytes": 0}, "server.max_upload_bytes = 0"),
        (ServerSettings, {"idle_timeout_s": 0.0}, "server.idle_timeout_s = 0.0"),
        (ServerSettings, {"heartbeat_s": -1.0}, "server.heartbeat_s = -1.0"),
        (ServerSettings, {"send_timeout_s": float("nan")}, "server.send_timeout_s = nan"),
        (ServerSettings, {"handshake_s": 1e9}, "server.handshake_s = 1000000000.0"),
        (ServerSettings, {"drain_s": -0.1}, "server.drain_s = -0.1"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_limit(section: type, values: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        section(**values)
    assert str(caught.value).startswith(named)
    assert "must be" in str(caught.value)


@pytest.mark.parametrize("settings", [DeepgramSettings(api_key="k3y"), OpenAISettings(api_key="k3y")])
def test_no_secret_is_shown(settings: object) -> None:
    assert "k3y" not in repr(settings)
    assert "k3y" not in repr(Settings(**{type(settings).__name__.removesuffix("Settings").lower(): settings}))  # type: ignore[arg-type]
