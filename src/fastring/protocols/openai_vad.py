"""OpenAI's `turn_detection` in fastring's own terms: when speech starts and when an utterance ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fastring.errors import ProtocolError
from fastring.protocols.messages import shown

if TYPE_CHECKING:
    from fastring.config import EndpointSettings

__all__ = ["SERVER_VAD", "endpoint_for"]

SERVER_VAD: Final = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
"""What a session says that applies where the client says nothing. The server's own thresholds stand behind 0.5."""

_SEMANTIC_SILENCE_MS = {"low": 1200, "medium": 700, "high": 350, "auto": 700}
"""How long `semantic_vad` waits here: there is no model of what is said, only its eagerness."""

_HYSTERESIS = 0.15
_LIMITS = {"threshold": (0.0, 1.0), "prefix_padding_ms": (0, 2_000), "silence_duration_ms": (32, 10_000)}


def endpoint_for(vad: dict[str, Any], base: EndpointSettings) -> EndpointSettings:
    """The settings that a `server_vad` or `semantic_vad` means.

    Durations it leaves out have OpenAI's defaults. A threshold that is left out, or is their default of 0.5, leaves the
    server's own, which were measured; others are taken as they are.

    Args:
        vad: the object; its numbers may be text, as forms hold them.
        base: the server's settings, for all that the object does not speak of.

    Raises:
        ProtocolError: `invalid_value`; the message names the field.
    """
    kind = vad.get("type", "server_vad")
    if kind == "semantic_vad":
        eagerness = "auto" if vad.get("eagerness") is None else vad["eagerness"]
        if not isinstance(eagerness, str) or eagerness not in _SEMANTIC_SILENCE_MS:
            raise _invalid("eagerness", eagerness, f"one of {', '.join(_SEMANTIC_SILENCE_MS)}")
        return replace(base, trailing_silence_ms=_SEMANTIC_SILENCE_MS[eagerness])
    if kind != "server_vad":
        raise _invalid("type", kind, "server_vad or semantic_vad")
    threshold = _number(vad, "threshold")
    if threshold != SERVER_VAD["threshold"]:
        threshold = min(max(threshold, 0.01), 0.99)
        silence = max(threshold - _HYSTERESIS, threshold / 2)
        base = replace(base, speech_threshold=threshold, silence_threshold=silence)
    return replace(
        base,
        pre_roll_ms=round(_number(vad, "prefix_padding_ms")),
        trailing_silence_ms=round(_number(vad, "silence_duration_ms")),
    )


def _number(vad: dict[str, Any], name: str) -> float:
    value = vad.get(name)
    low, high = _LIMITS[name]
    if value is None:
        return float(SERVER_VAD[name])  # type: ignore[arg-type]
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not low <= number <= high:
        raise _invalid(name, value, f"a number {low}..{high}")
    return number


def _invalid(name: str, value: object, limit: str) -> ProtocolError:
    return ProtocolError(f"turn_detection.{name} = {shown(value)}: must be {limit}", code="invalid_value")
