"""What a client asks for in the query of a WebSocket or in the body of a start request, checked before the upgrade."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from fastring.audio.format import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, AudioFormat
from fastring.protocols.messages import shown
from fastring.protocols.native import SAMPLE_BYTES
from fastring.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import MultiMapping

    from fastring.audio.format import Encoding

__all__ = ["AudioOptions", "Query", "stream_id_of"]

_STREAM_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_WHOLE = re.compile(r"[0-9]{1,9}\Z")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?\Z")


def stream_id_of(text: str) -> str:
    """The id, if it is one.

    Raises:
        Problem: 400.
    """
    if not _STREAM_ID.match(text):
        raise Problem(
            400,
            "invalid_stream_id",
            f"a stream id matches [A-Za-z0-9._-]{{1,128}}, not {shown(text)}",
            param="stream_id",
        )
    return text


class Query:
    """Parameters by name, as text; each is asked for by its kind. A name that nobody asks for is ignored.

    Raises (every method):
        Problem: 400 that names the parameter, its value and the limit.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def once(cls, query: MultiMapping[str]) -> Query:
        """Of a request whose parameters may each be given once."""
        values: dict[str, str] = {}
        for name, value in query.items():
            if name in values:
                raise Problem(400, "invalid_parameter", "given twice", param=name[:64])
            values[name] = value
        return cls(values)

    def has(self, name: str) -> bool:
        """Whether the client said anything about it."""
        return name in self._values

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """One of a few words."""
        value = self._values.get(name, default)
        if value not in choices:
            raise _invalid(name, value, f"one of {', '.join(choices)}")
        return value

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A whole number in a range."""
        value = self._values.get(name)
        if value is None:
            return default
        if not _WHOLE.match(value) or not low <= int(value) <= high:
            raise _invalid(name, value, f"a whole number {low}..{high}")
        return int(value)

    def decimal(self, name: str, low: float, high: float, default: float) -> float:
        """A number in a range."""
        value = self._values.get(name)
        if value is None:
            return default
        if not _DECIMAL.match(value) or not low <= float(value) <= high:
            raise _invalid(name, value, f"a number {low:g}..{high:g}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """Yes or no."""
        value = self._values.get(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false", "1", "0"}:
            raise _invalid(name, value, "true or false")
        return value.lower() in {"true", "1"}

    def text(self, name: str, pattern: str, default: str = "") -> str:
        """Text of a pattern."""
        value = self._values.get(name, "")
        if not value:
            return default
        if not re.match(rf"(?:{pattern})\Z", value):
            raise _invalid(name, value, f"of the form {pattern}")
        return value


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """The audio a client sends. Containers carry their own rate and channels."""

    encoding: Encoding = "linear16"
    sample_rate: int = 16_000
    channels: int = 1
    framing: Literal["raw", "seq32"] = "raw"

    @property
    def format(self) -> AudioFormat:
        """Without the framing."""
        return AudioFormat(self.encoding, self.sample_rate, self.channels)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels; 0 in a container."""
        return self.format.frame_bytes

    @classmethod
    def read(cls, query: Query, default: AudioOptions) -> AudioOptions:
        """Read them from the query, over the endpoint's defaults."""
        return cls(
            encoding=cast("Encoding", query.choice("encoding", SAMPLE_BYTES, default.encoding)),
            sample_rate=query.whole("sample_rate", MIN_SAMPLE_RATE, MAX_SAMPLE_RATE, default.sample_rate),
            channels=query.whole("channels", 1, MAX_CHANNELS, default.channels),
            framing="seq32" if query.choice("framing", ("raw", "seq32"), default.framing) == "seq32" else "raw",
        )


def _invalid(name: str, value: str, limit: str) -> Problem:
    return Problem(400, "invalid_parameter", f"{name} = {shown(value)}: must be {limit}", param=name)
