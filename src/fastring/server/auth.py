"""Who may come in: API keys, compared in constant time, and short-lived ones; where from: origins and host names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from fastring.errors import ConfigError
from fastring.protocols.messages import shown
from fastring.server.keys import KeyRing
from fastring.server.logs import Throttle
from fastring.server.problems import Problem
from fastring.server.short_lived_keys import ShortLivedKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastring.config import SecuritySettings, ServerSettings

__all__ = ["Gate", "Visitor", "is_loopback", "require_keys_in_public", "subprotocol_of"]

log = structlog.get_logger("fastring.server")

_SCHEMES = ("bearer", "token")
_OPENAI_KEY = "openai-insecure-api-key."  # what OpenAI's browser client puts before the key


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who presents a request.

    Attributes:
        owner: short name of the key, or of the one that made the short-lived key; "" on an open server.
        session: the settings that a short-lived key brings along.
    """

    owner: str
    session: Mapping[str, Any] = field(default_factory=dict)


class Gate:
    """Decides on the headers of a request whether it may pass.

    Without keys the server is open, and then a page in the user's own browser must not reach it from another site:
    that is why `Origin` is checked, and the `Host` name too (a name that its owner points at 127.0.0.1 makes any site
    look like the same origin).
    """

    def __init__(self, security: SecuritySettings, server: ServerSettings) -> None:
        self.keys = KeyRing(security)
        self.short_lived_keys = ShortLivedKeys(security.signing_secret)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in security.allowed_origins)
        self._hosts = frozenset(_host_name(_netloc(origin)) for origin in self._origins)
        self._loopback_only = is_loopback(server.host)
        self._tells = Throttle(10, 10.0)

    def allows(self, origin: str) -> bool:
        """Whether pages of that origin are let in by the settings."""
        return "*" in self._origins or origin.rstrip("/").lower() in self._origins

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Let pass who comes from the same origin, from an allowed one, or from no browser at all.

        Whom it does not is logged: a browser hides from its page why a WebSocket was refused.

        Raises:
            Problem: 403.
        """
        problem = self._problem_of(headers)
        if problem is not None:
            if self._tells.passes():
                log.warning("refused", code=problem.code, reason=problem.message, more=self._tells.take_held_back())
            raise problem

    def _problem_of(self, headers: Mapping[str, str]) -> Problem | None:
        host = headers.get("Host", "").lower()
        origin = headers.get("Origin", "").rstrip("/").lower()
        if "*" in self._origins:
            return None
        if origin and origin not in self._origins and _netloc(origin) != host:
            reason = f"pages of {shown(origin)} may not connect: see security.allowed_origins"
            return Problem(403, "forbidden_origin", reason)
        if self._loopback_only and not self.keys and not self._own_name(host):
            reason = f"host {shown(host)} is not this machine: see security.allowed_origins, or set keys"
            return Problem(403, "forbidden_host", reason)
        return None

    def visitor(self, headers: Mapping[str, str], scope: str, now_s: float) -> Visitor:
        """Who presents a request: the owner of a key, or whoever was handed a short-lived one for that scope.

        A short-lived key is held to what it says on an open server as well, so that a page fails there as it would
        elsewhere.

        Args:
            headers: of the request.
            scope: the protocol whose short-lived keys open the path; "" if none do.
            now_s: wall-clock seconds.

        Raises:
            Problem: 401 or 403.
        """
        short_lived = self.short_lived_keys.read(_presented_key(headers))
        if short_lived is None:
            return Visitor(self.owner(headers))
        if now_s >= short_lived.expires_s:
            raise _unauthorized("the short-lived key has expired")
        owners: Iterable[str] = self.keys.quotas() if self.keys else ("",)
        owner = self.short_lived_keys.owner_of(short_lived, owners)
        if owner is None:
            raise _unauthorized("the key that made this short-lived one is gone")
        if short_lived.scope != scope:
            raise Problem(403, "short_lived_key", "a short-lived key opens the live paths of its own protocol alone")
        return Visitor(owner, short_lived.session)

    def owner(self, headers: Mapping[str, str]) -> str:
        """Who presents the request: a short name of the key, or "" on an open server. Short-lived ones are no keys.

        Raises:
            Problem: 401.
        """
        if not self.keys:
            return ""
        key = _presented_key(headers)
        owner = self.keys.owner(key) if key else None
        if owner is None:
            raise _unauthorized("no such API key" if key else "an API key is needed: Authorization: Bearer KEY")
        return owner

    def _own_name(self, host: str) -> bool:
        name = _host_name(host)
        return name in self._hosts or name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def subprotocol_of(headers: Mapping[str, str]) -> str | None:
    """The one offered sub-protocol the server selects; browsers hang up if none of theirs comes back. Never the key."""
    offered = _offered(headers)
    first = offered[0] if offered else ""
    return first if first.lower() in (*_SCHEMES, "fastring", "realtime") else None


def is_loopback(host: str) -> bool:
    """Whether a host to bind reaches this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_keys_in_public(security: SecuritySettings, server: ServerSettings) -> None:
    """Refuse to bind to a public address without keys, unless that is wanted in so many words.

    Raises:
        ConfigError: says what to set.
    """
    if is_loopback(server.host) or len(KeyRing(security)) or security.allow_public_without_keys:
        return
    raise ConfigError(
        f"server.host = {server.host!r} is reachable from outside, and there are no keys: set FASTRING_API_KEYS "
        "(or security.api_keys_file), or security.allow_public_without_keys if everyone may use it"
    )


def _unauthorized(why: str) -> Problem:
    return Problem(401, "unauthorized", why, headers={"WWW-Authenticate": "Bearer"})


def _presented_key(headers: Mapping[str, str]) -> str:
    """`Authorization: Bearer KEY` or `Token KEY`, or the sub-protocols that browsers can offer.

    They are `bearer, KEY` or `token, KEY`, or, from OpenAI's client, `realtime, openai-insecure-api-key.KEY`.
    """
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES:
        return key.strip()
    offered = _offered(headers)
    for name in offered:
        if name.startswith(_OPENAI_KEY):
            return name.removeprefix(_OPENAI_KEY)
    return offered[1] if len(offered) >= 2 and offered[0].lower() in _SCHEMES else ""


def _offered(headers: Mapping[str, str]) -> list[str]:
    return [name.strip() for name in headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]


def _netloc(origin: str) -> str:
    """`https://app.example:8000` → `app.example:8000`; what is no origin is equal to no host."""
    return origin.partition("://")[2]


def _host_name(netloc: str) -> str:
    """`localhost:8000` → `localhost`, `[::1]:8000` → `::1`."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]
