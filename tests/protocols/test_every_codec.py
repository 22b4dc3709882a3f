"""What holds for every codec: each event class is told or explicitly declined, and nothing falls through."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
from example_events import example

from fastring import events, protocols
from fastring.config import EndpointSettings
from fastring.protocols.codec import Codec
from fastring.protocols.deepgram import DeepgramCodec
from fastring.protocols.deepgram_flux import FluxCodec
from fastring.protocols.deepgram_results import ModelInfo
from fastring.protocols.native import NativeCodec
from fastring.protocols.openai_realtime import RealtimeCodec
from fastring.protocols.openai_session import RealtimeSession
from fastring.protocols.vosk import VoskCodec
from fastring.protocols.whisper_live import WhisperLiveCodec
from fastring.protocols.wyoming import WyomingCodec

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = get_args(events.Event)

OPEN: dict[type, Callable[[], Codec]] = {
    NativeCodec: lambda: NativeCodec("s"),
    VoskCodec: VoskCodec,
    WhisperLiveCodec: WhisperLiveCodec,
    DeepgramCodec: lambda: DeepgramCodec("id", created="2026-01-01T00:00:00Z", model=ModelInfo("m", "1", "a")),
    FluxCodec: lambda: FluxCodec("id"),
    WyomingCodec: lambda: WyomingCodec({"asr": []}),
    RealtimeCodec: lambda: RealtimeCodec(
        RealtimeSession(
            "s", expires_at=0, endpoint=EndpointSettings(), model="digits", knows_model=lambda name: name == "digits"
        ),
        new_id=lambda prefix: f"{prefix}_1",
    ),
}
"""How each codec is made. A new one gets its line here."""


def codec_classes() -> set[type]:
    """Every class of a protocol's module that encodes events."""
    modules = [
        importlib.import_module(f"{protocols.__name__}.{it.name}") for it in pkgutil.iter_modules(protocols.__path__)
    ]
    return {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and cls is not Codec and {"decode", "encode"} <= vars(cls).keys()
    }


def test_every_codec_is_known_here() -> None:
    assert codec_classes() == set(OPEN)


@pytest.mark.parametrize("codec", OPEN, ids=lambda codec: codec.__name__)
def test_every_event_is_told_or_declined(codec: Any) -> None:
    assert set(EVENTS) == codec.ENCODED | codec.DECLINED
    assert not codec.ENCODED & codec.DECLINED


@pytest.mark.parametrize("codec", OPEN, ids=lambda codec: codec.__name__)
@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_declined_means_silence_and_nothing_fails(codec: Any, kind: type) -> None:
    said = list(OPEN[codec]().encode(example(kind)))
    assert all(isinstance(message, str | bytes) for message in said)
    assert kind in codec.ENCODED or not said


def test_deepgram_takes_whatever_a_channel_may_say() -> None:
    kinds = get_args(get_type_hints(events.ChannelEvent)["event"])
    said = {kind: list(OPEN[DeepgramCodec]().encode(events.ChannelEvent(1, 2, example(kind)))) for kind in kinds}
    assert said[events.Partial]
    assert said[events.Final]
    assert [message for messages in said.values() for message in messages if "[1,2]" not in str(message)] == []
