"""From a request for one of fastring's own WebSockets to what will stand behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.errors import StreamExistsError
from fastring.events import VoiceReady
from fastring.protocols.native import NativeCodec
from fastring.server.analysis_station import AnalysisStation, AnalysisStream
from fastring.server.control_station import ControlStation
from fastring.server.decoding import PlainDecoder
from fastring.server.family import Asked, Opening
from fastring.server.model_names import check_language, check_model
from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem
from fastring.server.progress import Progress
from fastring.server.sessions.journal import Journal
from fastring.server.sessions.resumable import Identity, ResumableSession
from fastring.server.voice_station import VoiceStation
from fastring.session.analysis import AnalysisSession

if TYPE_CHECKING:
    from fastring.server.decoding import Decoder
    from fastring.server.services import Services

__all__ = ["AUDIO_DEFAULTS", "open_audio", "open_control", "open_voice", "start_stream"]

SESSION_RATE = 16_000
AUDIO_DEFAULTS = AudioOptions("float32", 44_100)
_FRAME_MS = 32
VOICE_DEFAULTS = AudioOptions("linear16", SESSION_RATE)


def open_voice(services: Services, asked: Asked) -> Opening:
    """A voice stream of that id.

    Raises:
        Problem: 400, 409 or 503.
    """
    stream_id, query = stream_id_of(asked.path["stream_id"]), Query.once(asked.query)
    audio = AudioOptions.read(query, VOICE_DEFAULTS)
    check_model(services, query.text("model", r"[^\x00-\x1f]{1,256}"))
    language = check_language(services, query.text("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"))
    interim = query.flag("interim", True)
    settings, keeper = services.settings, services.keeper
    resumes = query.flag("resumes", False)
    identity = Identity(
        keeper.new_name(),
        stream_id,
        asked.owner,
        audio.encoding,
        audio.sample_rate,
        audio.channels,
        may_wait=audio.encoding != "container" or resumes,  # the decoder of one is a thread
    )
    codec = _codec(services, stream_id, audio, SESSION_RATE)
    services.decoders.expect(audio.format)
    station = VoiceStation(
        identity,
        keeper=keeper,
        open_session=lambda: _new_session(services, identity, audio, language=language, interim=interim),
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
            resume_token=keeper.token(identity),
        ),
        frame_bytes=audio.frame_bytes,
        counters=codec.counters,
        resumes=resumes,
        rival=lambda station: _rival(services, station),
        enter=services.registry.enter,
        on_gone=services.registry.remove,
    )
    if _rival(services, station) is None:
        if not keeper.awaits(stream_id, asked.owner):  # whoever comes back for a session takes no more of the engine
            services.registry.check_engine()
        _add(services, station)  # else it may be the same client, whose old connection is not known to be dead yet
    return Opening(codec, station)


def open_audio(services: Services, asked: Asked) -> Opening:
    """A connection to the analysis stream of that id, which is started if it is not there.

    Raises:
        Problem: 400 (also where the stream runs at another rate), 409 or 503.
    """
    stream_id, query = stream_id_of(asked.path["stream_id"]), Query.once(asked.query)
    found = services.registry.find(stream_id, "audio")
    running = found if isinstance(found, AnalysisStream) else None
    audio = AudioOptions.read(query, running.audio if running else AUDIO_DEFAULTS)
    update_hz = query.decimal("update_hz", 1, 100, services.settings.analysis.update_hz)
    for name in ("sample_rate", "channels"):
        if running and getattr(audio, name) != getattr(running.audio, name):
            raise Problem(
                400, "invalid_parameter", f"the stream runs with {name} = {getattr(running.audio, name)}", param=name
            )
    decoder = _analysis_decoder(services, audio)
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


def open_control(services: Services, asked: Asked) -> Opening:
    """A control connection about the stream of that id, which must be there.

    Raises:
        UnknownStreamError: it is not.
    """
    stream_id = stream_id_of(asked.path["stream_id"])
    services.registry.get(stream_id)
    return Opening(
        _codec(services, stream_id, AUDIO_DEFAULTS, SESSION_RATE), ControlStation(stream_id, services.registry)
    )


def _rival(services: Services, station: VoiceStation) -> VoiceStation | None:
    """Another connection of the same owner that has the stream's name."""
    running = services.registry.find(station.stream_id, "voice")
    if (
        isinstance(running, VoiceStation)
        and running is not station
        and running.identity.owner == station.identity.owner
    ):
        return running
    return None


def _new_session(
    services: Services, identity: Identity, audio: AudioOptions, *, language: str, interim: bool
) -> ResumableSession:
    settings = services.settings
    endpoint = settings.endpoint
    name = services.session_name(identity.stream_id)
    lead_ms = endpoint.pre_roll_ms + _FRAME_MS
    return ResumableSession(
        identity,
        runner=services.voice_runner(name, language=language, interim=interim, replies=True),
        decoder=services.decoders.open(audio.format, SESSION_RATE),
        frame_bytes=audio.frame_bytes,
        progress=Progress(
            input_rate=audio.sample_rate if audio.frame_bytes else SESSION_RATE,
            session_rate=SESSION_RATE,
            reach_samples=(endpoint.pre_roll_ms + endpoint.min_speech_ms + 1000) * SESSION_RATE // 1000,
            lead_samples=lead_ms * SESSION_RATE // 1000,
        ),
        journal=Journal(settings.resume.max_events),
        ring_bytes=round(settings.voice.ring_seconds * SESSION_RATE) * 2,
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


def _analysis_decoder(services: Services, audio: AudioOptions) -> Decoder:
    """Whole frames as the stream's session takes them: float32 and linear16 stay as they are."""
    if audio.encoding in _PLAIN:
        return PlainDecoder(_PLAIN[audio.encoding])
    return services.decoders.open(audio.format, audio.sample_rate, "keep")


_PLAIN = {"float32": "<f4", "linear16": "<i2"}
