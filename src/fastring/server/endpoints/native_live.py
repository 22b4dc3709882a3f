"""From a request for `/ws/live` to a connection of several sources."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from fastring.errors import StreamExistsError
from fastring.events import VoiceReady
from fastring.protocols.native_sources import SourcesCodec
from fastring.server.family import Asked, Opening
from fastring.server.live_source import LiveSource
from fastring.server.live_station import LiveStation
from fastring.server.model_names import check_language, check_model
from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem
from fastring.session.sources import ConcurrencyController

if TYPE_CHECKING:
    from fastring.events import DeclareSource
    from fastring.server.services import Services

__all__ = ["open_live", "source_id"]

SESSION_RATE = 16_000
_MAX_ID_CHARACTERS = 128
_DEFAULTS = AudioOptions("linear16", SESSION_RATE)


def open_live(services: Services, asked: Asked) -> Opening:
    """A connection for several sources; streams are opened as they appear.

    Raises:
        Problem: 400 or 503.
    """
    query = Query.once(asked.query)
    audio = AudioOptions.read(query, _DEFAULTS)
    check_model(services, query.text("model", r"[^\x00-\x1f]{1,256}"))
    language = check_language(services, query.text("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"))
    interim = query.flag("interim", True)
    connection_id = stream_id_of(
        query.text("stream_id", r".{1,128}") or services.session_name("live").replace("#", "-")
    )
    services.registry.check_room()
    services.registry.check_engine()
    settings = services.settings
    voice, endpoint = settings.voice, settings.endpoint
    codec = SourcesCodec(
        connection_id,
        encoding=audio.encoding,
        channels=audio.channels,
        sample_rate=SESSION_RATE,
        framing=audio.framing,
        max_message_bytes=settings.server.max_message_bytes,
        max_sources=settings.server.max_sources,
    )

    def open_source(declared: DeclareSource) -> LiveSource:
        services.registry.check_room()
        own = replace(
            audio,
            sample_rate=declared.sample_rate or audio.sample_rate,
            channels=declared.channels or audio.channels,
        )
        name = services.session_name(f"{connection_id}.{declared.source}")
        source = LiveSource(
            source_id(connection_id, declared.source),
            declared.source,
            audio=own,
            decoder=services.decoders.open(own.format, SESSION_RATE),
            runner=services.voice_runner(name, language=language, interim=interim),
            queue_max=voice.source_queue,
            max_bytes=max(1 << 16, round(voice.ring_seconds * own.sample_rate) * max(1, own.frame_bytes)),
            max_lag_s=voice.max_lag_s,
            count_dropped=services.metrics.dropped.labels("source").inc,
            reach_samples=(endpoint.pre_roll_ms + endpoint.min_speech_ms + 1000) * SESSION_RATE // 1000,
        )
        try:
            services.registry.add(source)
        except StreamExistsError as error:
            source.stop_now()
            raise Problem(409, "stream_exists", str(error), param="source") from None
        except Problem:
            source.stop_now()
            raise
        return source

    station = LiveStation(
        connection_id,
        ready=VoiceReady(
            pcm_sample_rate=SESSION_RATE,
            encoding=audio.encoding,
            channels=audio.channels,
            ring_buffer_seconds=voice.ring_seconds,
            max_message_bytes=settings.server.max_message_bytes,
            window_seconds=services.window.seconds,
            engine=services.capabilities.engine,
            model=services.capabilities.model,
            progressive=voice.progressive and interim,
            resume_token="",
        ),
        open_source=open_source,
        close_source=services.registry.remove,
        controller=ConcurrencyController(queue_max=voice.source_queue, policy=voice.source_policy),
        max_sources=settings.server.max_sources,
        counters=codec.counters,
    )
    return Opening(codec, station)


def source_id(connection_id: str, source: str) -> str:
    """What a source is called in the management: `CONNECTION.SOURCE`, where that is too long with a digest inside."""
    whole = f"{connection_id}.{source}"
    if len(whole) <= _MAX_ID_CHARACTERS:
        return whole
    tail = f"-{hashlib.blake2s(connection_id.encode(), digest_size=4).hexdigest()}.{source}"
    return connection_id[: _MAX_ID_CHARACTERS - len(tail)] + tail
