"""AsyncAPI 3 of the WebSockets: fastring's own are made from the tables that read and write their messages.

What a server message looks like is found out by writing one: the codec's own writer is run over made-up events, one
with every field filled and one with every field empty, and the answers are compared. So the document cannot say
anything else than the server does. Those of other services' protocols come from `asyncapi_others.py`.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from fastring import events
from fastring._version import __version__
from fastring.audio.format import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from fastring.protocols.native import SAMPLE_BYTES
from fastring.protocols.native_events import fields_of
from fastring.server.surface.asyncapi_others import OTHERS, Other

__all__ = ["CHANNELS", "COMMANDS", "CONTROL_ANSWERS", "asyncapi", "message_schema"]

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_INDEX: Schema = {"type": "integer", "minimum": 0}
_SOURCE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}

_SPEECH = (
    events.VoiceReady,
    events.SpeechStarted,
    events.Partial,
    events.EarlyTrigger,
    events.EarlyTriggerRetracted,
    events.Final,
    events.SpeechEnded,
    events.Status,
    events.Ack,
    events.Failure,
    events.Pong,
    events.Closed,
)

CONTROL_ANSWERS: Final = ("stats", "analysis_reset", "streams", "paused", "resumed")
"""How a control connection answers `get_stats`, `reset_analysis`, `list_streams`, `pause` and `resume`."""

_COMMON = ("finalize", "close", "ping")
CHANNELS: Final[dict[str, tuple[str, tuple[str, ...], tuple[type, ...]]]] = {
    "voice": (
        "/api/v1/stream/voice/{stream_id}",
        ("pcm", "audio", *_COMMON, "resume"),
        (*_SPEECH, events.Resumed, events.ReplyDelta, events.ReplyDone),
    ),
    "live": ("/ws/live", ("pcm", "audio", "source", *_COMMON), _SPEECH),
    "recite": (
        "/ws/recite",
        ("pcm", "audio", "end", *_COMMON),
        (
            events.Recitation,
            events.RecitationResult,
            events.RecitationFailed,
            events.Failure,
            events.Pong,
            events.Closed,
        ),
    ),
    "audio": (
        "/api/v1/stream/audio/{stream_id}",
        ("pcm", "audio", "close", "ping", "control"),
        (events.AnalysisReady, events.Analysis, events.Reply, events.Failure, events.Pong, events.Closed),
    ),
    "control": (
        "/api/v1/stream/control/{stream_id}",
        ("control", "close", "ping"),
        (events.Reply, events.Failure, events.Pong, events.Closed),
    ),
}
"""Of each WebSocket: where it is, what it takes and what it says."""

COMMANDS: Final[dict[str, tuple[Schema, tuple[str, ...], str]]] = {
    "audio": (
        {"data": {"type": "string", "contentEncoding": "base64"}, "source": _SOURCE, "seq": _INDEX},
        ("data",),
        "audio in the declared encoding, in base64",
    ),
    "finalize": ({"source": _SOURCE}, (), "end the utterance now; its final follows"),
    "close": ({}, (), "no audio follows: everything is answered, then `closed`"),
    "end": ({}, (), "the recitation is over: its result follows"),
    "ping": ({}, (), "answered by `pong`"),
    "resume": (
        {
            "token": {"type": "string", "maxLength": 1024},
            "last_seq": {"type": "integer", "minimum": -1},
            "oldest_sample": _INDEX,
            "oldest_byte": _INDEX,
        },
        ("token",),
        "as the first message: go on with a session",
    ),
    "source": (
        {
            "source": _SOURCE,
            "priority": {"type": "integer", "minimum": -1000, "maximum": 1000},
            "sample_rate": {"type": "integer", "minimum": MIN_SAMPLE_RATE, "maximum": MAX_SAMPLE_RATE},
            "channels": {"type": "integer", "minimum": 1, "maximum": MAX_CHANNELS},
        },
        (),
        "declare a source",
    ),
}
"""Fields, required ones and meaning of each message a client sends, by its `type`."""

_ACTIONS: Final[tuple[Literal["receive", "send"], ...]] = ("receive", "send")
_CONTROL: Final = ("get_stats", "reset_analysis", "list_streams", "pause", "resume")


def asyncapi(served: Collection[str] | None = None) -> dict[str, Any]:
    """The document.

    Args:
        served: names of the sockets that are served; None: all there are.
    """
    own = [name for name in CHANNELS if served is None or name in served]
    others = {name: other for name, other in OTHERS.items() if served is None or name in served}
    sent = {kind for _, _, kinds in CHANNELS.values() for kind in kinds if kind is not events.Reply}
    messages = {kind.__name__: _event_message(kind) for kind in sorted(sent, key=lambda kind: kind.__name__)}
    messages |= {f"Control_{name}": _message(name, _reply_schema(name), "") for name in CONTROL_ANSWERS}
    messages |= {f"Command_{name}": _command_message(name) for name in COMMANDS}
    messages["Command_control"] = _message(
        "control",
        {"type": "object", "properties": {"command": {"enum": list(_CONTROL)}}, "required": ["command"]},
        "ask about the stream",
    )
    messages["Command_pcm"] = {
        "name": "pcm",
        "contentType": "application/octet-stream",
        "summary": "audio in the declared encoding, whole sample frames; `framing=seq32` puts 4 bytes of number before",
        "payload": {"type": "string", "format": "binary"},
    }
    for name, other in others.items():
        messages |= _messages_of(name, other)
    operations = dict(_operation(name, action) for name in own for action in _ACTIONS)
    operations |= dict(_other_operation(name, other, how) for name, other in others.items() for how in _ACTIONS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "fastring",
            "version": __version__,
            "description": "fastring's own WebSockets, and those of other services' protocols with what is taken and "
            "said of them here. Times are seconds of audio since the stream's first sample.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            **{name: _channel(name) for name in own},
            **{name: _other_channel(name, other) for name, other in others.items()},
        },
        "operations": operations,
        "components": {"messages": messages},
    }


def message_schema(kind: type) -> tuple[str, Schema]:
    """The wire name of an event's message and the JSON schema of its payload, found by writing it."""
    full = fields_of(_made(kind, full=True), 1)
    empty = fields_of(_made(kind, full=False), 1)
    name, properties = full[0], _properties(full[1], empty[1])
    for field, choices in _choices(kind).items():
        if field in properties:
            properties[field] = {"enum": list(choices)}
    properties = {"type": {"const": name}, "stream_id": dict(_TEXT), **properties}
    required = ["type", "stream_id", *(field for field in full[1] if field in empty[1])]
    return name, {"type": "object", "properties": properties, "required": required}


def _event_message(kind: type) -> dict[str, Any]:
    name, schema = message_schema(kind)
    if kind in _SPEECH:
        schema["properties"].setdefault("source", _SOURCE)  # each message of several sources bears its own
    return _message(name, schema, " ".join((kind.__doc__ or "").partition("\n\n")[0].split()))


def _message(name: str, schema: Schema, summary: str) -> dict[str, Any]:
    described = {"name": name, "contentType": "application/json", "payload": schema}
    return {**described, "summary": summary} if summary else described


def _command_message(name: str) -> dict[str, Any]:
    properties, required, summary = COMMANDS[name]
    schema = {
        "type": "object",
        "properties": {"type": {"const": name}, **properties},
        "required": ["type", *required],
    }
    return _message(name, schema, summary)


def _reply_schema(name: str) -> Schema:
    properties: Schema = {"type": {"const": name}, "stream_id": _TEXT}
    if name == "streams":
        properties["streams"] = {"type": "array", "items": {"type": "object"}}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _names(channel: str) -> tuple[list[str], list[str]]:
    """Names in the components of what a client sends on a channel, and of what the server does."""
    _, commands, kinds = CHANNELS[channel]
    said = [kind.__name__ for kind in kinds if kind is not events.Reply]
    answers = [f"Control_{name}" for name in CONTROL_ANSWERS] if events.Reply in kinds else []
    return [f"Command_{name}" for name in commands], said + answers


def _channel(name: str) -> dict[str, Any]:
    address, _, _ = CHANNELS[name]
    taken, said = _names(name)
    channel: dict[str, Any] = {
        "address": address,
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in (*taken, *said)},
        "bindings": {"ws": {"method": "GET", "query": _query(name), "bindingVersion": "0.1.0"}},
    }
    if places := re.findall(r"{(\w+)}", address):
        channel["parameters"] = {place: {"description": "[A-Za-z0-9._-]{1,128}"} for place in places}
    return channel


def _query(channel: str) -> Schema:
    properties: Schema = {
        "encoding": {"enum": list(SAMPLE_BYTES)},
        "sample_rate": {"type": "integer", "minimum": MIN_SAMPLE_RATE, "maximum": MAX_SAMPLE_RATE},
        "channels": {"type": "integer", "minimum": 1, "maximum": MAX_CHANNELS},
        "framing": {"enum": ["raw", "seq32"]},
    }
    own: dict[str, Schema] = {
        "voice": {"language": _TEXT, "model": _TEXT, "interim": {"type": "boolean"}, "resumes": {"type": "boolean"}},
        "live": {"language": _TEXT, "model": _TEXT, "interim": {"type": "boolean"}, "stream_id": _TEXT},
        "recite": {"surah": _INDEX, "ayah": _INDEX, "reference": _TEXT, "language": _TEXT, "stream_id": _TEXT},
        "audio": {"update_hz": {"type": "number", "minimum": 1, "maximum": 100}},
    }
    return {"type": "object", "properties": own.get(channel, {}) if channel == "control" else properties | own[channel]}


def _operation(channel: str, action: Literal["receive", "send"]) -> tuple[str, dict[str, Any]]:
    """What the server receives, or sends, on a channel."""
    taken, said = _names(channel)
    here = f"#/channels/{channel}"
    messages = [{"$ref": f"{here}/messages/{name}"} for name in (taken if action == "receive" else said)]
    return f"{action}_{channel}", {"action": action, "channel": {"$ref": here}, "messages": messages}


# --- other services' protocols ---------------------------------------------------------------------------------------


def _messages_of(channel: str, other: Other) -> dict[str, Any]:
    described = other.received | other.sent
    messages = {f"{channel}_{name}": _message(name, schema, "") for name, schema in described.items()}
    if other.audio:
        messages[f"{channel}_audio"] = {
            "name": "audio",
            "contentType": "application/octet-stream",
            "summary": other.audio,
            "payload": {"type": "string", "format": "binary"},
        }
    return messages


def _other_names(channel: str, other: Other, action: str) -> list[str]:
    names = [*other.received, *(["audio"] if other.audio else [])] if action == "receive" else [*other.sent]
    return [f"{channel}_{name}" for name in names]


def _other_channel(name: str, other: Other) -> dict[str, Any]:
    messages = [each for action in _ACTIONS for each in _other_names(name, other, action)]
    return {
        "address": other.address,
        "summary": other.summary,
        "externalDocs": {"url": other.documentation},
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in messages},
        "bindings": {"ws": {"method": "GET", "query": other.query, "bindingVersion": "0.1.0"}},
    }


def _other_operation(channel: str, other: Other, action: Literal["receive", "send"]) -> tuple[str, dict[str, Any]]:
    here = f"#/channels/{channel}"
    messages = [{"$ref": f"{here}/messages/{name}"} for name in _other_names(channel, other, action)]
    return f"{action}_{channel}", {"action": action, "channel": {"$ref": here}, "messages": messages}


# --- made-up events --------------------------------------------------------------------------------------------------


def _made(kind: Any, *, full: bool) -> Any:
    """A value of a type: with everything in it, or with as little as it may hold. What is unknown is not a number."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _made(next(each for each in arguments if each is not type(None)), full=True) if full else None
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (_made(arguments[0], full=full),) if full else ()
    if origin is not None and issubclass(origin, Mapping):
        return {}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{field.name: _made(hints[field.name], full=full) for field in dataclasses.fields(kind)})
    plain: dict[Any, tuple[Any, Any]] = {
        int: (1, 0),
        float: (1.5, float("nan")),
        str: ("text", ""),
        bool: (True, False),
    }
    return plain[kind][0 if full else 1]


def _properties(full: Mapping[str, Any], empty: Mapping[str, Any]) -> Schema:
    return {name: _schema(value, empty.get(name, value)) for name, value in full.items()}


def _schema(full: Any, empty: Any) -> Schema:
    """Of a field that was seen with these two values."""
    if isinstance(full, bool):
        return {"type": "boolean"}
    if isinstance(full, Mapping):
        if not full:
            return {"type": "object"}
        inner = empty if isinstance(empty, Mapping) else {}
        required = [name for name in full if name in inner]
        return {"type": "object", "properties": _properties(full, inner), "required": required}
    if isinstance(full, list):
        return {"type": "array", "items": _items(full[0]) if full else {}}
    name = {int: "integer", float: "number", str: "string"}[type(full)]
    return {"type": [name, "null"]} if empty is None else {"type": name}


def _items(item: Any) -> Schema:
    """Of a list's items; a number in one may be unknown."""
    if not isinstance(item, Mapping):
        return {"type": "number"} if isinstance(item, float) else _schema(item, item)
    properties = {name: _schema(value, None if isinstance(value, float) else value) for name, value in item.items()}
    return {"type": "object", "properties": properties, "required": [name for name in item if name != "heard"]}


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, localns={"Mapping": Mapping})  # which `events` imports for type checkers only


def _choices(kind: Any) -> dict[str, tuple[Any, ...]]:
    """Fields of an event that hold one of a few words."""
    return {name: get_args(hint) for name, hint in _hints(kind).items() if get_origin(hint) is Literal}
