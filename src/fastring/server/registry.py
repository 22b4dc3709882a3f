"""The streams and connections of this process, and whether another one may come in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fastring.errors import ProtocolError, StreamExistsError, UnknownStreamError
from fastring.server.problems import Problem, busy
from fastring.session.admission import AdmissionControl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastring.server.connection import Connection

__all__ = ["CONNECTIONS_PER_STREAM", "Kind", "Registry", "Stream"]

Kind = Literal["audio", "voice", "source"]

CONNECTIONS_PER_STREAM = 4
"""Connections in all are bounded by this many times `server.max_streams`."""


class Stream(Protocol):
    """What the registry knows of a stream."""

    @property
    def stream_id(self) -> str:
        """The client's name for it."""
        ...

    @property
    def kind(self) -> Kind:
        """What it does."""
        ...

    def stats(self) -> dict[str, Any]:
        """The stats object of the native protocol."""
        ...

    def summary(self) -> dict[str, Any]:
        """The few of them that a list of streams shows; cheap."""
        ...

    def stop(self) -> dict[str, Any]:
        """End it, tell its connections, and return its last stats."""
        ...


class Registry:
    """Streams by kind and id; an id may be used once for each kind.

    Args:
        max_streams: of all kinds.
        admission: says when the engine has no room for more voice streams; None: never.

    Attributes:
        admission: see above.
        draining: the server goes down; nothing is admitted.
    """

    def __init__(self, max_streams: int, admission: AdmissionControl | None = None) -> None:
        self.admission = admission or AdmissionControl(0)
        self.draining = False
        self.refused = 0
        self.connections: set[Connection] = set()
        self._max_streams = max_streams
        self._streams: dict[tuple[Kind, str], Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def count(self, kind: Kind) -> int:
        """Streams of a kind."""
        return sum(1 for of_kind, _ in self._streams if of_kind == kind)

    def admit(self) -> None:
        """Refuse a connection that there is no room for.

        Raises:
            Problem: 503.
        """
        if self.draining:
            self.refused += 1
            raise busy("shutting_down", "the server is going down", retry_after_s=5)
        if len(self.connections) >= CONNECTIONS_PER_STREAM * self._max_streams:
            self.refused += 1
            raise busy("too_many_connections", f"{len(self.connections)} connections are open", retry_after_s=5)

    def add(self, stream: Stream) -> None:
        """Take a new stream in.

        Raises:
            StreamExistsError: its id is taken.
            Problem: 503, `server.max_streams` is reached or the server goes down.
        """
        key = (stream.kind, stream.stream_id)
        if key in self._streams:
            raise StreamExistsError(f"stream {stream.stream_id!r} is there already")
        self.check_room()
        self._streams[key] = stream

    def check_engine(self) -> None:
        """Refuse a new voice stream while those that are here wait for the engine; to be asked before the upgrade.

        Raises:
            Problem: 503.
        """
        now = time.monotonic()
        if reason := self.admission.refuses(now):
            self.refused += 1
            raise busy("overloaded", reason, retry_after_s=self.admission.retry_after_s(now))

    def check_room(self) -> None:
        """Refuse a stream that there is no room for.

        Raises:
            Problem: 503, `server.max_streams` is reached or the server goes down.
        """
        self.admit()
        if len(self._streams) >= self._max_streams:
            self.refused += 1
            raise busy("too_many_streams", f"{self._max_streams} streams at most (server.max_streams)", retry_after_s=5)

    def enter(self, stream: Stream) -> None:
        """Take a stream in once its connection is open; one that is in stays in.

        Raises:
            ProtocolError: its id is taken, or there is no room; the connection has to end.
        """
        if self._streams.get((stream.kind, stream.stream_id)) is stream:
            return
        try:
            self.add(stream)
        except StreamExistsError as error:
            raise ProtocolError(str(error), code=error.code, close_code=1008) from None
        except Problem as problem:
            raise ProtocolError(problem.message, code=problem.code, close_code=1013) from None

    def find(self, stream_id: str, *kinds: Kind) -> Stream | None:
        """The stream of that id, of the first kind that has one (audio, voice, then source, unless told)."""
        for kind in kinds or ("audio", "voice", "source"):
            if (stream := self._streams.get((kind, stream_id))) is not None:
                return stream
        return None

    def get(self, stream_id: str, *kinds: Kind) -> Stream:
        """The same, but it must be there.

        Raises:
            UnknownStreamError: it is not.
        """
        stream = self.find(stream_id, *kinds)
        if stream is None:
            raise UnknownStreamError(f"there is no stream {stream_id!r}")
        return stream

    def remove(self, stream: Stream) -> None:
        """Forget a stream; one that was replaced or removed meanwhile is left alone."""
        key = (stream.kind, stream.stream_id)
        if self._streams.get(key) is stream:
            del self._streams[key]
