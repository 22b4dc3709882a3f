"""The protocol of vosk-server: a chunk of audio in, exactly one reply out; clients wait for it before they go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, ChannelEvent, Close, Closed, Failure, Final, Partial, Ping, Pong
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.deepgram_results import alternative
from fastring.protocols.messages import field, parse_object, shown, write_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.events import Command, Event

__all__ = ["VoskCodec"]

_RATE = 16_000  # of the samples in events
_MIN_RATE, _MAX_RATE = 8_000, 192_000


class VoskCodec:
    """vosk-server's protocol on one connection.

    A reply is the next final that is not yet told, or else what is heard so far. What the engine says later than the
    reply to its audio comes with the reply to a later chunk; the last one waits for everything.

    Args:
        max_message_bytes: longer messages are refused.

    Attributes:
        sample_rate: in Hz; the client may set it before its first audio.
    """

    ENCODED: ClassVar[frozenset[type]] = frozenset({ChannelEvent, Pong, Closed})
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            events.SpeechStopped,
            *(events.SpeechStarted, events.Partial, events.Final, events.SpeechEnded),  # they come in a ChannelEvent
            *(events.EarlyTrigger, events.EarlyTriggerRetracted, events.Status, events.Ack, events.Reply, events.Echo),
            *(events.VoiceReady, events.Resumed, events.AnalysisReady, events.Analysis, events.SourceEvent),
            *(events.Recitation, events.RecitationResult, events.RecitationFailed, events.ReplyDelta, events.ReplyDone),
            Failure,
        }
    )

    def __init__(self, *, max_message_bytes: int = 1 << 20) -> None:
        self.counters = Counters()
        self.sample_rate = 8_000
        self._max_message_bytes = max_message_bytes
        self._words = True
        self._alternatives = 0
        self._heard = ""
        self._untold: list[Final] = []

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`. A `Ping` after audio asks for the reply."""
        return self.counters.taken(message, self._max_message_bytes, self._read)

    def _read(self, message: Message) -> list[Command]:
        return [Audio(message), Ping()] if isinstance(message, bytes) else self._text(message)

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into its message; see `Codec.encode`. What a session says is kept for the next reply."""
        if isinstance(event, ChannelEvent):
            self._note(event.event)
        elif isinstance(event, Pong):
            return (self._reply(),)
        elif isinstance(event, Closed):
            return (self._result(self._untold),)
        return ()

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        return close_frame(event)

    def _text(self, message: str) -> list[Command]:
        parsed = parse_object(message)
        if "eof" in parsed:
            return [Close()]
        config = field(parsed, "config", dict, default={})
        self.sample_rate = _rate(config.get("sample_rate", self.sample_rate))
        self._words = bool(config.get("words", self._words))
        self._alternatives = field(config, "max_alternatives", int, default=0)
        return []

    def _note(self, event: object) -> None:
        if isinstance(event, Partial):
            self._heard = event.text
        elif isinstance(event, Final):
            self._heard = ""
            if event.text:
                self._untold.append(event)

    def _reply(self) -> str:
        if self._untold:
            return self._result([self._untold.pop(0)])
        return write_object({"partial": self._heard.lower()})

    def _result(self, finals: Sequence[Final]) -> str:
        spoken = [alternative(it.text, it.words, it.confidence, sample_rate=_RATE, punctuate=False) for it in finals]
        text = " ".join(it["transcript"] for it in spoken)
        words = [self._word(word) for it in spoken for word in it["words"]] if self._words else []
        result: dict[str, Any] = {"result": words} if words else {}
        if not self._alternatives:
            return write_object({**result, "text": text})
        confidence = sum(it["confidence"] for it in spoken) / len(spoken) if spoken else 0.0
        return write_object({"alternatives": [{"text": text, "confidence": confidence, **result}]})

    def _word(self, word: dict[str, Any]) -> dict[str, Any]:
        return {"word": word["word"], "start": word["start"], "end": word["end"], "conf": word["confidence"]}


def _rate(value: object) -> int:
    """A number, which clients also write as text."""
    try:
        rate = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        rate = 0.0
    if not _MIN_RATE <= rate <= _MAX_RATE:
        raise ProtocolError(f"'sample_rate' must be {_MIN_RATE}..{_MAX_RATE}, not {shown(value)}", code="invalid_field")
    return round(rate)
