"""JSON and base64 from strangers: parsed within bounds, refused with the wire codes of the native protocol."""

from __future__ import annotations

import base64
import binascii
import json
from math import isinf
from typing import Any, NoReturn, TypeVar

from fastring.errors import ProtocolError

__all__ = ["MAX_JSON_DEPTH", "decode_base64", "field", "parse_object", "shown", "write_object"]

MAX_JSON_DEPTH = 16
_SHOWN_CHARACTERS = 60


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{shown(text)} is more than a number here may be")
    return number


# Made once: json.dumps and json.loads with options of their own make one for each call.
_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_READER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_ASCII_WRITER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

T = TypeVar("T")


def parse_object(text: str) -> dict[str, Any]:
    """Parse one JSON object.

    Raises:
        ProtocolError: `invalid_json` if it is no JSON object, deeper than `MAX_JSON_DEPTH`, or holds NaN, infinity or
            a number as large as that (`1e999`).
    """
    try:
        value = _READER.decode(text)
    except RecursionError:
        raise ProtocolError(f"JSON deeper than {MAX_JSON_DEPTH} levels", code="invalid_json") from None
    except ValueError as error:
        raise ProtocolError(f"not JSON: {shown(str(error))}", code="invalid_json") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"a JSON object is wanted, not {shown(text)}", code="invalid_json")
    if text.count("{") + text.count("[") > MAX_JSON_DEPTH and _deeper_than(value, MAX_JSON_DEPTH):
        raise ProtocolError(f"JSON deeper than {MAX_JSON_DEPTH} levels", code="invalid_json")
    return value


def field(message: dict[str, Any], name: str, kind: type[T], *, default: T | None = None) -> T:
    """Return a field of the wanted type, or the default where it is absent.

    Raises:
        ProtocolError: `invalid_field` if it is missing without a default, or of another type (a bool is no int).
    """
    value = message.get(name, default)
    if value is None:
        raise ProtocolError(f"{name!r} is missing", code="invalid_field")
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProtocolError(f"{name!r} must be {_NAMES[kind]}, not {shown(value)}", code="invalid_field")
    return value


def decode_base64(text: str | bytes | bytearray) -> bytes:
    """Decode standard base64 with its padding.

    Raises:
        ProtocolError: `invalid_base64` for any character outside the alphabet or wrong padding.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"not base64: {shown(str(error))}", code="invalid_base64") from None


def write_object(value: dict[str, Any]) -> str:
    """Write one JSON object, compact, text as it is.

    Lone surrogates, which no UTF-8 message can hold, are escaped.
    """
    text = _WRITER.encode(value)
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _ASCII_WRITER.encode(value)
    return text


def shown(value: object) -> str:
    """A stranger's value for an error message or a log: printable ASCII, cut short."""
    text = ascii(value[: _SHOWN_CHARACTERS + 1]) if isinstance(value, (str, bytes)) else ascii(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}


def _deeper_than(value: object, levels: int) -> bool:
    """Whether lists and objects are nested deeper; never recurses deeper than `levels`."""
    if isinstance(value, dict):
        return levels == 0 or any(_deeper_than(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_deeper_than(item, levels - 1) for item in value)
    return False
