"""Deepgram's turn-based endpoint (`/v2/listen`, Flux): its query, and what stands behind the connection."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from fastring.audio.decode import open_decoder
from fastring.errors import ProtocolError
from fastring.protocols.deepgram_flux import CONNECTED, FluxCodec
from fastring.protocols.deepgram_turns import RANGES, Thresholds
from fastring.server.channels_station import ChannelsStation
from fastring.server.endpoints.deepgram_options import (
    audio_format,
    new_request_id,
    refuse_unkept_promises,
    single_parameters,
)
from fastring.server.family import Asked, Opening
from fastring.server.model_names import check_language, check_model
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from multidict import MultiMapping

    from fastring.audio.format import AudioFormat
    from fastring.server.options import Query
    from fastring.server.services import Services
    from fastring.server.voice_runner import VoiceRunner

__all__ = ["IDLE_TIMEOUT_S", "FluxOptions", "open_flux"]

IDLE_TIMEOUT_S: Final = 30.0
"""A client that sends nothing for so long is let go, unless `server.idle_timeout_s` is shorter: it has no KeepAlive."""

_SESSION_RATE: Final = 16_000
_FRAME_MS: Final = 32
_UPDATE_MS: Final = 250
_LONGEST_TURN_S: Final = 120.0  # a turn may hold many sentences
_ENGLISH, _MULTI = "flux-general-en", "flux-general-multi"
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{2,8})*\Z")


@dataclass(frozen=True, slots=True)
class FluxOptions:
    """What a request for `/v2/listen` asks for.

    Attributes:
        audio: how the bytes are to be read; of several channels the mean is heard.
        thresholds: when turns end.
        language: code, or "" for the configured one.
        hints: languages that the client expects, as it wrote them.
        several: the client expects any of several languages, and is told which it was.
    """

    audio: AudioFormat
    thresholds: Thresholds
    language: str = ""
    hints: tuple[str, ...] = ()
    several: bool = False

    @classmethod
    def read(cls, services: Services, asked: MultiMapping[str]) -> FluxOptions:
        """Read them; names that mean nothing here are ignored.

        Raises:
            Problem: 400 that names the parameter.
        """
        refuse_unkept_promises(asked)
        query = single_parameters(asked)
        model = query.text("model", r"[^\x00-\x1f]{1,256}")
        check_model(services, model)
        hints = _hints(asked)
        return cls(
            audio=audio_format(query, multichannel=False),
            thresholds=_thresholds(query),
            language=_language(services, model, hints),
            hints=hints,
            several=model == _MULTI,
        )


def open_flux(services: Services, asked: Asked) -> Opening:
    """A talk in turns.

    Raises:
        Problem: 400, 429 or 503.
    """
    request_id = new_request_id()
    options = FluxOptions.read(services, asked.query)
    services.registry.check_engine()
    configured = services.settings.endpoint
    endpointing = options.thresholds.endpointing(configured.trailing_silence_ms)
    codec = FluxCodec(
        request_id,
        thresholds=options.thresholds,
        silence_ms=configured.trailing_silence_ms,
        language_hints=options.hints,
        tell_language=options.several,
        max_message_bytes=services.settings.server.max_message_bytes,
    )

    def open_runner(_number: int) -> VoiceRunner:
        runner = services.voice_runner(
            services.session_name(request_id),
            language=options.language,
            interim=True,
            endpoint=replace(configured, max_utterance_s=max(configured.max_utterance_s, _LONGEST_TURN_S)),
        )
        runner.set_endpointing(endpointing, time.monotonic())
        return runner

    station = ChannelsStation(
        request_id,
        open_runner=open_runner,
        decoder=open_decoder(options.audio, _SESSION_RATE, "mix"),
        channels=1,
        input_rate=options.audio.sample_rate,
        input_channels=options.audio.channels,
        frame_bytes=options.audio.frame_bytes,
        counters=codec.counters,
        reach_samples=(configured.min_speech_ms + 2 * _FRAME_MS) * _SESSION_RATE // 1000,
        tell_every_samples=_UPDATE_MS * _SESSION_RATE // 1000,
        greeting=CONNECTED,
        on_gone=services.registry.remove,
    )
    services.registry.add(station)
    return Opening(
        codec,
        station,
        headers={"dg-request-id": request_id},
        idle_timeout_s=min(IDLE_TIMEOUT_S, services.settings.server.idle_timeout_s),
    )


def _thresholds(query: Query) -> Thresholds:
    given = {name: query.decimal(name, low, high, low) for name, (low, high) in RANGES.items() if query.has(name)}
    try:
        return Thresholds().changed(given)
    except ProtocolError as error:
        raise Problem(400, "invalid_parameter", str(error)) from None


def _hints(asked: MultiMapping[str]) -> tuple[str, ...]:
    hints = tuple(asked.getall("language_hint", ()))
    for hint in hints:
        if not _LANGUAGE.match(hint):
            raise Problem(400, "invalid_parameter", f"language_hint = {hint[:40]!a}: must be a language, such as en")
    return hints


def _language(services: Services, model: str, hints: tuple[str, ...]) -> str:
    """The one that the client expects, if it is one, the engine has it, and none is configured."""
    expected = hints if model == _MULTI else ("en",) if model == _ENGLISH else ()
    if len(expected) != 1 or services.settings.asr.language:
        return ""
    try:
        return check_language(services, expected[0])
    except Problem:
        return ""
