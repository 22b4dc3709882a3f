"""OpenAI's realtime transcription on one WebSocket: JSON events, audio in base64, a turn of speech as an item.

A turn (what server VAD finds, or what lies between two commits) is an item of the conversation. Its text goes out in
deltas as it becomes stable, which may be long before the turn ends; all deltas joined are the transcript.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, Clear, Closed, Configure, Echo, Failure, Finalize
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.messages import decode_base64, parse_object, shown, write_object
from fastring.protocols.openai_session import RealtimeRefusedError, RealtimeSession
from fastring.protocols.openai_transcripts import logprobs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastring.events import Command, Event, Word

__all__ = ["MAX_MESSAGE_BYTES", "RealtimeCodec"]

Fields = dict[str, Any]

MAX_MESSAGE_BYTES: Final = 21 << 20
"""One append may hold 15 MiB of audio, which is 20 MiB of base64."""

_SESSION_RATE: Final = 16_000
_LEAST_COMMIT_MS: Final = 100
_ITEMS_KEPT: Final = 256  # more than can be owed: a session holds a minute or so of audio
_AUDIO: Final = re.compile(rb'"audio"\s{0,8}:\s{0,8}"')  # within a JSON string its quotes would be escaped
_HEAD_BYTES: Final = 4096  # within which the audio of a long message begins
_SLICE_BYTES: Final = 1 << 17


@dataclass(slots=True)
class _Item:
    """A turn on its way: its number here, its name there, and what was said of it."""

    item_id: str
    start: int = 0
    heard: str = ""  # by the finals so far
    sent: str = ""  # in deltas
    words: list[Word] = field(default_factory=list)
    failure: str = ""


class RealtimeCodec:
    """See `Codec`. Its station numbers the turns: the `utterance` of every event is the number of an item.

    Args:
        session: what the client may set.
        new_id: a name nobody had before, from its prefix: `event`, `item`.
        old: speak their older shape (`OpenAI-Beta: realtime=v1`).
    """

    ENCODED: ClassVar[frozenset[type]] = frozenset(
        {
            *(events.SpeechStarted, events.SpeechStopped, events.Partial, events.Final, events.SpeechEnded),
            *(Failure, Echo),
        }
    )
    DECLINED: ClassVar[frozenset[type]] = frozenset(
        {
            events.Ack,
            events.Analysis,
            events.AnalysisReady,
            events.ChannelEvent,
            events.Closed,
            events.EarlyTrigger,
            events.EarlyTriggerRetracted,
            events.Pong,
            events.Recitation,
            events.RecitationFailed,
            events.RecitationResult,
            events.Resumed,
            events.Reply,
            events.ReplyDelta,
            events.ReplyDone,
            events.SourceEvent,
            events.Status,
            events.VoiceReady,
        }
    )

    def __init__(self, session: RealtimeSession, *, new_id: Callable[[str], str], old: bool = False) -> None:
        self.counters = Counters()
        self._session = session
        self._new_id = new_id
        self._old = old
        self._items: dict[int, _Item] = {}
        self._previous: str | None = None
        self._uncommitted_bytes = 0

    def created(self, *, transcription: bool) -> Echo:
        """The first event; in the older shape its name says whether the client asked for transcription."""
        name = "transcription_session.created" if self._old and transcription else "session.created"
        return Echo(name, {"session": self._session.described(old=self._old)})

    # --- in ------------------------------------------------------------------------------------------------------

    def decode(self, message: Message) -> list[Command]:
        """Turn an event into commands; see `Codec.decode`. What is wrong with it is said by an `error` event."""
        self.counters.messages += 1
        self.counters.bytes += len(message)
        event: Fields = {}
        try:
            if not isinstance(message, str):
                raise RealtimeRefusedError("a binary message: audio is base64 in JSON here", code="invalid_json")
            event = parse_object(message)
            name = event.get("type")
            read = _READERS.get(name) if isinstance(name, str) else None
            if read is None:
                raise RealtimeRefusedError(
                    f"type = {shown(name)}: this server transcribes, and takes {', '.join(_READERS)}",
                    code="invalid_value",
                    param="type",
                )
            return read(self, event)
        except ProtocolError as error:
            return [self._refused(error, event)]

    def decode_slices(self, message: bytearray) -> Iterator[list[Command]]:
        """The same in steps of a moment each, for a message of many megabytes; nothing holds until the last step.

        Such a message can only be an append. The audio is taken out before the rest is parsed as JSON.
        """
        self.counters.messages += 1
        self.counters.bytes += len(message)
        found = _AUDIO.search(message, 0, _HEAD_BYTES)
        start = found.end() if found else len(message)
        end = message.find(b'"', start)
        yield []
        around = len(message) - (end - start)
        event = _envelope(bytes(message[:start] + message[end:])) if end > 0 and around <= 2 * _HEAD_BYTES else {}
        if event.get("type") != "input_audio_buffer.append":
            error = ProtocolError(
                f"an event of {len(message)} bytes: a long one must be an input_audio_buffer.append whose audio begins "
                f"within {_HEAD_BYTES} bytes",
                code="invalid_json",
            )
            yield [self._refused(error, {})]
            return
        slices: list[Command] = []
        left = b""
        try:
            for at in range(start, end, _SLICE_BYTES):
                base64 = (left + message[at : min(end, at + _SLICE_BYTES)]).replace(b"\\/", b"/")  # as PHP writes it
                whole = len(base64)
                if at + _SLICE_BYTES < end:
                    whole -= whole % 4 or 4
                    if b"=" in base64[:whole]:
                        raise ProtocolError("not base64: padding before its end", code="invalid_base64")
                slices.append(Audio(decode_base64(base64[:whole])))
                left = base64[whole:]
                yield []
        except ProtocolError as error:
            refused = RealtimeRefusedError(str(error), code="invalid_audio", param="audio")
            yield [self._refused(refused, event)]
            return
        self._uncommitted_bytes += sum(len(part.data) for part in slices if isinstance(part, Audio))
        yield slices

    def _refused(self, error: ProtocolError, event: Fields) -> Echo:
        self.counters.malformed += 1
        return Echo("error", {"error": _error(error, event.get("event_id"))})

    def _update(self, event: Fields) -> list[Command]:
        session = event.get("session")
        if not isinstance(session, dict):
            raise RealtimeRefusedError("an object is wanted", code="missing_required_parameter", param="session")
        self._session.update(session)
        told = {"session": self._session.described(old=self._old)}
        return [Configure(self._session.settings()), Echo(f"{event['type']}d", told)]

    def _append(self, event: Fields) -> list[Command]:
        audio = event.get("audio")
        if not isinstance(audio, str):
            raise RealtimeRefusedError("audio: base64 is wanted", code="missing_required_parameter", param="audio")
        try:
            data = decode_base64(audio)
        except ProtocolError as error:
            raise RealtimeRefusedError(str(error), code="invalid_audio", param="audio") from None
        self._uncommitted_bytes += len(data)
        return [Audio(data)] if data else []

    def _commit(self, _event: Fields) -> list[Command]:
        session = self._session
        buffered_ms = 1000 * self._uncommitted_bytes / (session.sample_bytes * session.sample_rate)
        if buffered_ms < _LEAST_COMMIT_MS:
            raise RealtimeRefusedError(
                f"the buffer holds {buffered_ms:.2f} ms of audio: at least {_LEAST_COMMIT_MS} ms are needed",
                code="input_audio_buffer_commit_empty",
            )
        self._uncommitted_bytes = 0
        return [Finalize()]

    def _clear(self, _event: Fields) -> list[Command]:
        self._uncommitted_bytes = 0
        return [Clear(), Echo("input_audio_buffer.cleared")]

    # --- out -----------------------------------------------------------------------------------------------------

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it; see `Codec.encode`."""
        write = _WRITERS.get(type(event))
        if write is None:
            return ()
        return [
            write_object({"type": name, "event_id": self._new_id("event"), **fields})
            for name, fields in write(self, event)
        ]

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        return close_frame(event)

    def _echo(self, event: Echo) -> list[tuple[str, Fields]]:
        if event.name == "commit":
            item = self._item(int(event.fields["item"]))
            item.start = int(event.fields["start"])
            return self._committed(item)
        if event.name == "lost":
            self._item(int(event.fields["item"])).failure = str(event.fields["message"])
            return []
        if event.name == "forget":
            for number in event.fields["items"]:
                self._items.pop(number, None)
            return []
        return [(event.name, dict(event.fields))]

    def _failure(self, event: Failure) -> list[tuple[str, Fields]]:
        kind = "server_error" if event.code in _OURS else "invalid_request_error"
        error = {"type": kind, "code": event.code, "message": event.message, "param": None, "event_id": None}
        return [("error", {"error": error})]

    def _speech_started(self, event: events.SpeechStarted) -> list[tuple[str, Fields]]:
        item = self._item(event.utterance)
        item.start = event.start
        start_ms = max(0, event.start * 1000 // _SESSION_RATE - self._session.padding_ms)
        return [("input_audio_buffer.speech_started", {"audio_start_ms": start_ms, "item_id": item.item_id})]

    def _partial(self, event: events.Partial) -> list[tuple[str, Fields]]:
        item = self._item(event.utterance)
        return self._delta(item, _joined(item.heard, event.stable_text))

    def _final(self, event: events.Final) -> list[tuple[str, Fields]]:
        item = self._item(event.utterance)
        item.heard = _joined(item.heard, event.text)
        item.words += event.words
        return self._delta(item, item.heard)

    def _speech_ended(self, event: events.SpeechEnded) -> list[tuple[str, Fields]]:
        item = self._item(event.utterance)
        del self._items[event.utterance]
        told: Fields = {"item_id": item.item_id, "content_index": 0}
        if item.failure and not item.heard:
            error = {"type": "server_error", "code": "engine_failed", "message": item.failure, "param": None}
            return [(f"{_TRANSCRIPTION}.failed", {**told, "error": error})]
        logprobs = logprobs_of(item.words) if self._session.logprobs else None
        seconds = round(max(0, event.end - item.start) / _SESSION_RATE, 3)
        completed = {
            **told,
            "transcript": item.heard,
            "usage": {"type": "duration", "seconds": seconds},
            "logprobs": logprobs,
        }
        return [(f"{_TRANSCRIPTION}.completed", completed)]

    def _speech_stopped(self, event: events.SpeechStopped) -> list[tuple[str, Fields]]:
        """A turn has ended by itself: it says where, and commits itself. Its text is still to come."""
        item = self._item(event.utterance)
        silence_ms = self._session.silence_ms if event.ended_by == "silence" else 0
        stopped = {"audio_end_ms": event.end * 1000 // _SESSION_RATE + silence_ms, "item_id": item.item_id}
        return [("input_audio_buffer.speech_stopped", stopped), *self._committed(item)]

    def _committed(self, item: _Item) -> list[tuple[str, Fields]]:
        after = {"previous_item_id": self._previous}
        self._previous = item.item_id
        content = {"type": "input_audio", "transcript": None}
        described = {
            "id": item.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [content],
        }
        names = ("created",) if self._old else ("added", "done")
        return [
            ("input_audio_buffer.committed", {**after, "item_id": item.item_id}),
            *((f"conversation.item.{name}", {**after, "item": described}) for name in names),
        ]

    def _delta(self, item: _Item, text: str) -> list[tuple[str, Fields]]:
        """What is new in the stable text of an item. What was sent is never taken back."""
        if len(text) <= len(item.sent) or not text.startswith(item.sent):
            return []
        delta, item.sent = text[len(item.sent) :], text
        return [
            (
                f"{_TRANSCRIPTION}.delta",
                {"item_id": item.item_id, "content_index": 0, "delta": delta, "logprobs": None},
            )
        ]

    def _item(self, number: int) -> _Item:
        if number not in self._items:
            self._items[number] = _Item(self._new_id("item"))
            while len(self._items) > _ITEMS_KEPT:
                del self._items[next(iter(self._items))]
        return self._items[number]


_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_OURS: Final = frozenset({"internal", "engine_failed", "job_timeout", "shutting_down", "overloaded"})

_READERS: Final[dict[str, Callable[[RealtimeCodec, Fields], list[Command]]]] = {
    "session.update": RealtimeCodec._update,
    "transcription_session.update": RealtimeCodec._update,
    "input_audio_buffer.append": RealtimeCodec._append,
    "input_audio_buffer.commit": RealtimeCodec._commit,
    "input_audio_buffer.clear": RealtimeCodec._clear,
}

_WRITERS: Final[dict[type, Callable[[RealtimeCodec, Any], list[tuple[str, Fields]]]]] = {
    events.SpeechStarted: RealtimeCodec._speech_started,
    events.Partial: RealtimeCodec._partial,
    events.Final: RealtimeCodec._final,
    events.SpeechStopped: RealtimeCodec._speech_stopped,
    events.SpeechEnded: RealtimeCodec._speech_ended,
    Failure: RealtimeCodec._failure,
    Echo: RealtimeCodec._echo,
}


def _envelope(data: bytes) -> Fields:
    """An event whose audio was taken out; nothing if it is not exactly that."""
    try:
        event = parse_object(data.decode()) if data.count(b'"audio"') == 1 else {}
    except (ProtocolError, UnicodeDecodeError):
        return {}
    return event if event.get("audio") == "" else {}


def _error(error: ProtocolError, event_id: object) -> Fields:
    return {
        "type": "invalid_request_error",
        "code": error.code,
        "message": str(error),
        "param": error.param if isinstance(error, RealtimeRefusedError) else None,
        "event_id": event_id if isinstance(event_id, str) else None,
    }


def _joined(before: str, after: str) -> str:
    return f"{before} {after}" if before and after else before or after
