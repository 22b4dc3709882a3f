"""Settings of the engines: a value out of range is named with its limit, and no key is shown."""

from __future__ import annotations

import pytest

from fastring.config import AsrSettings, DeepgramSettings, OpenAISettings, Settings
from fastring.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "values", "named"),
    [
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
