"""From a request for a WebSocket to what will stand behind it; every refusal is made here, before the upgrade."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from fastring.audio.decode import open_decoder
from fastring.errors import StreamExistsError
from fastring.events import VoiceReady
from fastring.protocols.native import NativeCodec
from fastring.server.analysis_station import AnalysisStation, AnalysisStream
from fastring.server.control_station import ControlStation
from fastring.server.decoding import PlainDecoder
from fastring.server.options import AudioOptions, Query
from fastring.server.problems import Problem
from fastring.server.voice_station import VoiceStation
from fastring.session.analysis import AnalysisSession

if TYPE_CHECKING:
    from fastring.protocols.codec import Codec
    from fastring.server.decoding import Decoder
    from fastring.server.services import Services
    from fastring.server.station import Station

__all__ = ["AUDIO_DEFAULTS", "Opening", "open_audio", "open_control", "open_voice", "start_stream"]

SESSION_RATE = 16_000
AUDIO_DEFAULTS = AudioOptions("float32", 44_100)
VOICE_DEFAULTS = AudioOptions("linear16", SESSION_RATE)


@dataclass(frozen=True, slots=True)
class Opening:
    """A connection about to be."""

    codec: Codec
    station: Station


def open_voice(services: Services, stream_id: str, query: Query, owner: str) -> Opening:
    """A voice stream of that id.

    Raises:
        Problem: 400, 409 or 503.
    """
    audio = AudioOptions.read(query, VOICE_DEFAULTS)
    check_model(services, query.text("model", r"[^\x00-\x1f]{1,256}"))
    language = check_language(services, query.text("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"))
    interim = query.flag("interim", True)
    name = services.session_name(stream_id)
    settings = services.settings
    endpoint = settings.endpoint
    codec = _codec(services, stream_id, audio, SESSION_RATE)
    station = VoiceStation(
        stream_id,
        session=services.voice_session(name, language=language, interim=interim),
        session_name=name,
        decoder=open_decoder(audio.format, SESSION_RATE),
        pool=services.pool,
        metrics=services.metrics,
        ready=VoiceReady(
            pcm_sample_rate=SESSION_RATE,
            encoding=audio.encoding,
            channels=audio.channels,
            ring_buffer_seconds=settings.voice.ring_seconds,
            max_message_bytes=settings.server.max_message_bytes,
            window_seconds=services.window.seconds,
            engine=services.capabilities.engine,
            model=services.capabilities.model,
            progressive=settings.voice.progressive and interim,
            resume_token=services.tokens.issue(name, owner, time.time()),
        ),
        input_rate=audio.sample_rate,
        frame_bytes=audio.frame_bytes,
        counters=codec.counters,
        reach_samples=(endpoint.pre_roll_ms + endpoint.min_speech_ms + 1000) * SESSION_RATE // 1000,
        on_gone=services.registry.remove,
    )
    _add(services, station)
    return Opening(codec, station)


def open_audio(services: Services, stream_id: str, query: Query, _owner: str) -> Opening:
    """A connection to the analysis stream of that id, which is started if it is not there.

    Raises:
        Problem: 400 (also where the stream runs at another rate), 409 or 503.
    """
    found = services.registry.find(stream_id, "audio")
    running = found if isinstance(found, AnalysisStream) else None
    audio = AudioOptions.read(query, running.audio if running else AUDIO_DEFAULTS)
    update_hz = query.decimal("update_hz", 1, 100, services.settings.analysis.update_hz)
    for name in ("sample_rate", "channels"):
        if running and getattr(audio, name) != getattr(running.audio, name):
            raise Problem(
                400, "invalid_parameter", f"the stream runs with {name} = {getattr(running.audio, name)}", param=name
            )
    decoder = _analysis_decoder(audio)
    stream = running or start_stream(services, stream_id, audio, kept=False)
    codec = _codec(services, stream_id, audio, audio.sample_rate)
    station = AnalysisStation(
        stream,
        decoder=decoder,
        encoding=audio.encoding,
        frame_bytes=audio.frame_bytes,
        update_hz=update_hz,
        counters=codec.counters,
    )
    return Opening(codec, station)


def open_control(services: Services, stream_id: str, _query: Query, _owner: str) -> Opening:
    """A control connection about the stream of that id, which must be there.

    Raises:
        UnknownStreamError: it is not.
    """
    services.registry.get(stream_id)
    return Opening(
        _codec(services, stream_id, AUDIO_DEFAULTS, SESSION_RATE), ControlStation(stream_id, services.registry)
    )


def start_stream(services: Services, stream_id: str, audio: AudioOptions, *, kept: bool) -> AnalysisStream:
    """Start an analysis stream.

    Raises:
        Problem: 409 or 503.
    """
    stream = AnalysisStream(
        stream_id,
        session=AnalysisSession(
            stream_id,
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            settings=services.settings.analysis,
        ),
        audio=audio,
        metrics=services.metrics,
        kept=kept,
        on_empty=services.registry.remove,
    )
    _add(services, stream)
    return stream


def check_model(services: Services, model: str) -> None:
    """Let pass the loaded model, by any of its names.

    Raises:
        Problem: 400.
    """
    loaded = services.capabilities.model
    configured = services.settings.asr.model
    names = {loaded, configured, PurePath(loaded).name, PurePath(configured).name, "default"}
    if model and model not in names:
        raise Problem(400, "unknown_model", f"model {model!a} is not loaded here: {loaded!a} is", param="model")


def check_language(services: Services, language: str) -> str:
    """The language, if the engine has it; of a tag as browsers send it (`en-US`) the language alone.

    Raises:
        Problem: 400.
    """
    has = services.capabilities.languages
    primary = re.split("[-_]", language, maxsplit=1)[0].lower()
    if primary and has and primary not in has:
        raise Problem(400, "unknown_language", f"the engine knows {', '.join(has)}", param="language")
    return primary


def _add(services: Services, stream: AnalysisStream | VoiceStation) -> None:
    try:
        services.registry.add(stream)
    except StreamExistsError as error:
        raise Problem(409, "stream_exists", str(error), param="stream_id") from None


def _codec(services: Services, stream_id: str, audio: AudioOptions, event_rate: int) -> NativeCodec:
    return NativeCodec(
        stream_id,
        encoding=audio.encoding,
        channels=audio.channels,
        sample_rate=event_rate,
        framing=audio.framing,
        max_message_bytes=services.settings.server.max_message_bytes,
    )


def _analysis_decoder(audio: AudioOptions) -> Decoder:
    """Whole frames as the stream's session takes them: float32 and linear16 stay as they are."""
    if audio.encoding in _PLAIN:
        return PlainDecoder(_PLAIN[audio.encoding])
    return open_decoder(audio.format, audio.sample_rate, "keep")


_PLAIN = {"float32": "<f4", "linear16": "<i2"}
