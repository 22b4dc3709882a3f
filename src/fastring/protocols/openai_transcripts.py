"""OpenAI's transcription API without HTTP: the bodies of its answers, its stream, its models and its errors."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

from fastring.protocols.languages import language_name
from fastring.protocols.messages import write_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastring.events import Final, Transcript, Word

__all__ = [
    "delta_event",
    "done_event",
    "error_body",
    "json_body",
    "logprobs_of",
    "model_object",
    "models_body",
    "server_sent",
    "token_usage",
    "usage_of",
    "verbose_body",
]

Fields = dict[str, Any]

_SAMPLE_RATE = 16_000
_AUDIO_TOKENS_PER_S = 10
_SMALLEST_LOGPROB = -100.0


def json_body(transcript: Transcript, *, logprobs: bool = False) -> Fields:
    """`response_format=json`."""
    body: Fields = {"text": transcript.text, "usage": usage_of(transcript.samples)}
    return {**body, "logprobs": logprobs_of(_words(transcript))} if logprobs else body


def verbose_body(transcript: Transcript, *, segments: bool, words: bool) -> Fields:
    """`response_format=verbose_json`: a segment is an utterance; words where they are asked for."""
    body: Fields = {
        "task": "transcribe",
        "language": language_name(transcript.language),
        "duration": _seconds(transcript.samples),
        "text": transcript.text,
    }
    if words:
        body["words"] = [
            {"word": word.text, "start": _seconds(word.start), "end": _seconds(word.end)} for word in _words(transcript)
        ]
    if segments:
        body["segments"] = [_segment(number, final) for number, final in enumerate(transcript.finals)]
    body["usage"] = usage_of(transcript.samples)
    return body


def delta_event(delta: str, words: Sequence[Word], *, logprobs: bool = False) -> Fields:
    """More of the text; all deltas joined are the text."""
    event: Fields = {"type": "transcript.text.delta", "delta": delta}
    return {**event, "logprobs": logprobs_of(words)} if logprobs else event


def done_event(transcript: Transcript, *, logprobs: bool = False) -> Fields:
    """The last event of a stream."""
    event: Fields = {"type": "transcript.text.done", "text": transcript.text}
    if logprobs:
        event["logprobs"] = logprobs_of(_words(transcript))
    return {**event, "usage": token_usage(transcript)}


def server_sent(event: Fields) -> bytes:
    """One event of `text/event-stream`."""
    return f"data: {write_object(event)}\n\n".encode()


def usage_of(samples: int) -> Fields:
    """The audio that was used, in seconds."""
    return {"type": "duration", "seconds": _seconds(samples)}


def token_usage(transcript: Transcript) -> Fields:
    """The same as tokens, which streams count in: ten a second of audio, one a word."""
    audio = math.ceil(transcript.samples * _AUDIO_TOKENS_PER_S / _SAMPLE_RATE)
    words = len(_words(transcript))
    return {
        "type": "tokens",
        "input_tokens": audio,
        "output_tokens": words,
        "total_tokens": audio + words,
        "input_token_details": {"audio_tokens": audio, "text_tokens": 0},
    }


def logprobs_of(words: Iterable[Word]) -> list[Fields]:
    """A token for each word; its log-probability is that of the word's confidence."""
    return [
        {"token": word.text, "logprob": _logprob(word.confidence), "bytes": list(word.text.encode("utf-8", "replace"))}
        for word in words
    ]


def model_object(name: str, created: int) -> Fields:
    """One model."""
    return {"id": name, "object": "model", "created": created, "owned_by": "fastring"}


def models_body(names: Iterable[str], created: int) -> Fields:
    """The list of models."""
    return {"object": "list", "data": [model_object(name, created) for name in names]}


def error_body(status: int, code: str, message: str, param: str | None) -> Fields:
    """A refusal, in the fields that SDKs look for."""
    code = _CODES.get(code, code)
    return {"error": {"message": message, "type": _type(status), "param": param, "code": code}}


_CODES = {
    "unauthorized": "invalid_api_key",
    "unknown_model": "model_not_found",
    "too_many_uploads": "rate_limit_exceeded",
    "invalid_parameter": "invalid_value",
}


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _segment(number: int, final: Final) -> Fields:
    """Whisper's segment, as far as there is one: an utterance has neither tokens nor a temperature."""
    logprobs = [_logprob(word.confidence) for word in final.words]
    raw = final.text.encode("utf-8", "replace")
    return {
        "id": number,
        "seek": final.start * 100 // _SAMPLE_RATE,
        "start": _seconds(final.start),
        "end": _seconds(final.end),
        "text": final.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logprobs) / len(logprobs), 6) if logprobs else 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 6),
        "no_speech_prob": 0.0,
    }


def _words(transcript: Transcript) -> list[Word]:
    return [word for final in transcript.finals for word in final.words]


def _seconds(samples: int) -> float:
    return round(samples / _SAMPLE_RATE, 3)


def _logprob(confidence: float) -> float:
    return round(math.log(confidence), 6) if confidence > 0 else _SMALLEST_LOGPROB
