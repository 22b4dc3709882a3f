"""Wyoming, as Home Assistant speaks it over TCP: a JSON line, JSON data, a payload; all that a recogniser needs of it.

An utterance is what comes between `audio-start` and `audio-stop`, and every one is answered by a `transcript`, even if
nothing was said. Text that is stable goes out before in `transcript-chunk`s, which joined are the transcript.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fastring import events
from fastring.audio.format import AudioFormat
from fastring.errors import AudioFormatError, ProtocolError
from fastring.events import Audio, Configure, Echo, Failure, Finalize
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.messages import parse_object, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Closed, Command, Event

__all__ = ["WyomingCodec", "info_of"]

Fields = dict[str, Any]

_MAX_HEADER_BYTES: Final = 1 << 14
_MAX_DATA_BYTES: Final = 1 << 18
_VERSION: Final = "1.10.2"


def info_of(model: str, languages: Sequence[str], version: str) -> Fields:
    """The answer to `describe`: one program with one model."""
    credit = {"name": "fastring", "url": "https://pypi.org/project/fastring/"}
    loaded = {
        "name": model,
        "attribution": credit,
        "installed": True,
        "description": f"{model}, as fastring has it loaded",
        "version": version,
        "languages": list(languages),
    }
    program = {
        "name": "fastring",
        "attribution": credit,
        "installed": True,
        "description": "Live speech to text",
        "version": version,
        "models": [loaded],
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
    }
    others: Fields = {name: [] for name in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return {"asr": [program], **others}


class WyomingCodec:
    """See `Codec`: a message is as many bytes as came, which may end anywhere.

    Args:
        info: the answer to `describe`.
        max_payload_bytes: of one event.
    """

    ENCODED: ClassVar[frozenset[type]] = frozenset({events.Partial, events.Final, Failure, Echo})
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            events.SpeechStopped,
            *(events.VoiceReady, events.AnalysisReady, events.Resumed, events.SpeechStarted, events.SpeechEnded),
            *(events.EarlyTrigger, events.EarlyTriggerRetracted, events.Status, events.Ack, events.Analysis),
            *(events.Reply, events.ReplyDelta, events.ReplyDone, events.Pong),
            *(events.Recitation, events.RecitationResult, events.RecitationFailed),
            *(events.Closed, events.ChannelEvent, events.SourceEvent),
        }
    )

    def __init__(self, info: Fields, *, max_payload_bytes: int = 1 << 20) -> None:
        self.counters = Counters()
        self._info = info
        self._max_payload_bytes = max_payload_bytes
        self._begun = b""
        self._heard = ""  # by the finals of the utterance
        self._sent = ""
        self._language = ""

    # --- in ------------------------------------------------------------------------------------------------------

    def decode(self, message: Message) -> list[Command]:
        """Turn bytes into the commands that they complete.

        Raises:
            ProtocolError: with a close code, for what follows cannot be told apart any more.
        """
        data = message if isinstance(message, bytes) else message.encode()
        self.counters.bytes += len(data)
        self._begun += data
        commands: list[Command] = []
        try:
            while (size := self._event_size()) and len(self._begun) >= size[2]:
                header_end, data_end, payload_end = size
                commands += self._event(header_end, data_end, payload_end)
                self._begun = self._begun[payload_end:]
        except ProtocolError as error:
            self.counters.malformed += 1
            raise ProtocolError(str(error), code=error.code, close_code=1002) from None
        return commands

    def _event_size(self) -> tuple[int, int, int] | None:
        """Where the header, the data and the payload of the first event end; None while that is not known."""
        line_end = self._begun.find(b"\n", 0, _MAX_HEADER_BYTES) + 1
        if not line_end:
            if len(self._begun) >= _MAX_HEADER_BYTES:
                raise ProtocolError(f"a header of more than {_MAX_HEADER_BYTES} bytes", code="message_too_large")
            return None
        header = _parsed(self._begun[:line_end])
        data_end = line_end + _length(header, "data_length", _MAX_DATA_BYTES)
        return line_end, data_end, data_end + _length(header, "payload_length", self._max_payload_bytes)

    def _event(self, header_end: int, data_end: int, payload_end: int) -> list[Command]:
        self.counters.messages += 1
        header = _parsed(self._begun[:header_end])
        data = header.get("data")
        fields = data if isinstance(data, dict) else {}
        if data_end > header_end:
            fields = fields | _parsed(self._begun[header_end:data_end])
        read = _READERS.get(header["type"]) if isinstance(header.get("type"), str) else None
        return [] if read is None else read(self, fields, self._begun[data_end:payload_end])

    def _describe(self, _fields: Fields, _payload: bytes) -> list[Command]:
        return [Echo("info", self._info)]

    def _ping(self, fields: Fields, _payload: bytes) -> list[Command]:
        text = fields.get("text")
        return [Echo("pong", {"text": text} if isinstance(text, str) else {})]

    def _transcribe(self, fields: Fields, _payload: bytes) -> list[Command]:
        asked = {name: fields.get(name) or "" for name in ("name", "language")}
        for name, value in asked.items():
            if not isinstance(value, str):
                raise ProtocolError(f"{name} = {shown(value)}: must be text", code="invalid_field")
        return [Configure(asked)]

    def _start(self, fields: Fields, _payload: bytes) -> list[Command]:
        return [Configure({"format": _format(fields)})]

    def _chunk(self, fields: Fields, payload: bytes) -> list[Command]:
        return [Configure({"format": _format(fields)}), Audio(payload)] if payload else []

    def _stop(self, _fields: Fields, _payload: bytes) -> list[Command]:
        return [Finalize()]

    # --- out -----------------------------------------------------------------------------------------------------

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it; see `Codec.encode`."""
        if isinstance(event, events.Partial):
            return self._told(_joined(self._heard, event.stable_text))
        if isinstance(event, events.Final):
            self._heard = _joined(self._heard, event.text)
            self._language = event.language or self._language
            return self._told(self._heard)
        if isinstance(event, Failure):
            return [_written("error", {"text": event.message, "code": event.code})]
        if isinstance(event, Echo):
            return self._over() if event.name == "end" else [_written(event.name, dict(event.fields))]
        return ()

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """TCP has none."""
        return close_frame(event)

    def _told(self, text: str) -> list[Message]:
        """What is new in the stable text."""
        if len(text) <= len(self._sent) or not text.startswith(self._sent):
            return []
        messages = [] if self._sent else [_written("transcript-start", self._spoken())]
        messages.append(_written("transcript-chunk", {"text": text[len(self._sent) :]}))
        self._sent = text
        return list(messages)

    def _over(self) -> list[Message]:
        """The utterance is over: its whole text, once more."""
        messages: list[Message] = [] if self._sent else [_written("transcript-start", self._spoken())]
        messages += [_written("transcript", {"text": self._heard, **self._spoken()}), _written("transcript-stop", {})]
        self._heard = self._sent = self._language = ""
        return messages

    def _spoken(self) -> Fields:
        return {"language": self._language} if self._language else {}


_READERS: Final[dict[str, Callable[[WyomingCodec, Fields, bytes], list[Command]]]] = {
    "describe": WyomingCodec._describe,
    "ping": WyomingCodec._ping,
    "transcribe": WyomingCodec._transcribe,
    "audio-start": WyomingCodec._start,
    "audio-chunk": WyomingCodec._chunk,
    "audio-stop": WyomingCodec._stop,
}


def _written(name: str, data: Fields) -> bytes:
    body = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
    header = {"type": name, "version": _VERSION, **({"data_length": len(body)} if data else {})}
    return json.dumps(header).encode() + b"\n" + (body if data else b"")


def _parsed(line: bytes) -> Fields:
    try:
        return parse_object(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ProtocolError("not UTF-8", code="invalid_json") from None


def _length(header: Fields, name: str, most: int) -> int:
    length = header.get(name) or 0
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise ProtocolError(f"{name} = {shown(length)}: must be a whole number", code="invalid_field")
    if length > most:
        raise ProtocolError(f"{name} = {length}: at most {most}", code="message_too_large")
    return length


def _format(fields: Fields) -> AudioFormat:
    if fields.get("width", 2) != 2:
        raise ProtocolError(f"width = {shown(fields.get('width'))}: samples must be of 2 bytes", code="invalid_field")
    try:
        return AudioFormat("linear16", fields.get("rate", 16_000), fields.get("channels", 1))
    except AudioFormatError as error:
        raise ProtocolError(str(error), code="invalid_field") from None


def _joined(before: str, after: str) -> str:
    return f"{before} {after}" if before and after else before or after
