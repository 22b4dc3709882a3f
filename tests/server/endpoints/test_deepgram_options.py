from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from multidict import MultiDict

from fastring.audio.format import AudioFormat
from fastring.config import EndpointSettings
from fastring.server.endpoints.deepgram_options import (
    ListenOptions,
    endpoint_settings,
    model_info,
    new_request_id,
    utc_now,
)
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from serving import Running

CONFIGURED = EndpointSettings(trailing_silence_ms=256)


def read(server: Running, **parameters: str) -> ListenOptions:
    return ListenOptions.read(server.services, MultiDict(parameters))


@pytest.mark.parametrize(
    ("parameters", "audio"),
    [
        ({}, AudioFormat("container")),
        ({"sample_rate": "7", "channels": "99"}, AudioFormat("container")),  # a container says that itself
        ({"encoding": "linear16", "sample_rate": "48000", "channels": "2"}, AudioFormat("linear16", 48_000, 2)),
        ({"encoding": "linear32", "sample_rate": "16000"}, AudioFormat("float32", 16_000)),
        ({"encoding": "float32", "sample_rate": "16000"}, AudioFormat("float32", 16_000)),
        ({"encoding": "mulaw", "sample_rate": "8000"}, AudioFormat("mulaw", 8_000)),
        ({"encoding": "alaw", "sample_rate": "8000"}, AudioFormat("alaw", 8_000)),
        ({"encoding": "opus", "sample_rate": "48000"}, AudioFormat("container")),
        ({"encoding": "flac"}, AudioFormat("container")),
    ],
)
async def test_how_the_bytes_are_read(server: Running, parameters: dict[str, str], audio: AudioFormat) -> None:
    assert read(server, **parameters).audio == audio


@pytest.mark.parametrize(
    ("parameters", "silence_ms", "said_ms"),
    [
        ({}, 256, 0),
        ({"endpointing": "true"}, 256, 0),
        ({"endpointing": "10"}, 100, 0),
        ({"endpointing": "300"}, 300, 0),
        ({"endpointing": "false"}, 256, None),
        ({"endpointing": "60000"}, 10_000, 60_000),
        ({"endpointing": "3000", "utterance_end_ms": "1000"}, 1000, 3000),
        ({"endpointing": "300", "utterance_end_ms": "1000"}, 300, 0),
        ({"utterance_end_ms": "50"}, 100, 0),
    ],
)
async def test_silence_is_mapped(
    server: Running, parameters: dict[str, str], silence_ms: int, said_ms: int | None
) -> None:
    options = read(server, **parameters)
    endpoint = endpoint_settings(options, CONFIGURED)
    assert endpoint.trailing_silence_ms == silence_ms
    assert options.live(endpoint).endpointing_ms == said_ms


@pytest.mark.parametrize(
    ("parameters", "field", "value"),
    [
        ({"interim_results": "true"}, "interim", True),
        ({"interim_results": "False"}, "interim", False),
        ({"punctuate": "true"}, "punctuate", True),
        ({"smart_format": "true"}, "punctuate", True),
        ({"vad_events": "true"}, "vad_events", True),
        ({"multichannel": "true"}, "multichannel", True),
        ({"utterance_end_ms": "1000"}, "utterance_end_ms", 1000),
        ({"language": "en-GB"}, "language", "en"),
        ({"language": "multi"}, "language", ""),
    ],
)
async def test_switches(server: Running, parameters: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read(server, **parameters), field) == value


async def test_redacting_is_refused_wherever_it_stands(server: Running) -> None:
    with pytest.raises(Problem) as caught:
        ListenOptions.read(server.services, MultiDict([("redact", "false"), ("redact", "pci")]))
    assert (caught.value.status, caught.value.param) == (400, "redact")
    assert read(server, redact="false").punctuate is False


async def test_the_model_is_the_loaded_one(server: Running) -> None:
    assert (model_info(server.services).name, model_info(server.services).arch) == ("script", "scripted")


def test_ids_and_times() -> None:
    assert uuid.UUID(new_request_id()) != uuid.UUID(new_request_id())
    assert utc_now().endswith("Z")
    assert len(utc_now()) == len("2026-01-02T03:04:05.678Z")
