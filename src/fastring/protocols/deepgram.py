"""Deepgram's live protocol (`/v1/listen`): binary audio and JSON orders in, Results and what belongs to them out."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, Close, Closed, Failure, Finalize, Ping
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.deepgram_channel import Channel, LiveOptions
from fastring.protocols.messages import field, parse_object, shown, write_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Command, Event
    from fastring.protocols.deepgram_results import ModelInfo

__all__ = ["DeepgramCodec"]

_MAX_ECHO_CHARACTERS = 4096

# What fastring calls it, and how Deepgram closes: code, reason.
_CLOSE_FRAMES = {
    "idle_timeout": (1011, "NET-0001: neither audio nor KeepAlive came in time"),
    "undecodable": (1008, "DATA-0000: the bytes are no audio that can be decoded"),
}
_SCHEMA = "schema"
_CONFIGURE = "configure_keyterms_not_supported"


class DeepgramCodec:
    """Deepgram's live protocol on one connection.

    Times on the wire are seconds from the first sample of the stream. Results of a channel follow each other without
    gaps: each starts where the final before it ended.

    Args:
        request_id: UUID of the request.
        created: when it came, ISO 8601 in UTC.
        model: the loaded one.
        options: what the client asked for.
        max_message_bytes: longer messages are refused.
    """

    ENCODED: ClassVar[frozenset[type]] = frozenset({events.ChannelEvent, Failure, events.Pong, Closed})
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            events.SpeechStopped,
            *(events.SpeechStarted, events.Partial, events.Final, events.SpeechEnded),  # they come in a ChannelEvent
            *(
                events.EarlyTrigger,
                events.EarlyTriggerRetracted,
                events.Status,
                events.Ack,
                events.Reply,
                events.ReplyDelta,
                events.ReplyDone,
                events.Echo,
                events.SourceEvent,
            ),
            *(events.VoiceReady, events.Resumed, events.AnalysisReady, events.Analysis),
            *(events.Recitation, events.RecitationResult, events.RecitationFailed),
        }
    )

    def __init__(
        self,
        request_id: str,
        *,
        created: str,
        model: ModelInfo,
        options: LiveOptions | None = None,
        max_message_bytes: int = 1 << 20,
    ) -> None:
        self.counters = Counters()
        self._request_id = request_id
        self._created = created
        self._model = model
        self._options = options or LiveOptions()
        self._punctuate = self._options.punctuate
        self._max_message_bytes = max_message_bytes
        self._sha256 = hashlib.sha256()
        self._described = {
            "request_id": request_id,
            "model_info": model.fields(),
            "model_uuid": model.model_uuid,
        }
        self._channels: dict[int, Channel] = {}
        self._channel_count = 1
        self._unreadable: deque[str] = deque()  # texts whose Error is not yet sent
        self._configured: deque[list[str] | None] = deque()  # Configure messages that are not yet answered

    # --- in ----------------------------------------------------------------------------------------------------------

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`."""
        return self.counters.taken(message, self._max_message_bytes, self._read)

    def _read(self, message: Message) -> list[Command]:
        return self._binary(message) if isinstance(message, bytes) else self._text(message)

    def _binary(self, message: bytes) -> list[Command]:
        """Audio, cut anywhere; an empty message ends the stream."""
        self._sha256.update(message)
        return [Audio(message)] if message else [Close()]

    def _text(self, message: str) -> list[Command]:
        try:
            parsed = parse_object(message)
            name = field(parsed, "type", str)
            read = _READERS.get(name)
            if read is None:
                raise ProtocolError(f"unknown message type {shown(name)}")
            return read(self, parsed)
        except ProtocolError as error:
            if error.code == _CONFIGURE:
                raise
            self._unreadable.append(message[:_MAX_ECHO_CHARACTERS])
            raise ProtocolError(str(error), code=_SCHEMA) from None

    def _finalize(self, message: dict[str, Any]) -> list[Command]:
        return [Finalize(field(message, "channel", int) if message.get("channel") is not None else None)]

    def _configure(self, message: dict[str, Any]) -> list[Command]:
        """Features of the text are switched on the spot; terms to listen for are not to be had.

        The answer keeps its place among the results: a station answers a `Ping` in its turn, and this protocol has no
        other use for one.
        """
        keyterms, features = message.get("keyterms"), field(message, "features", dict, default={})
        if keyterms is not None and not (isinstance(keyterms, list) and all(isinstance(it, str) for it in keyterms)):
            raise ProtocolError(f"'keyterms' must be a list of texts, not {shown(keyterms)}")
        if keyterms:
            raise ProtocolError("the engine takes no keyterms", code=_CONFIGURE)
        wanted = [features[name] for name in ("punctuate", "smart_format") if isinstance(features.get(name), bool)]
        if wanted:
            self._punctuate = any(wanted)
            for channel in self._channels.values():
                channel.punctuate = self._punctuate
        self._configured.append(keyterms)
        return [Ping()]

    # --- out ---------------------------------------------------------------------------------------------------------

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it; see `Codec.encode`."""
        if isinstance(event, events.ChannelEvent):
            self._channel_count = event.channels
            return self._placed(event.channel, self._channel(event.channel).tell(event.event))
        if isinstance(event, Failure):
            return [write_object(message) for message in self._failure(event)]
        if isinstance(event, Closed):
            rest = [it for number, channel in self._channels.items() for it in self._placed(number, channel.end())]
            return [*rest, write_object(self._metadata(event))]
        return [write_object(self._configure_success())] if isinstance(event, events.Pong) else ()

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        if isinstance(event, Failure) and event.code in _CLOSE_FRAMES:
            return _CLOSE_FRAMES[event.code]
        return close_frame(event)

    def _channel(self, number: int) -> Channel:
        if number not in self._channels:
            self._channels[number] = Channel(self._options, punctuate=self._punctuate)
        return self._channels[number]

    def _placed(self, channel: int, told: list[dict[str, Any]]) -> list[str]:
        """With their channel, which results and notices name differently."""
        where = [channel, self._channel_count]
        return [
            write_object(
                {"type": "Results", "channel_index": where, **it, "metadata": self._described}
                if it["type"] == "Results"
                else {"type": it["type"], "channel": where, **it}
            )
            for it in told
        ]

    def _metadata(self, event: Closed) -> dict[str, Any]:
        """The last message; the station's stats say how much audio there was."""
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._sha256.hexdigest(),
            "created": self._created,
            "duration": round(float(event.stats.get("duration_s", 0.0)), 3),
            "channels": int(event.stats.get("channels", 0)),
            "models": [self._model.model_uuid],
            "model_info": self._model.by_id(),
        }

    def _failure(self, event: Failure) -> list[dict[str, Any]]:
        if event.code in _CLOSE_FRAMES:
            return []  # the close frame says it
        if event.code == _CONFIGURE:
            answer = {"code": _CONFIGURE.upper(), "description": event.message}
            return [{"type": "ConfigureFailure", "request_id": self._request_id, **answer}]
        if event.code == _SCHEMA:
            original = self._unreadable.popleft() if self._unreadable else ""
            return [
                {"type": "Error", "variant": "SchemaError", "description": event.message, "message": original},
            ]
        variant = "".join(part.capitalize() for part in event.code.split("_"))
        return [{"type": "Error", "variant": variant, "description": event.message, "code": event.code}]

    def _configure_success(self) -> dict[str, Any]:
        keyterms = self._configured.popleft() if self._configured else None
        return {
            "type": "ConfigureSuccess",
            "request_id": self._request_id,
            **({"keyterms": keyterms} if keyterms is not None else {}),
        }


_READERS: dict[str, Callable[[DeepgramCodec, dict[str, Any]], list[Command]]] = {
    "KeepAlive": lambda _codec, _message: [],
    "Finalize": DeepgramCodec._finalize,
    "CloseStream": lambda _codec, _message: [Close()],
    "Configure": DeepgramCodec._configure,
}
