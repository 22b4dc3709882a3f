"""The query of Deepgram's `/v1/listen`, live or prerecorded: what is heeded, what is mapped, what is refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from multidict import MultiDict

from fastring._version import __version__
from fastring.audio.format import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, AudioFormat
from fastring.protocols.deepgram_channel import LiveOptions
from fastring.protocols.deepgram_results import ModelInfo
from fastring.server.channels_station import MAX_CHANNELS_APART
from fastring.server.model_names import check_language, check_model
from fastring.server.options import Query
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from multidict import MultiMapping

    from fastring.audio.format import Encoding
    from fastring.config import EndpointSettings
    from fastring.server.services import Services

__all__ = [
    "ListenOptions",
    "audio_format",
    "endpoint_settings",
    "model_info",
    "new_request_id",
    "refuse_unkept_promises",
    "single_parameters",
    "utc_now",
]

# Deepgram's name → ours. What is a container says its rate itself.
_ENCODINGS: dict[str, str] = {
    "linear16": "linear16",
    "linear32": "float32",
    "float32": "float32",
    "mulaw": "mulaw",
    "alaw": "alaw",
    **dict.fromkeys(("flac", "opus", "ogg-opus", "amr-nb", "amr-wb", "speex"), "container"),
}
_REPEATED = {"keyterm", "keywords", "replace", "search", "tag", "extra", "redact", "language_hint"}
_MIN_SILENCE_MS, _MAX_SILENCE_MS = 100, 10_000
_MAX_MS = 600_000


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a request for `/v1/listen` asks for.

    Attributes:
        audio: how the bytes are to be read.
        multichannel: channels are heard apart; else their mean is heard.
        language: code, or "" for the configured one.
        interim: whether partials are wanted.
        punctuate: text as the engine writes it.
        vad_events: see `LiveOptions`.
        endpointing: whether `speech_final` is ever said.
        endpointing_ms: silence that ends speech; None: as configured.
        utterance_end_ms: see `LiveOptions`.
    """

    audio: AudioFormat
    multichannel: bool = False
    language: str = ""
    interim: bool = False
    punctuate: bool = False
    vad_events: bool = False
    endpointing: bool = True
    endpointing_ms: int | None = None
    utterance_end_ms: int | None = None

    @classmethod
    def read(cls, services: Services, asked: MultiMapping[str]) -> ListenOptions:
        """Read them; names that mean nothing here are ignored.

        Raises:
            Problem: 400 that names the parameter.
        """
        refuse_unkept_promises(asked)
        query = single_parameters(asked)
        check_model(services, query.text("model", r"[^\x00-\x1f]{1,256}"))
        multichannel = query.flag("multichannel", False)
        endpointing, endpointing_ms = _endpointing(query)
        return cls(
            audio=audio_format(query, multichannel),
            multichannel=multichannel,
            language=_language(services, query),
            interim=query.flag("interim_results", False),
            punctuate=query.flag("punctuate", False) or query.flag("smart_format", False),
            vad_events=query.flag("vad_events", False),
            endpointing=endpointing,
            endpointing_ms=endpointing_ms,
            utterance_end_ms=query.whole("utterance_end_ms", 1, _MAX_MS, 0) or None,
        )

    def live(self, session: EndpointSettings) -> LiveOptions:
        """The part that the wire shows, beside a session with those settings."""
        wanted_ms = self.endpointing_ms or 0
        later = wanted_ms > max(session.trailing_silence_ms, _MIN_SILENCE_MS)
        return LiveOptions(
            interim=self.interim,
            punctuate=self.punctuate,
            vad_events=self.vad_events,
            endpointing_ms=(wanted_ms if later else 0) if self.endpointing else None,
            utterance_end_ms=self.utterance_end_ms,
        )


def endpoint_settings(options: ListenOptions, configured: EndpointSettings) -> EndpointSettings:
    """When the session ends an utterance: soon enough for every silence the client wants to be told of.

    A silence shorter than 100 ms lies within words, so that is the least; the default of 10 ms that Deepgram documents
    becomes 100 if a client writes it, and what is configured here if it does not.
    """
    wanted = configured.trailing_silence_ms if options.endpointing_ms is None else options.endpointing_ms
    if options.utterance_end_ms is not None:
        wanted = min(wanted, options.utterance_end_ms)
    return replace(configured, trailing_silence_ms=min(max(wanted, _MIN_SILENCE_MS), _MAX_SILENCE_MS))


def model_info(services: Services) -> ModelInfo:
    """The loaded model."""
    return ModelInfo(services.capabilities.model, __version__, services.capabilities.engine)


def new_request_id() -> str:
    """A UUID for a request."""
    return str(uuid.uuid4())


def utc_now() -> str:
    """The time as Deepgram writes it: ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def single_parameters(asked: MultiMapping[str]) -> Query:
    """The parameters that may be given once; the others mean nothing here.

    Raises:
        Problem: 400, one of them is given twice.
    """
    return Query.once(MultiDict((name, value) for name, value in asked.items() if name not in _REPEATED))


def refuse_unkept_promises(asked: MultiMapping[str]) -> None:
    """A client that asked for these would be harmed if they were passed over in silence.

    Raises:
        Problem: 400, it did.
    """
    if any(asked.getall("callback", ())):
        raise Problem(400, "unsupported_parameter", "callback: this server calls nobody", param="callback")
    if any(value.lower() not in {"", "false"} for value in asked.getall("redact", ())):
        raise Problem(400, "unsupported_parameter", "redact: this server cannot redact transcripts", param="redact")


def audio_format(query: Query, multichannel: bool) -> AudioFormat:
    """Raw samples if an encoding is given that has no header of its own; else the bytes say what they are.

    Raises:
        Problem: 400.
    """
    if not query.has("encoding"):
        return AudioFormat("container")
    name = query.choice("encoding", _ENCODINGS, "")
    encoding = cast("Encoding", _ENCODINGS[name])
    if encoding == "container":
        return AudioFormat("container")
    if not query.has("sample_rate"):
        raise Problem(400, "invalid_parameter", f"sample_rate is needed with encoding={name}", param="sample_rate")
    most = MAX_CHANNELS_APART if multichannel else MAX_CHANNELS
    return AudioFormat(
        encoding,
        query.whole("sample_rate", MIN_SAMPLE_RATE, MAX_SAMPLE_RATE, 0),
        query.whole("channels", 1, most, 1),
    )


def _language(services: Services, query: Query) -> str:
    language = query.text("language", r"[A-Za-z]{2,8}(-[A-Za-z0-9]{2,8})*")
    return "" if language == "multi" else check_language(services, language)


def _endpointing(query: Query) -> tuple[bool, int | None]:
    """Whether speech ends at all, and after how much silence, if the client says so."""
    if not query.has("endpointing"):
        return True, None
    text = query.text("endpointing", r"true|false|True|False|[0-9]{1,6}", "true").lower()
    return text != "false", int(text) if text.isdigit() else None
