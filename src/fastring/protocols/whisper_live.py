"""WhisperLive's protocol: options as JSON, float32 audio at 16 kHz; the last segments out, the newest still growing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, ChannelEvent, Close, Closed, Configure, Failure, Final, Partial, Ping, Pong
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.messages import field, parse_object, write_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Command, Event

__all__ = ["WhisperLiveCodec"]

_RATE = 16_000  # of the samples in events, and of the audio
_END = b"END_OF_AUDIO"
_MAX_SEGMENTS = 1000
_WAIT_MINUTES = 1.0  # what a client that finds no place is told: nobody knows how long the others will speak


class WhisperLiveCodec:
    """WhisperLive's protocol on one connection. Audio before the options means nothing yet and is dropped.

    Args:
        check_language: makes a code of what the client calls its language; a `ProtocolError` refuses it.
        max_message_bytes: longer messages are refused.

    Attributes:
        language: code that the client gave, or that was heard; "" until then.
    """

    FULL: ClassVar[frozenset[str]] = frozenset({"too_many_streams", "overloaded"})  # there is no place
    ENCODED: ClassVar[frozenset[type]] = frozenset({ChannelEvent, Pong, Failure})
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            events.SpeechStopped,
            *(events.SpeechStarted, events.Partial, events.Final, events.SpeechEnded),  # they come in a ChannelEvent
            *(events.EarlyTrigger, events.EarlyTriggerRetracted, events.Status, events.Ack, events.Reply, events.Echo),
            *(events.VoiceReady, events.Resumed, events.AnalysisReady, events.Analysis, events.SourceEvent),
            *(events.Recitation, events.RecitationResult, events.RecitationFailed, events.ReplyDelta, events.ReplyDone),
            Closed,
        }
    )

    def __init__(
        self, *, check_language: Callable[[str], str] = lambda name: name, max_message_bytes: int = 1 << 20
    ) -> None:
        self.counters = Counters()
        self._max_message_bytes = max_message_bytes
        self._uid: str | None = None
        self._last = 10
        self._completed: list[dict[str, Any]] = []
        self.language = ""
        self._check_language = check_language

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`. Options are a `Ping`: its answer says that all is ready."""
        return self.counters.taken(message, self._max_message_bytes, self._read)

    def _read(self, message: Message) -> list[Command]:
        return self._options(message) if isinstance(message, str) else self._audio(message)

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into its messages; see `Codec.encode`."""
        if isinstance(event, ChannelEvent):
            return [self._with_uid(fields) for fields in self._told(event.event)]
        if isinstance(event, Pong):
            return [self._with_uid({"message": "SERVER_READY", "backend": "faster_whisper"})]
        if isinstance(event, Failure) and event.code in self.FULL:
            return [self._with_uid({"status": "WAIT", "message": _WAIT_MINUTES})]
        if isinstance(event, Failure):
            return [self._with_uid({"status": "ERROR" if event.fatal else "WARNING", "message": event.message})]
        return ()  # a normal end is a close and no more

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        return close_frame(event)

    def _options(self, message: str) -> list[Command]:
        options = parse_object(message)
        self._uid = field(options, "uid", str)
        if options.get("task", "transcribe") != "transcribe":
            raise ProtocolError("this server transcribes, it does not translate", code="unsupported", close_code=1008)
        self._last = min(max(1, field(options, "send_last_n_segments", int, default=self._last)), _MAX_SEGMENTS)
        self.language = self._check_language(field({"language": options.get("language") or ""}, "language", str))
        return [Configure({"language": self.language}), Ping()]

    def _audio(self, message: bytes) -> list[Command]:
        if message == _END:
            return [Close()]
        return [Audio(message)] if self._uid is not None else []

    def _told(self, event: object) -> list[dict[str, Any]]:
        """The segments after something has changed in them, and the language when it is first known."""
        told: list[dict[str, Any]] = []
        if isinstance(event, Final) and event.text:
            if event.language and not self.language:
                self.language = event.language
                told.append({"language": event.language, "language_prob": 1.0})
            self._completed = [*self._completed, _segment(event, completed=True)][-_MAX_SEGMENTS:]
            told.append({"segments": self._completed[-self._last :]})
        elif isinstance(event, Partial):
            told.append({"segments": [*self._completed, _segment(event, completed=False)][-self._last :]})
        return told

    def _with_uid(self, fields: dict[str, Any]) -> str:
        return write_object({"uid": self._uid, **fields})


def _segment(event: Partial | Final, *, completed: bool) -> dict[str, Any]:
    """Times are text, in seconds with three decimals. The space before the text is Whisper's: clients join segments."""
    start, end = (f"{sample / _RATE:.3f}" for sample in (event.start, event.end))
    return {"start": start, "end": end, "text": f" {event.text}", "completed": completed}
