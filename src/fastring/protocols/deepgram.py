"""Deepgram's live protocol (`/v1/listen`): binary audio and JSON orders in, Results and what belongs to them out."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fastring import events
from fastring.errors import ProtocolError
from fastring.events import Audio, Close, Closed, Failure, Finalize, Ping
from fastring.protocols.codec import Counters, Message, close_frame
from fastring.protocols.deepgram_results import ModelInfo, alternative, seconds
from fastring.protocols.messages import field, parse_object, shown, write_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Command, Event

__all__ = ["DeepgramCodec", "LiveOptions"]

_RATE = 16_000  # of the samples in events
_MAX_ECHO_CHARACTERS = 4096

# What fastring calls it, and how Deepgram closes: code, reason.
_CLOSE_FRAMES = {
    "idle_timeout": (1011, "NET-0001: neither audio nor KeepAlive came in time"),
    "undecodable": (1008, "DATA-0000: the bytes are no audio that can be decoded"),
}
_SCHEMA = "schema"
_CONFIGURE = "configure_keyterms_not_supported"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a client asked for in its query, as far as the wire shows it.

    Attributes:
        punctuate: transcripts as the engine writes them; else in lower case and without punctuation.
        vad_events: say `SpeechStarted`.
        endpointing_ms: silence that must follow a final for `speech_final`; 0: as much as ended the utterance is
            enough; None: `speech_final` is never said.
        utterance_end_ms: gap after the last word that is told by `UtteranceEnd`; None: it is not.
    """

    punctuate: bool = False
    vad_events: bool = False
    endpointing_ms: int | None = 0
    utterance_end_ms: int | None = None


@dataclass(slots=True)
class _Track:
    """One channel: how far it is told, and what its silence is still to bring. Times in samples."""

    told: int = 0  # the next result starts here
    speaking: bool = False
    unended: int | None = None  # end of an utterance whose silence is not yet long enough for speech_final
    last_word_end: int | None = None  # of the last final, until UtteranceEnd is told of it


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
        self._tracks: dict[int, _Track] = {}
        self._unreadable: deque[str] = deque()  # texts whose Error is not yet sent
        self._configured: deque[list[str] | None] = deque()  # Configure messages that are not yet answered

    # --- in ----------------------------------------------------------------------------------------------------------

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`."""
        self.counters.messages += 1
        self.counters.bytes += len(message)
        try:
            if len(message) > self._max_message_bytes:
                raise ProtocolError(
                    f"message of {len(message)} bytes: at most {self._max_message_bytes}", code="message_too_large"
                )
            return self._binary(message) if isinstance(message, bytes) else self._text(message)
        except ProtocolError:
            self.counters.malformed += 1
            raise

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
        self._configured.append(keyterms)
        return [Ping()]

    # --- out ---------------------------------------------------------------------------------------------------------

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into the messages that tell it; see `Codec.encode`."""
        if isinstance(event, events.ChannelEvent):
            track = self._tracks.setdefault(event.channel, _Track())
            fields = _TELLERS[type(event.event)](self, track, event.event)
            where = [event.channel, event.channels]
            return [write_object(self._placed(message, where)) for message in fields]
        if isinstance(event, Failure):
            return [write_object(message) for message in self._failure(event)]
        if isinstance(event, Closed):
            return [write_object(self._metadata(event))]
        return [write_object(self._configure_success())] if isinstance(event, events.Pong) else ()

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        if isinstance(event, Failure) and event.code in _CLOSE_FRAMES:
            return _CLOSE_FRAMES[event.code]
        return close_frame(event)

    def _placed(self, message: dict[str, Any], where: list[int]) -> dict[str, Any]:
        """With its channel, which results and notices name differently."""
        kind = message.pop("type")
        return {"type": kind, "channel_index" if kind == "Results" else "channel": where, **message}

    def _speech_started(self, track: _Track, event: events.SpeechStarted) -> list[dict[str, Any]]:
        if event.silent:
            return []
        told = self._silence_until(track, event.start)
        track.speaking, track.unended = True, None
        if self._options.vad_events:
            told.append({"type": "SpeechStarted", "timestamp": seconds(event.start, _RATE)})
        return told

    def _partial(self, track: _Track, event: events.Partial) -> list[dict[str, Any]]:
        return [self._results(track, event, event.end)]

    def _final(self, track: _Track, event: events.Final) -> list[dict[str, Any]]:
        end = max(event.end, event.words[-1].end if event.words else 0, track.told)
        wanted_ms = self._options.endpointing_ms
        ended = event.ended_by == "silence" and wanted_ms is not None
        if track.speaking:  # else it only answers a finalize
            track.speaking, track.unended = False, event.end if ended and wanted_ms else None
        if event.words:
            track.last_word_end = event.words[-1].end
        result = self._results(
            track, event, end, is_final=True, speech_final=ended and not wanted_ms, from_finalize=event.from_finalize
        )
        track.told = end
        return [result]

    def _heard(self, track: _Track, event: events.Heard) -> list[dict[str, Any]]:
        return [] if track.speaking else self._silence_until(track, event.position)

    def _silence_until(self, track: _Track, position: int) -> list[dict[str, Any]]:
        """What has become due by a silence that lasts up to here: the end of the speech, and of the utterance."""
        told: list[tuple[int, dict[str, Any]]] = []
        if track.unended is not None:
            due = track.unended + (self._options.endpointing_ms or 0) * _RATE // 1000
            if due <= position:
                told.append((due, self._speech_final(track, due)))
        if track.last_word_end is not None and self._options.utterance_end_ms is not None:
            due = track.last_word_end + self._options.utterance_end_ms * _RATE // 1000
            if due <= position:
                last_word_end, track.last_word_end = seconds(track.last_word_end, _RATE), None
                told.append((due, {"type": "UtteranceEnd", "last_word_end": last_word_end}))
        return [message for _, message in sorted(told, key=lambda it: it[0])]

    def _speech_final(self, track: _Track, end: int) -> dict[str, Any]:
        """An empty result that says that the speech before it has ended."""
        track.unended = None
        end = max(end, track.told)
        nothing = events.Final(0, 0, "", (), 0.0, end, end, events.Latency(0.0, 0.0, 0.0, 0.0))
        result = self._results(track, nothing, end, is_final=True, speech_final=True)
        track.told = end
        return result

    def _results(
        self,
        track: _Track,
        event: events.Partial | events.Final,
        end: int,
        *,
        is_final: bool = False,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> dict[str, Any]:
        start = seconds(track.told, _RATE)
        spoken = alternative(event.text, event.words, event.confidence, sample_rate=_RATE, punctuate=self._punctuate)
        return {
            "type": "Results",
            "start": start,
            "duration": round(max(0.0, seconds(end, _RATE) - start), 3),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [spoken]},
            "metadata": {
                "request_id": self._request_id,
                "model_info": self._model.fields(),
                "model_uuid": self._model.model_uuid,
            },
        }

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

_TELLERS: dict[type, Callable[[DeepgramCodec, _Track, Any], list[dict[str, Any]]]] = {
    events.SpeechStarted: DeepgramCodec._speech_started,
    events.Partial: DeepgramCodec._partial,
    events.Final: DeepgramCodec._final,
    events.Heard: DeepgramCodec._heard,
    events.SpeechEnded: lambda _codec, _track, _event: [],  # its final has said it
    events.EarlyTrigger: lambda _codec, _track, _event: [],
    events.EarlyTriggerRetracted: lambda _codec, _track, _event: [],
}
