"""The form of a transcription request: its fields, in any order, checked; its file, bounded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from fastring.protocols.messages import shown
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from fastring.server.uploads import UploadPlace

__all__ = ["BROKEN_FORM", "TranscriptionForm", "read_form"]

_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_STREAMED = ("json", "text")
_NOT_STREAMING = "whisper-1"  # of this model OpenAI passes over `stream`
_INCLUDED = ("logprobs",)
_GRANULARITIES = ("segment", "word")
_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 1 << 16


BROKEN_FORM: Final = (ValueError, AssertionError, RuntimeError, HttpProcessingError)
"""What aiohttp raises where a body is no form."""


@dataclass(frozen=True, slots=True)
class TranscriptionForm:
    """What is asked for. `file` is the recording in whatever container it is."""

    file: bytes
    model: str
    language: str = ""
    response_format: str = "json"
    stream: bool = False
    logprobs: bool = False
    granularities: tuple[str, ...] = ("segment",)
    vad: dict[str, Any] = field(default_factory=dict)


async def read_form(request: web.Request, place: UploadPlace) -> TranscriptionForm:
    """Read the body to its end, then check it.

    Raises:
        Problem: 400, 408 or 413, with the parameter at fault.
    """
    if request.content_type != "multipart/form-data":
        raise Problem(400, "invalid_content_type", "the body must be multipart/form-data")
    file, fields = await _parts(request, place)
    one = {name: values[-1] for name, values in fields.items()}
    response_format = one.get("response_format", "json")
    if file is None:
        raise Problem(400, "missing_required_parameter", "a file is needed", param="file")
    if not one.get("model"):
        raise Problem(400, "missing_required_parameter", "a model is needed", param="model")
    if response_format not in _FORMATS:
        raise _unsupported("response_format", response_format, _FORMATS)
    stream = _flag("stream", one.get("stream", "false"))
    if stream and response_format not in _STREAMED:
        if one["model"] != _NOT_STREAMING:
            raise _unsupported("stream", response_format, _STREAMED)
        stream = False
    _check_temperature(one.get("temperature") or "0")
    granularities = _all_of(fields, "timestamp_granularities", _GRANULARITIES) or ("segment",)
    languages = fields.get("languages", [])
    return TranscriptionForm(
        file=file,
        model=one["model"],
        language=one.get("language") or (languages[0] if len(languages) == 1 else ""),
        response_format=response_format,
        stream=stream,
        logprobs="logprobs" in _all_of(fields, "include", _INCLUDED),
        granularities=granularities,
        vad=_vad(one),
    )


async def _parts(request: web.Request, place: UploadPlace) -> tuple[bytes | None, dict[str, list[str]]]:
    """The file, and every other field by its name without `[]`."""
    file: bytes | None = None
    fields: dict[str, list[str]] = {}
    try:
        reader = await request.multipart()
        count = 0
        while (part := await reader.next()) is not None:
            count += 1
            if count > _MAX_FIELDS:
                raise Problem(400, "invalid_form", f"more than {_MAX_FIELDS} fields")
            if not isinstance(part, BodyPartReader):
                raise Problem(400, "invalid_form", "a form inside a form is not taken")
            name = (part.name or "").removesuffix("[]")
            if name == "file":
                file = await place.read(part)
            else:
                fields.setdefault(name, []).append(_text(await place.read(part, _MAX_FIELD_BYTES), name))
    except BROKEN_FORM as error:
        raise Problem(400, "invalid_form", f"not multipart/form-data: {shown(str(error))}") from None
    return file, fields


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Problem(400, "invalid_value", "not UTF-8", param=name[:64]) from None


def _flag(name: str, value: str) -> bool:
    if value.lower() not in {"true", "false", "1", "0", ""}:
        raise _unsupported(name, value, ("true", "false"))
    return value.lower() in {"true", "1"}


def _all_of(fields: dict[str, list[str]], name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    """The values of a field that may be there several times."""
    values = tuple(fields.get(name, ()))
    for value in values:
        if value not in choices:
            raise _unsupported(name, value, choices)
    return values


def _check_temperature(value: str) -> None:
    """It means nothing here: engines choose their own; but a number it must be."""
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 1:
        raise Problem(400, "invalid_value", f"temperature = {shown(value)}: must be 0..1", param="temperature")


def _vad(one: dict[str, str]) -> dict[str, Any]:
    """`chunking_strategy`: `auto`, a JSON object, or its fields as `chunking_strategy[threshold]`."""
    plain = one.get("chunking_strategy", "auto")
    found: dict[str, Any] = {
        name[len("chunking_strategy[") : -1]: value
        for name, value in one.items()
        if name.startswith("chunking_strategy[") and name.endswith("]")
    }
    if plain.startswith("{"):
        try:
            found.update(json.loads(plain))
        except (ValueError, RecursionError):
            raise Problem(400, "invalid_value", "not JSON", param="chunking_strategy") from None
    elif plain != "auto":
        raise _unsupported("chunking_strategy", plain, ("auto", "an object"))
    return found


def _unsupported(name: str, value: str, choices: tuple[str, ...]) -> Problem:
    return Problem(
        400, "unsupported_value", f"{name} = {shown(value)}: must be one of {', '.join(choices)}", param=name
    )
