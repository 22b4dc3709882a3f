"""Deepgram's turn-based protocol (`/v2/listen`, Flux): binary audio and JSON orders in, the turns of a talk out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, Close, Closed, Echo, Failure, Finalize
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.deepgram_turns import Thresholds, Turns
from fastring.protocols.messages import field, parse_object, shown, write_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Command, Event

__all__ = ["CONNECTED", "FluxCodec"]

CONNECTED: Final = Echo("Connected")
"""The first event of a stream."""

_CONFIGURE: Final = "configure_invalid"
_UNREADABLE: Final = "unparsable_client_message"

# What fastring calls it, and Deepgram: code of the message, close code, reason.
_ENDS: Final = {
    "idle_timeout": ("INACTIVE_CLIENT", 1011, "NET-0001: no audio came in time"),
    "undecodable": ("UNDECODABLE_AUDIO", 1008, "DATA-0000: the bytes are no audio that can be decoded"),
}


class FluxCodec:
    """Deepgram's turn-based protocol on one connection.

    Times on the wire are seconds from the first sample of the stream. Each message has the next `sequence_id`; the
    error that ends a connection has that of the message it stands in for.

    Args:
        request_id: UUID of the request.
        thresholds: when turns end, as the client asked for it.
        silence_ms: silence that ends a turn, where the client asked for nothing.
        language_hints: what the client expects to be spoken.
        tell_language: say what language a turn was in, if the engine does.
        max_message_bytes: longer messages are refused.
    """

    ENCODED: ClassVar[frozenset[type]] = frozenset({events.ChannelEvent, Failure, Echo, Closed})
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            *(events.SpeechStarted, events.Partial, events.Final, events.SpeechEnded),  # they come in a ChannelEvent
            *(events.EarlyTrigger, events.EarlyTriggerRetracted, events.SpeechStopped),
            *(events.Status, events.Ack, events.Pong, events.Reply, events.ReplyDelta, events.ReplyDone),
            *(events.VoiceReady, events.Resumed, events.AnalysisReady, events.Analysis, events.SourceEvent),
            *(events.Recitation, events.RecitationResult, events.RecitationFailed),
        }
    )

    def __init__(
        self,
        request_id: str,
        *,
        thresholds: Thresholds | None = None,
        silence_ms: float = 256,
        language_hints: Sequence[str] = (),
        tell_language: bool = False,
        max_message_bytes: int = 1 << 20,
    ) -> None:
        self.counters = Counters()
        self._request_id = request_id
        self._wanted = thresholds or Thresholds()  # as far as the client has said; the turns follow in their place
        self._turns = Turns(self._wanted, tell_language=tell_language)
        self._silence_ms = silence_ms
        self._hints = {"languages_hinted": list(language_hints)} if language_hints else {}
        self._max_message_bytes = max_message_bytes
        self._sequence = 0

    # --- in ----------------------------------------------------------------------------------------------------------

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`."""
        return self.counters.taken(message, self._max_message_bytes, self._read)

    def _read(self, message: Message) -> list[Command]:
        if isinstance(message, bytes):
            return [Audio(message)] if message else []
        try:
            parsed = parse_object(message)
            name = field(parsed, "type", str)
            read = _READERS.get(name)
            if read is None:
                raise ProtocolError(f"unknown message type {shown(name)}")
        except ProtocolError as error:
            raise ProtocolError(str(error), code=_UNREADABLE) from None
        return read(self, parsed)

    def _configure(self, message: dict[str, Any]) -> list[Command]:
        """Thresholds hold from here on; what else may be set is told as it is: no keyterms, the hints from before.

        Raises:
            ProtocolError: a threshold is none; nothing is changed.
        """
        try:
            given = message.get("thresholds")
            if given is not None and not isinstance(given, dict):
                raise ProtocolError(f"'thresholds' must be an object, not {shown(given)}")
            self._wanted = self._wanted.changed(given or {})
        except ProtocolError as error:
            raise ProtocolError(str(error), code=_CONFIGURE) from None
        return [self._wanted.endpointing(self._silence_ms), Echo("ConfigureSuccess", {"thresholds": self._wanted})]

    # --- out ---------------------------------------------------------------------------------------------------------

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it; see `Codec.encode`."""
        if isinstance(event, events.ChannelEvent):
            return [self._message("TurnInfo", {**it, **self._hints}) for it in self._turns.tell(event.event)]
        if isinstance(event, Failure):
            return [self._failure(event)]
        return [self._echo(event)] if isinstance(event, Echo) else ()

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        if isinstance(event, Failure) and event.code in _ENDS:
            return _ENDS[event.code][1:]
        return close_frame(event)

    def _message(self, kind: str, fields: dict[str, Any]) -> str:
        number, self._sequence = self._sequence, self._sequence + 1
        return write_object({"type": kind, "request_id": self._request_id, "sequence_id": number, **fields})

    def _echo(self, event: Echo) -> str:
        thresholds = event.fields.get("thresholds")
        if not isinstance(thresholds, Thresholds):
            return self._message(CONNECTED.name, {})
        self._turns.thresholds = thresholds
        hints = {"language_hints": self._hints["languages_hinted"]} if self._hints else {}
        return self._message("ConfigureSuccess", {"thresholds": thresholds.fields(), "keyterms": [], **hints})

    def _failure(self, event: Failure) -> str:
        """An `Error` is the end, as clients understand it; what goes on goes on with a `Warning`."""
        code = _ENDS[event.code][0] if event.code in _ENDS else event.code.upper()
        told = {"code": code, "description": event.message}
        if event.fatal:  # it may be asked for before its time, so it takes no number
            return write_object({"type": "Error", "sequence_id": self._sequence, **told})
        return self._message("ConfigureFailure" if event.code == _CONFIGURE else "Warning", told)


_READERS: dict[str, Callable[[FluxCodec, dict[str, Any]], list[Command]]] = {
    "KeepAlive": lambda _codec, _message: [],
    "ForceEndTurn": lambda _codec, _message: [Finalize()],
    "CloseStream": lambda _codec, _message: [Close()],
    "Configure": FluxCodec._configure,
}
