"""The WebSockets of other services' protocols in AsyncAPI: what is taken and said here, and who describes the rest.

Their messages have no types of ours to be made from, so they are written down, and a test holds real conversations
against them. What a maker's client sends besides is taken or refused as docs/clients/ says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["OTHERS", "Other"]

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}
_OBJECT: Final[Schema] = {"type": "object"}
_MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}


def _object(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _typed(kind: str, optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return _object(optional, type={"const": kind}, **properties)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


@dataclass(frozen=True, slots=True)
class Other:
    """A channel of somebody else's protocol.

    Attributes:
        address: the path.
        summary: what it is.
        documentation: where its makers describe it.
        audio: what binary messages hold; "" if there are none.
        received: by the name of the message, what a client sends.
        sent: what the server does.
        query: of the address.
    """

    address: str
    summary: str
    documentation: str
    audio: str
    received: dict[str, Schema]
    sent: dict[str, Schema]
    query: Schema


_DG_WORD = _object(
    ("punctuated_word",), word=_TEXT, start=_NUMBER, end=_NUMBER, confidence=_NUMBER, punctuated_word=_TEXT
)
_DG_PLACE = _list(_COUNT)
_DEEPGRAM = Other(
    "/v1/listen",
    "Deepgram's live transcription",
    "https://developers.deepgram.com/reference/speech-to-text/listen-streaming",
    "audio as `encoding` says, or a container; an empty message ends the stream",
    {
        "KeepAlive": _typed("KeepAlive"),
        "Finalize": _typed("Finalize", ("channel",), channel={"type": ["integer", "null"]}),
        "CloseStream": _typed("CloseStream"),
        "Configure": _typed("Configure", ("features", "keyterms"), features=_OBJECT, keyterms=_list(_TEXT)),
    },
    {
        "Results": _typed(
            "Results",
            channel_index=_DG_PLACE,
            duration=_NUMBER,
            start=_NUMBER,
            is_final=_FLAG,
            speech_final=_FLAG,
            from_finalize=_FLAG,
            channel=_object(alternatives=_list(_object(transcript=_TEXT, confidence=_NUMBER, words=_list(_DG_WORD)))),
            metadata=_object(request_id=_TEXT, model_info=_OBJECT, model_uuid=_TEXT),
        ),
        "SpeechStarted": _typed("SpeechStarted", channel=_DG_PLACE, timestamp=_NUMBER),
        "UtteranceEnd": _typed("UtteranceEnd", channel=_DG_PLACE, last_word_end=_NUMBER),
        "Metadata": _typed(
            "Metadata",
            request_id=_TEXT,
            sha256=_TEXT,
            created=_TEXT,
            duration=_NUMBER,
            channels=_COUNT,
            models=_list(_TEXT),
        ),
        "ConfigureSuccess": _typed("ConfigureSuccess", request_id=_TEXT),
        "ConfigureFailure": _typed("ConfigureFailure", request_id=_TEXT, code=_TEXT, description=_TEXT),
        "Error": _typed("Error", ("message", "code"), variant=_TEXT, description=_TEXT, message=_TEXT, code=_TEXT),
    },
    {
        "type": "object",
        "properties": {
            **dict.fromkeys(("model", "language", "encoding", "utterance_end_ms", "endpointing", "channels"), _TEXT),
            **dict.fromkeys(("sample_rate", "interim_results", "punctuate", "smart_format", "vad_events"), _TEXT),
        },
    },
)

_FLUX_STATE = {"request_id": _TEXT, "sequence_id": _COUNT}
_FLUX_THRESHOLDS = _object(
    ("eager_eot_threshold", "eot_threshold", "eot_timeout_ms"),
    eager_eot_threshold={"type": "number", "minimum": 0.3, "maximum": 0.9},
    eot_threshold={"type": "number", "minimum": 0.5, "maximum": 1},
    eot_timeout_ms={"type": "number", "minimum": 500, "maximum": 60_000},
)
_FLUX = Other(
    "/v2/listen",
    "Deepgram's turn-based transcription (Flux)",
    "https://developers.deepgram.com/reference/speech-to-text/listen-flux",
    "audio as `encoding` says, or a container",
    {
        "KeepAlive": _typed("KeepAlive"),
        "ForceEndTurn": _typed("ForceEndTurn"),
        "CloseStream": _typed("CloseStream"),
        "Configure": _typed(
            "Configure",
            ("thresholds", "keyterms", "language_hints"),
            thresholds=_FLUX_THRESHOLDS,
            keyterms={"type": ["array", "string", "null"]},
            language_hints={"type": ["array", "null"]},
        ),
    },
    {
        "Connected": _typed("Connected", **_FLUX_STATE),
        "TurnInfo": _typed(
            "TurnInfo",
            ("trigger", "languages", "languages_hinted"),
            event={"enum": ["Update", "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"]},
            turn_index=_COUNT,
            audio_window_start=_NUMBER,
            audio_window_end=_NUMBER,
            transcript=_TEXT,
            words=_list(_object(word=_TEXT, confidence=_NUMBER, start=_NUMBER, end=_NUMBER)),
            end_of_turn_confidence={"type": "number", "minimum": 0, "maximum": 1},
            trigger={"enum": ["model", "timeout", "manual"]},
            languages=_list(_TEXT),
            languages_hinted=_list(_TEXT),
            **_FLUX_STATE,
        ),
        "ConfigureSuccess": _typed(
            "ConfigureSuccess",
            ("language_hints",),
            thresholds=_FLUX_THRESHOLDS,
            keyterms=_list(_TEXT),
            language_hints=_list(_TEXT),
            **_FLUX_STATE,
        ),
        **{
            name: _typed(name, code=_TEXT, description=_TEXT, **_FLUX_STATE) for name in ("ConfigureFailure", "Warning")
        },
        "Error": _typed("Error", sequence_id=_COUNT, code=_TEXT, description=_TEXT),
    },
    {
        "type": "object",
        "properties": {
            **dict.fromkeys(("model", "encoding", "sample_rate", "language_hint"), _TEXT),
            **dict.fromkeys(("eager_eot_threshold", "eot_threshold", "eot_timeout_ms"), _TEXT),
        },
    },
)

_ITEM = "conversation.item.input_audio_transcription"
_EVENT = {"event_id": _TEXT}
_OF_ITEM = {**_EVENT, "item_id": _TEXT, "content_index": _COUNT}
_ERROR = _object(type=_TEXT, code=_TEXT, message=_TEXT, param=_MAYBE_TEXT)
_PLACED = {**_EVENT, "previous_item_id": _MAYBE_TEXT, "item": _object(id=_TEXT, type=_TEXT, status=_TEXT, role=_TEXT)}
_BUFFER = "input_audio_buffer"
_OPENAI = Other(
    "/v1/realtime",
    "OpenAI's realtime transcription; `intent=transcription`, in the newer and the older shape",
    "https://platform.openai.com/docs/guides/realtime-transcription",
    "",
    {
        **{
            name: _typed(name, ("event_id",), session=_OBJECT, **_EVENT)
            for name in ("session.update", "transcription_session.update")
        },
        f"{_BUFFER}.append": _typed(
            f"{_BUFFER}.append", ("event_id",), audio={"type": "string", "contentEncoding": "base64"}, **_EVENT
        ),
        f"{_BUFFER}.commit": _typed(f"{_BUFFER}.commit", ("event_id",), **_EVENT),
        f"{_BUFFER}.clear": _typed(f"{_BUFFER}.clear", ("event_id",), **_EVENT),
    },
    {
        **{
            name: _typed(name, session=_OBJECT, **_EVENT)
            for shape in ("session", "transcription_session")
            for name in (f"{shape}.created", f"{shape}.updated")
        },
        f"{_BUFFER}.speech_started": _typed(
            f"{_BUFFER}.speech_started", audio_start_ms=_COUNT, item_id=_TEXT, **_EVENT
        ),
        f"{_BUFFER}.speech_stopped": _typed(f"{_BUFFER}.speech_stopped", audio_end_ms=_COUNT, item_id=_TEXT, **_EVENT),
        f"{_BUFFER}.committed": _typed(f"{_BUFFER}.committed", previous_item_id=_MAYBE_TEXT, item_id=_TEXT, **_EVENT),
        f"{_BUFFER}.cleared": _typed(f"{_BUFFER}.cleared", **_EVENT),
        **{
            name: _typed(name, **_PLACED)
            for name in (f"conversation.item.{how}" for how in ("created", "added", "done"))
        },
        f"{_ITEM}.delta": _typed(f"{_ITEM}.delta", delta=_TEXT, **_OF_ITEM),
        f"{_ITEM}.completed": _typed(f"{_ITEM}.completed", transcript=_TEXT, usage=_OBJECT, **_OF_ITEM),
        f"{_ITEM}.failed": _typed(f"{_ITEM}.failed", error=_ERROR, **_OF_ITEM),
        "error": _typed("error", error=_ERROR, **_EVENT),
    },
    {"type": "object", "properties": {"intent": {"const": "transcription"}, "model": _TEXT}},
)

_VOSK_WORD = _object(word=_TEXT, start=_NUMBER, end=_NUMBER, conf=_NUMBER)
_VOSK = Other(
    "/vosk",
    "vosk-server: a reply to each chunk of audio",
    "https://alphacephei.com/vosk/server",
    "16-bit PCM, mono",
    {
        "config": _object(
            config=_object(
                ("sample_rate", "words", "max_alternatives"), sample_rate=_NUMBER, words=_FLAG, max_alternatives=_COUNT
            )
        ),
        "eof": _object(eof={}),
    },
    {
        "partial": _object(partial=_TEXT),
        "text": _object(("result",), text=_TEXT, result=_list(_VOSK_WORD)),
        "alternatives": _object(
            alternatives=_list(_object(("result",), text=_TEXT, confidence=_NUMBER, result=_list(_VOSK_WORD)))
        ),
    },
    _OBJECT,
)

_UID = {"uid": _MAYBE_TEXT}
_WHISPER_LIVE = Other(
    "/whisper_live",
    "WhisperLive: the last segments, the newest still growing",
    "https://github.com/collabora/WhisperLive",
    "float32 PCM at 16 kHz, mono; the bytes `END_OF_AUDIO` end the stream",
    {
        "options": _object(
            ("language", "task", "send_last_n_segments"),
            uid=_TEXT,
            language=_MAYBE_TEXT,
            task={"const": "transcribe"},
            send_last_n_segments=_COUNT,
        )
    },
    {
        "ready": _object(message={"const": "SERVER_READY"}, backend=_TEXT, **_UID),
        "segments": _object(segments=_list(_object(start=_TEXT, end=_TEXT, text=_TEXT, completed=_FLAG)), **_UID),
        "language": _object(language=_TEXT, language_prob=_NUMBER, **_UID),
        "wait": _object(status={"const": "WAIT"}, message=_NUMBER, **_UID),
        "status": _object(status={"enum": ["ERROR", "WARNING"]}, message=_TEXT, **_UID),
    },
    _OBJECT,
)

OTHERS: Final[dict[str, Other]] = {
    "deepgram": _DEEPGRAM,
    "deepgram_flux": _FLUX,
    "openai_realtime": _OPENAI,
    "vosk": _VOSK,
    "whisper_live": _WHISPER_LIVE,
}
"""By the name of the socket's route."""
