"""Behind a control connection: questions and orders about one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastring.errors import ProtocolError, UnknownStreamError
from fastring.events import Close, Closed, Control, Failure, Ping, Pong, Reply
from fastring.server.analysis_station import AnalysisStream, control

if TYPE_CHECKING:
    from fastring.events import Command, Event
    from fastring.server.registry import Registry
    from fastring.server.station import Line

__all__ = ["ControlStation"]


class ControlStation:
    """Answers about the stream of its id, whichever connection feeds it; it keeps no stream alive.

    Args:
        stream_id: which.
        registry: where to find it.
    """

    def __init__(self, stream_id: str, registry: Registry) -> None:
        self._stream_id = stream_id
        self._registry = registry
        self._line: Line | None = None

    @property
    def slice_bytes(self) -> int:
        """It takes no audio."""
        return 1 << 20

    @property
    def congested(self) -> bool:
        """Never."""
        return False

    def attach(self, line: Line) -> None:
        """Nothing to say before it is asked."""
        self._line = line

    def receive(self, command: Command, _now: float) -> None:
        """Take a command; see `Station.receive`."""
        if isinstance(command, Control):
            self._post(self._answer(command))
        elif isinstance(command, Ping):
            self._post(Pong())
        elif isinstance(command, Close):
            self._post(Closed("requested"))
        else:
            raise ProtocolError("the control endpoint takes no audio", code="unknown_type")

    def finish(self, _now: float) -> None:
        """Hang up."""
        self._post(Closed("going away"))

    def detach(self) -> None:
        """Nothing to give back."""
        self._line = None

    def _answer(self, command: Control) -> Event:
        if command.command == "list_streams":
            return Reply("streams", {"streams": [stream.summary() for stream in self._registry]})
        try:
            stream = self._registry.get(self._stream_id)
        except UnknownStreamError as error:
            return Failure("unknown_stream", str(error), fatal=True)
        if isinstance(stream, AnalysisStream):
            return control(stream, command)
        if command.command == "get_stats":
            return Reply("stats", stream.stats())
        return Failure("invalid_field", f"{command.command} is for analysis streams; this one is {stream.kind}")

    def _post(self, event: Event) -> None:
        if self._line is not None:
            self._line.post(event)
