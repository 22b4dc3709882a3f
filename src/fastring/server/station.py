"""What stands behind a connection: it takes commands and posts events; the pump knows no more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fastring.events import Command, Event

__all__ = ["Line", "Station"]


class Line(Protocol):
    """The connection as its station sees it. Both calls belong to the event loop's thread."""

    def post(self, event: Event) -> None:
        """Send an event when its turn comes. `Closed` and a fatal `Failure` are the last."""
        ...

    def relieve(self) -> None:
        """Say that `congested` may have changed: reading goes on."""
        ...

    async def answers(self, within_s: float) -> bool:
        """Whether the peer gives a sign of life within that time. It is pinged; one that is held back counts."""
        ...

    @property
    def heard_close(self) -> bool:
        """Whether the peer has answered our close frame, and so has had everything that came before it."""
        ...


class Station(Protocol):
    """One connection's counterpart. No call blocks; none is made after `detach`."""

    @property
    def slice_bytes(self) -> int:
        """Longer audio is handed over in pieces of this many bytes, other work in between."""
        ...

    @property
    def congested(self) -> bool:
        """Nothing more can be taken now; reading stops until `Line.relieve`."""
        ...

    def attach(self, line: Line) -> None:
        """The connection is up; the first events may be posted."""
        ...

    def receive(self, command: Command, now: float) -> None:
        """Take a command at a monotonic time in seconds.

        Raises:
            ProtocolError: the command cannot be obeyed; the stream goes on.
        """
        ...

    def finish(self, now: float) -> None:
        """The server goes down: finish what was accepted, then post `Closed`."""
        ...

    def detach(self) -> None:
        """The connection is gone; give everything back."""
        ...
