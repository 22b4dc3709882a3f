"""The native protocol's fields for each event; here samples become seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastring import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Event, Latency, Word

__all__ = ["DECLINED", "ENCODED", "fields_of", "verification_fields"]

Fields = dict[str, Any]


def fields_of(event: Event, sample_rate: int) -> tuple[str, Fields]:
    """The `type` of an event's message and its fields, `stream_id` aside. Seconds are sample / sample_rate."""
    if isinstance(event, events.SourceEvent):
        name, fields = fields_of(event.event, sample_rate)
        return name, {"source": event.source, **fields}
    name, write = _WRITERS[type(event)]
    return name or event.name, write(event, sample_rate)  # type: ignore[union-attr]


def _number(value: float | None, digits: int = 6) -> float | None:
    """A finite number of that many decimals; what is unknown or not finite is null."""
    return round(value, digits) if value is not None and math.isfinite(value) else None


def _seconds(sample: int, sample_rate: int) -> float:
    return round(sample / sample_rate, 6)


def _latency(latency: Latency) -> Fields:
    return {
        "buffer_ms": _number(latency.buffer_ms, 1),
        "queue_ms": _number(latency.queue_ms, 1),
        "inference_ms": _number(latency.inference_ms, 1),
        "total_ms": _number(latency.total_ms, 1),
    }


def _words(words: tuple[Word, ...], rate: int) -> list[Fields]:
    return [
        {
            "word": word.text,
            "start": _seconds(word.start, rate),
            "end": _seconds(word.end, rate),
            "confidence": _number(word.confidence, 4),
            "stable": word.stable,
        }
        for word in words
    ]


def _as_they_are(*names: str) -> Callable[[Any, int], Fields]:
    return lambda event, _rate: {name: getattr(event, name) for name in names}


def _partial(event: events.Partial, rate: int) -> Fields:
    return {
        "utterance": event.utterance,
        "text": event.text,
        "stable_text": event.stable_text,
        "words": _words(event.words, rate),
        "confidence": _number(event.confidence, 4),
        "start": _seconds(event.start, rate),
        "end": _seconds(event.end, rate),
        "level": _number(event.level_db, 1),
        "buffer_usage": _number(event.buffer_usage, 4),
        "dropped": event.dropped,
        "latency_ms": _latency(event.latency),
    }


def _final(event: events.Final, rate: int) -> Fields:
    return {
        "seq": event.seq,
        "utterance": event.utterance,
        "text": event.text,
        "words": _words(event.words, rate),
        "confidence": _number(event.confidence, 4),
        "start": _seconds(event.start, rate),
        "end": _seconds(event.end, rate),
        "latency_ms": _latency(event.latency),
    }


def _analysis(event: events.Analysis, rate: int) -> Fields:
    return {
        "timestamp": _seconds(event.end, rate),
        "tempo": _number(event.tempo, 2),
        "pitch": _number(event.pitch, 3),
        "energy": _number(event.energy),
        "rms": _number(event.rms),
        "spectral_centroid": _number(event.spectral_centroid, 2),
        "spectral_rolloff": _number(event.spectral_rolloff, 2),
        "zero_crossing_rate": _number(event.zero_crossing_rate),
        "onset_detected": bool(event.onsets),
        "onsets": [_seconds(onset, rate) for onset in event.onsets],
        "peak": _number(event.peak),
        "pitch_confidence": _number(event.pitch_confidence, 4),
        "tempo_confidence": _number(event.tempo_confidence, 4),
        "buffer_usage": _number(event.buffer_usage, 4),
        "dropped": event.dropped,
    }


def _failure(event: events.Failure, _rate: int) -> Fields:
    fields: Fields = {"code": event.code, "message": event.message, "fatal": event.fatal}
    return {**fields, "reason": event.reason} if event.reason else fields


def _status(event: events.Status, _rate: int) -> Fields:
    fields = {name: getattr(event, name) for name in _STATUS}
    return {**fields, "engine": event.engine, "reason": event.reason} if event.engine else fields


def _resumed(event: events.Resumed, _rate: int) -> Fields:
    fields: Fields = {name: getattr(event, name) for name in _RESUMED}
    return fields if event.next_byte is None else {**fields, "next_byte": event.next_byte}


def _ack(event: events.Ack, _rate: int) -> Fields:
    fields: Fields = {"received": event.received, "committed": event.committed}
    if event.received_bytes is not None:
        fields["received_bytes"] = event.received_bytes
    if event.resume_token:
        fields["resume_token"] = event.resume_token
    return fields


def _speech_started(event: events.SpeechStarted, rate: int) -> Fields:
    return {"seq": event.seq, "utterance": event.utterance, "start": _seconds(event.start, rate)}


def _speech_ended(event: events.SpeechEnded, rate: int) -> Fields:
    return {"seq": event.seq, "utterance": event.utterance, "end": _seconds(event.end, rate)}


def verification_fields(verification: events.Verification, duration_s: float) -> Fields:
    """The fields of `final_result`, and of the answer to `POST /verify`."""
    return {
        "transcript": verification.transcript,
        "score": verification.score,
        "word_feedback": _feedback(verification.words),
        "extra_words": list(verification.extra_words),
        "duration": round(duration_s, 3),
    }


def _recitation(event: events.Recitation, _rate: int) -> Fields:
    latency = _latency(event.latency)
    trouble = {"error": event.error} if event.error else {}
    return {
        "partial_transcript": event.transcript,
        "word_feedback": _feedback(event.words),
        "extra_words": list(event.extra_words),
        "latency_ms": {name: latency[name] for name in ("buffer_ms", "inference_ms", "total_ms")} | trouble,
        "queue_depth": event.queue_depth,
        "server_busy": event.server_busy,
        **trouble,
    }


def _feedback(words: tuple[events.WordFeedback, ...]) -> list[Fields]:
    return [
        {"index": word.index, "word": word.word, "status": word.status} | ({"heard": word.heard} if word.heard else {})
        for word in words
    ]


_READY = ("encoding", "channels")
_VOICE_READY = (
    "pcm_sample_rate",
    *_READY,
    "ring_buffer_seconds",
    "max_message_bytes",
    "window_seconds",
    "engine",
    "model",
    "progressive",
    "resume_token",
)
_RESUMED = ("next_sample", "next_seq", "resume_token", "finalizes")
_STATUS = ("state", "source", "dropped_frames", "queue_depth", "lag_ms", "retry_after_ms")

_WRITERS: dict[type, tuple[str, Callable[[Any, int], Fields]]] = {
    events.VoiceReady: ("ready", _as_they_are(*_VOICE_READY)),
    events.AnalysisReady: ("ready", _as_they_are("sample_rate", *_READY, "chunk_size", "update_hz")),
    events.Resumed: ("resumed", _resumed),
    events.SpeechStarted: ("speech_started", _speech_started),
    events.Partial: ("partial", _partial),
    events.EarlyTrigger: (
        "early_trigger",
        _as_they_are("seq", "utterance", "trigger_id", "text", "confidence"),
    ),
    events.EarlyTriggerRetracted: (
        "early_trigger_retracted",
        _as_they_are("seq", "utterance", "trigger_id", "reason"),
    ),
    events.ReplyDelta: ("reply_delta", _as_they_are("utterance", "reply_id", "trigger_id", "text")),
    events.ReplyDone: ("reply_done", _as_they_are("utterance", "reply_id", "trigger_id", "reason")),
    events.Final: ("final", _final),
    events.SpeechEnded: ("speech_ended", _speech_ended),
    events.Status: ("status", _status),
    events.Ack: ("ack", _ack),
    events.Analysis: ("analysis", _analysis),
    events.Reply: ("", lambda event, _rate: dict(event.fields)),  # the event names itself
    events.Failure: ("error", _failure),
    events.Pong: ("pong", _as_they_are()),
    events.Recitation: ("partial_result", _recitation),
    events.RecitationResult: (
        "final_result",
        lambda event, rate: verification_fields(event.verification, event.end / rate),
    ),
    events.RecitationFailed: (
        "final_result_error",
        lambda event, _rate: {"message": event.message, "fallback": "/verify"},
    ),
    events.Closed: ("closed", lambda event, _rate: {"reason": event.reason, "stats": dict(event.stats)}),
}

ENCODED = frozenset({*_WRITERS, events.SourceEvent})
"""Every event class this protocol tells."""

DECLINED = frozenset({events.ChannelEvent, events.Echo, events.SpeechStopped})
"""Those it does not: its streams have one channel, and tell turns in order."""
