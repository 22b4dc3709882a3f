"""fastring's own protocol: JSON messages with a `type`, audio in binary or in base64."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fastring.errors import ProtocolError
from fastring.events import Ack, Audio, Close, Closed, Control, Failure, Finalize, Ping, Resume
from fastring.protocols.codec import Counters, Message, SequenceCheck, close_frame
from fastring.protocols.messages import decode_base64, field, parse_object, shown, write_object
from fastring.protocols.native_events import DECLINED, ENCODED, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.events import Command, Event

__all__ = ["SAMPLE_BYTES", "NativeCodec", "source_of"]

Framing = Literal["raw", "seq32"]

SAMPLE_BYTES = {"linear16": 2, "float32": 4, "mulaw": 1, "alaw": 1, "container": 0}
"""Bytes of one sample of one channel; 0 where messages may be cut anywhere."""

_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_CONTROLS = ("get_stats", "reset_analysis", "list_streams", "pause", "resume")
_MAX_TOKEN_CHARACTERS = 1024
_MAX_INDEX = 2**63 - 1


class NativeCodec:
    """The native protocol on one connection.

    Args:
        stream_id: repeated in every message.
        encoding: linear16, float32, mulaw, alaw or container.
        channels: interleaved channels of the audio.
        sample_rate: rate in Hz that the events' sample indices count in; seconds on the wire come from it.
        framing: seq32 puts a little-endian message number before the audio of a binary message.
        max_message_bytes: longer messages are refused.
    """

    ENCODED: ClassVar[frozenset[type]] = ENCODED
    DECLINED: ClassVar[frozenset[type]] = DECLINED

    def __init__(
        self,
        stream_id: str,
        *,
        encoding: str = "linear16",
        channels: int = 1,
        sample_rate: int = 16_000,
        framing: Framing = "raw",
        max_message_bytes: int = 1 << 20,
    ) -> None:
        self.counters = Counters()
        self._stream_id = stream_id
        self._ack_head = ""
        self._sample_bytes = SAMPLE_BYTES[encoding]
        self._frame_bytes = SAMPLE_BYTES[encoding] * channels
        self._sample_rate = sample_rate
        self._numbered = framing == "seq32"
        self._max_message_bytes = max_message_bytes
        self._series: dict[str, SequenceCheck] = {}

    def decode(self, message: Message) -> list[Command]:
        """Turn a message into commands; see `Codec.decode`."""
        self.counters.messages += 1
        self.counters.bytes += len(message)
        try:
            if len(message) > self._max_message_bytes:
                raise ProtocolError(
                    f"message of {len(message)} bytes: at most {self._max_message_bytes}", code="message_too_large"
                )
            if isinstance(message, str):
                return self._text(message)
            return self._numbered_audio(message) if self._numbered else self._audio(message, "system", None)
        except ProtocolError:
            self.counters.malformed += 1
            raise

    def encode(self, event: Event) -> Sequence[Message]:
        """Turn an event into its one message; see `Codec.encode`."""
        if type(event) is Ack and not event.resume_token and event.received_bytes is None:
            return (self._plain_ack(event),)
        if type(event) in DECLINED:
            return ()
        name, fields = fields_of(event, self._sample_rate)
        return (write_object({"type": name, "stream_id": self._stream_id, **fields}),)

    def _plain_ack(self, ack: Ack) -> str:
        """What every stream is told more often than anything else, without a writer of JSON."""
        if not self._ack_head:
            self._ack_head = write_object({"type": "ack", "stream_id": self._stream_id}).removesuffix("}")
        return f'{self._ack_head},"received":{ack.received},"committed":{ack.committed}}}'

    def close_frame(self, event: Closed | Failure) -> tuple[int, str]:
        """See `Codec.close_frame`."""
        return close_frame(event)

    def _numbered_audio(self, message: bytes) -> list[Command]:
        if len(message) < 4:
            raise ProtocolError(
                f"message of {len(message)} bytes: seq32 puts 4 bytes of number before the audio", code="partial_frame"
            )
        (number,) = struct.unpack_from("<I", message)
        return self._audio(message[4:], "system", number)

    def _text(self, message: str) -> list[Command]:
        parsed = parse_object(message)
        if "type" not in parsed and "command" in parsed:
            return self._control(parsed)
        name = field(parsed, "type", str)
        read = self._READERS.get(name)
        if read is None:
            raise ProtocolError(f"unknown message type {shown(name)}", code="unknown_type")
        return read(self, parsed)

    def _audio(self, data: bytes, source: str, number: int | None) -> list[Command]:
        frame_bytes = self._frame_bytes_of(source)
        if frame_bytes > 1:
            if len(data) % self._sample_bytes % 2:
                raise ProtocolError(
                    f"audio of {len(data)} bytes: an odd length holds no {self._sample_bytes}-byte samples",
                    code="odd_length",
                )
            if len(data) % frame_bytes:
                raise ProtocolError(
                    f"audio of {len(data)} bytes: no whole number of {frame_bytes}-byte frames",
                    code="partial_frame",
                )
        missing = 0 if number is None else self._missing_before(number, source)
        return [Audio(data, source, number, missing)] if data else []

    def _frame_bytes_of(self, _source: str) -> int:
        """Bytes of one sample of all channels; 0 where messages may be cut anywhere."""
        return self._frame_bytes

    def _missing_before(self, number: int, source: str) -> int:
        series = self._series_of(source)
        self.counters.late += series.is_late(number)
        missing = series.missing_before(number)
        self.counters.seq_gaps += missing
        return missing

    def _series_of(self, source: str) -> SequenceCheck:
        """The number series of a source; after 64 names, which no honest client uses, the rest share one."""
        if source not in self._series and len(self._series) >= 64:
            source = "system"
        return self._series.setdefault(source, SequenceCheck())

    def _audio_message(self, message: dict[str, Any]) -> list[Command]:
        source = source_of(message)
        number = field(message, "seq", int) if message.get("seq") is not None else None
        if number is not None and not 0 <= number <= _MAX_INDEX:
            raise ProtocolError(f"'seq' must be 0..2^63-1, not {shown(number)}", code="invalid_field")
        return self._audio(decode_base64(field(message, "data", str)), source, number)

    def _control(self, message: dict[str, Any]) -> list[Command]:
        command = field(message, "command", str)
        if command not in _CONTROLS:
            raise ProtocolError(
                f"unknown command {shown(command)}: it is one of {', '.join(_CONTROLS)}", code="unknown_type"
            )
        return [Control(command)]  # type: ignore[arg-type]

    def _resume(self, message: dict[str, Any]) -> list[Command]:
        token = field(message, "token", str)
        last_seq = field(message, "last_seq", int, default=-1)
        oldest = [field(message, name, int, default=0) for name in ("oldest_sample", "oldest_byte")]
        if (
            len(token) > _MAX_TOKEN_CHARACTERS
            or not -1 <= last_seq <= _MAX_INDEX
            or not all(0 <= index <= _MAX_INDEX for index in oldest)
        ):
            raise ProtocolError(
                "'token', 'last_seq', 'oldest_sample' or 'oldest_byte' is out of range", code="invalid_field"
            )
        return [Resume(token, last_seq, *oldest)]

    _READERS: ClassVar[dict[str, Callable[[Any, dict[str, Any]], list[Command]]]] = {
        "audio": _audio_message,
        "finalize": lambda _codec, _message: [Finalize()],
        "close": lambda _codec, _message: [Close()],
        "end": lambda _codec, _message: [Close()],
        "ping": lambda _codec, _message: [Ping()],
        "resume": _resume,
    }


def source_of(message: dict[str, Any]) -> str:
    """The source that a message names.

    Raises:
        ProtocolError: `invalid_field`.
    """
    source = field(message, "source", str, default="system")
    if not _SOURCE.match(source):
        raise ProtocolError(f"'source' must match [A-Za-z0-9._-]{{1,64}}, not {shown(source)}", code="invalid_field")
    return source
