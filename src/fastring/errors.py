"""Every error fastring raises, in one tree.

    FastringError
    ├── ConfigError                 a setting or an argument is wrong or missing (also ValueError)
    ├── AudioError
    │   ├── AudioFormatError        wrong dtype, shape, layout or byte count (also ValueError)
    │   ├── BufferClosedError       written to a buffer after close()
    │   ├── BufferFullError         a buffer with the reject policy has no room
    │   ├── RangeLostError          the samples asked for are no longer held, or not written yet (also IndexError)
    │   └── DecodeError             a container or codec could not be decoded
    ├── BusyError                   two threads in one object that has one owner at a time
    ├── StreamError
    │   ├── StreamExistsError       a stream of that id is already there (also ValueError)
    │   └── UnknownStreamError      no stream of that id (also KeyError)
    ├── UnknownVerseError           there is no such verse among the references (also KeyError)
    ├── TranscriberError
    │   ├── ModelUnavailableError   the model cannot be had; the message says what to type
    │   ├── QueueFullError          the pool has no room for another job
    │   ├── JobDroppedError         an accepted job was let go: replaced, evicted, cancelled, or the pool closed
    │   ├── JobTimeoutError         an accepted job was not answered in time
    │   └── EngineFailedError       the engine raised while transcribing, or hangs
    │       ├── EngineDiedError     the engine is gone: it must be built anew
    │       └── EngineUnavailableError  a remote engine refused, hung up, or did not answer
    └── ProtocolError               the peer broke the protocol

Each class has a stable `code`, used on the wire and in metrics. The native core raises the same classes.
"""

from __future__ import annotations

__all__ = [
    "AudioError",
    "AudioFormatError",
    "BufferClosedError",
    "BufferFullError",
    "BusyError",
    "ConfigError",
    "DecodeError",
    "EngineDiedError",
    "EngineFailedError",
    "EngineUnavailableError",
    "FastringError",
    "JobDroppedError",
    "JobTimeoutError",
    "ModelUnavailableError",
    "ProtocolError",
    "QueueFullError",
    "RangeLostError",
    "StreamError",
    "StreamExistsError",
    "TranscriberError",
    "UnknownStreamError",
    "UnknownVerseError",
]


class FastringError(Exception):
    """Root of everything fastring raises on purpose."""

    code: str = "internal"


class ConfigError(FastringError, ValueError):
    """A setting or an argument is wrong, missing or contradicts another; the message names it and its limit.

    Attributes:
        setting: `section.field`, or "" if it is an argument, or not one setting's fault.
    """

    code = "invalid_config"

    def __init__(self, message: str, *, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class AudioError(FastringError):
    """Audio could not be taken, kept or given back."""

    code = "audio_error"


class AudioFormatError(AudioError, ValueError):
    """Audio of the wrong dtype, shape, layout or byte count; the receiver is unchanged."""

    code = "invalid_audio"


class BufferClosedError(AudioError):
    """A buffer was written to after `close()`; what it holds can still be read."""

    code = "buffer_closed"


class BufferFullError(AudioError):
    """A buffer with the reject policy has no room; nothing was written."""

    code = "buffer_full"


class RangeLostError(AudioError, IndexError):
    """The samples asked for were overwritten already, or are not written yet."""

    code = "range_lost"


class DecodeError(AudioError):
    """A container or codec could not be decoded."""

    code = "decode_failed"


class DecoderDiedError(DecodeError):
    """The process that decodes ended or hung, over this stream or another one; the bytes may be sent again."""

    code = "decoder_died"


class BusyError(FastringError, RuntimeError):
    """Two threads entered one object that has one owner at a time."""

    code = "busy"


class StreamError(FastringError):
    """Something is wrong with a named stream."""

    code = "stream_error"


class StreamExistsError(StreamError, ValueError):
    """A stream of that id is already there."""

    code = "stream_exists"


class UnknownStreamError(StreamError, KeyError):
    """There is no stream of that id."""

    code = "unknown_stream"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "unknown stream"


class UnknownVerseError(FastringError, KeyError):
    """There is no such verse among the references."""

    code = "unknown_verse"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "unknown verse"


class TranscriberError(FastringError):
    """Speech could not be transcribed."""

    code = "transcriber_error"


class ModelUnavailableError(TranscriberError):
    """The model cannot be had; the message says what to type next."""

    code = "model_unavailable"


class QueueFullError(TranscriberError):
    """The pool refused a job because its queue, or this client's share of it, is full."""

    code = "server_busy"


class JobDroppedError(TranscriberError):
    """An accepted job was let go before it was answered; nobody waits for it any more.

    Attributes:
        reason: `replaced` (by a newer job of its utterance), `evicted` (a final needed its place), `cancelled` (its
            stream is gone) or `closed` (the pool is).
    """

    code = "job_dropped"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the job was dropped: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[JobDroppedError], tuple[str]]:
        return type(self), (self.reason,)


class JobTimeoutError(TranscriberError):
    """An accepted job was not answered within the pool's deadline."""

    code = "job_timeout"


class EngineFailedError(TranscriberError):
    """The engine raised while it transcribed a job (the cause is chained), or did not come back from it."""

    code = "engine_failed"


class EngineDiedError(EngineFailedError):
    """The engine is gone: its process ended, or what it keeps is broken. It must be built anew before the next call."""


class EngineUnavailableError(EngineFailedError):
    """A remote engine refused, hung up or did not answer; another engine may do better.

    Attributes:
        reason: one word: `refused` (the key, or the request), `busy`, `broken`, `timeout`, `closed`, `unreachable`.
        retry_after_s: seconds after which it wants to be asked again; 0 if it did not say.
        passing: whether the same request may succeed later, with nothing changed.
    """

    code = "engine_unavailable"

    def __init__(
        self, message: str, *, reason: str = "unreachable", retry_after_s: float = 0.0, passing: bool = True
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.passing = passing


class ProtocolError(FastringError):
    """The peer broke the protocol.

    Attributes:
        code: the wire code of `native_protocol`, for example `invalid_json`.
        close_code: the WebSocket close code if the error ends the connection, else None.
    """

    code = "protocol_error"

    def __init__(self, message: str, *, code: str = "protocol_error", close_code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code
