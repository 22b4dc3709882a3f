"""What a protocol brings to the server: its WebSockets, its pages, and how it words a refusal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fastring.server.problems import Refuse
from fastring.server.surface.answers import ProblemAnswer

if TYPE_CHECKING:
    from multidict import MultiMapping

    from fastring.protocols.codec import Codec
    from fastring.server.services import Services
    from fastring.server.station import Station
    from fastring.server.surface.operation import Operation

__all__ = ["OWNER", "SERVED", "SESSION", "Asked", "Family", "Handler", "Opening", "Page", "SocketRoute"]

OWNER: web.RequestKey[str] = web.RequestKey("owner", str)
"""Who presents a request: a short name of the key, "" on an open server."""

SESSION: web.RequestKey[Mapping[str, Any]] = web.RequestKey("session", dict)
"""The settings that a short-lived key brings along; see `server/short_lived_keys.py`."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a WebSocket, as far as its opening must know it. `session`: see `SESSION`."""

    path: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    owner: str
    session: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opening:
    """A connection about to be.

    Attributes:
        codec: translates.
        station: takes the commands.
        headers: further headers of the upgrade's answer.
        idle_timeout_s: how long the client may say nothing; None is `server.idle_timeout_s`.
    """

    codec: Codec
    station: Station
    headers: Mapping[str, str] = field(default_factory=dict)
    idle_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """A WebSocket: the name it is counted under, its path, and who makes what stands behind it.

    `open` makes every refusal (a `Problem`), before the upgrade. `max_message_bytes`: of a protocol whose messages must
    be larger than `server.max_message_bytes`.
    """

    name: str
    path: str
    open: Callable[[Services, Asked], Opening]
    max_message_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP endpoint. `open_to_all`: no key is asked for. `operation`: its description, for OpenAPI."""

    method: str
    path: str
    handler: Handler
    open_to_all: bool = False
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """The endpoints of one protocol, switched on by `server.protocols`.

    `refuse` words a refusal, and `problem` is the type of what it writes. `realm` is how paths begin that are
    refused so even where there is nothing at them: a client asks for what a larger service has.
    """

    name: str
    sockets: tuple[SocketRoute, ...] = ()
    pages: tuple[Page, ...] = ()
    refuse: Refuse = lambda problem, _request: problem.response()
    problem: Any = ProblemAnswer
    realm: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Of its WebSockets, then of its pages."""
        return (*(socket.path for socket in self.sockets), *(page.path for page in self.pages))


SERVED: web.AppKey[tuple[Family, ...]] = web.AppKey("served")
"""The families that the application serves."""
