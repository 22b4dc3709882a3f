"""What remote engines share: a refusal over HTTP as a typed error, and the time the service asks for. Pure."""

from __future__ import annotations

import email.utils
import time
from typing import TYPE_CHECKING

from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["refusal", "retry_after_s"]

_LONGEST_DETAIL = 200
_PASSING = frozenset({408, 409, 425, 429})


def refusal(
    service: str,
    status: int,
    headers: Mapping[str, str],
    detail: str = "",
    *,
    key_hint: str = "",
    request_hint: str = "",
) -> EngineUnavailableError:
    """The error for an HTTP status that is no success.

    Args:
        service: who refused.
        status: HTTP status.
        headers: of the answer, names in any case.
        detail: what the answer says; shortened, and shown escaped.
        key_hint: what to set if the key is at fault.
        request_hint: what to look at if the address or the request is.
    """
    said = f": {detail[:_LONGEST_DETAIL]!a}" if detail else ""
    if status in (401, 403):
        message = f"{service} refuses the key (HTTP {status}{said}); set {key_hint}"
    elif status == 402:
        message = f"{service} wants to be paid (HTTP 402{said})"
    else:
        look = f"; look at {request_hint}" if request_hint and status in (400, 404, 405, 422) else ""
        message = f"{service} answers HTTP {status}{said}{look}"
    return EngineUnavailableError(
        message,
        reason=_reason(status),
        retry_after_s=retry_after_s(headers),
        passing=status >= 500 or status in _PASSING,
    )


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds, or a date) asks for; 0 if they are not there."""
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            return max(0.0, float(lower["retry-after-ms"]) / 1000)
        value = lower.get("retry-after", "0")
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def _reason(status: int) -> str:
    if status in (429, 503):
        return "busy"
    if status in (408, 504):
        return "timeout"
    return "refused" if status < 500 else "broken"
