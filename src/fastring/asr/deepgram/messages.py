"""Deepgram's wire format as far as we speak it: addresses, commands, and what of its messages matters to us. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastring.config import DeepgramSettings

__all__ = [
    "CLOSE_STREAM",
    "FINALIZE",
    "KEEP_ALIVE",
    "KEY_HINT",
    "REQUEST_HINT",
    "SAMPLE_RATE",
    "Result",
    "authorization",
    "listen_url",
    "read_answer",
    "read_refusal",
    "read_result",
    "transcribe_url",
    "unreachable",
]

SAMPLE_RATE = 16_000
KEY_HINT = "DEEPGRAM_API_KEY or deepgram.api_key"
REQUEST_HINT = "deepgram.base_url, deepgram.model and deepgram.options"
KEEP_ALIVE = '{"type": "KeepAlive"}'
FINALIZE = '{"type": "Finalize"}'
CLOSE_STREAM = '{"type": "CloseStream"}'


@dataclass(frozen=True, slots=True)
class Result:
    """What the service heard in samples [`start`, `end`) of the audio that a connection has carried.

    Attributes:
        start: first sample, counted from the first of the connection.
        end: one past the last.
        is_final: it will say no more about them; otherwise a later result takes its place.
        from_finalize: it answers a Finalize.
        words: with times on the connection's axis.
        language: what the service heard spoken, if it says.
    """

    start: int
    end: int
    is_final: bool
    from_finalize: bool
    words: tuple[Word, ...]
    language: str = ""


def listen_url(settings: DeepgramSettings, language: str) -> str:
    """Address of a live stream: `ws` or `wss`, whichever of the four schemes the setting has."""
    return _url(settings, "ws", {"interim_results": "true"}, language)


def transcribe_url(settings: DeepgramSettings, language: str) -> str:
    """Address of the request for a whole recording: `http` or `https`."""
    return _url(settings, "http", {}, language)


def authorization(settings: DeepgramSettings) -> dict[str, str]:
    """The header that holds the key; none where there is none, as services of one's own may have it."""
    return {"Authorization": f"Token {settings.api_key}"} if settings.api_key else {}


def unreachable(settings: DeepgramSettings, error: Exception) -> str:
    """What to say where nobody answers."""
    return f"Deepgram cannot be reached at {settings.base_url} (DEEPGRAM_BASE_URL or deepgram.base_url): {error}"


def read_refusal(settings: DeepgramSettings, body: bytes) -> str:
    """What a refusal says of itself, without the key, should it repeat that."""
    try:
        parsed = json.loads(body)
        text = str(parsed.get("err_msg") or parsed.get("message") or "")
    except (ValueError, AttributeError):
        text = body.decode("utf-8", "replace")
    return text.replace(settings.api_key, "***") if settings.api_key else text


def read_result(message: str | bytes) -> Result | None:
    """The result in a message; None if it is of another type, known or not, or malformed."""
    try:
        parsed = json.loads(message)
        if parsed["type"] != "Results":
            return None
        start_s, duration_s = float(parsed["start"]), float(parsed["duration"])
        if not (math.isfinite(start_s) and math.isfinite(duration_s)):
            return None
        alternatives = parsed["channel"]["alternatives"]
        words, language = _best(alternatives)
        return Result(
            start=_samples(start_s),
            end=_samples(start_s + duration_s),
            is_final=parsed.get("is_final") is True,
            from_finalize=parsed.get("from_finalize") is True,
            words=words,
            language=language,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def read_answer(body: bytes) -> tuple[tuple[Word, ...], str]:
    """The words and the language in the answer to a request for a whole recording.

    Raises:
        ValueError: if it is no such answer.
    """
    try:
        (channel,) = json.loads(body)["results"]["channels"]
        words, language = _best(channel["alternatives"])
        return words, language or str(channel.get("detected_language") or "")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an answer of Deepgram's: {body[:80]!r}") from error


def _best(alternatives: Any) -> tuple[tuple[Word, ...], str]:
    if not alternatives:
        return (), ""
    best = alternatives[0]
    languages = best.get("languages") or [""]
    return tuple(_word(word) for word in best["words"]), str(languages[0])


def _word(word: Mapping[str, Any]) -> Word:
    text = word.get("punctuated_word") or word["word"]
    start, end = _samples(float(word["start"])), _samples(float(word["end"]))
    return Word(str(text), start, max(start, end), min(1.0, max(0.0, float(word["confidence"]))))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _url(settings: DeepgramSettings, scheme: str, extra: Mapping[str, str], language: str) -> str:
    given, _, rest = settings.base_url.partition("://")
    secure = "s" if given.lower() in ("https", "wss") else ""
    place = rest.rstrip("/").removesuffix("/listen").removesuffix("/v1").rstrip("/")
    parameters = [
        ("model", settings.model),
        ("encoding", "linear16"),
        ("sample_rate", str(SAMPLE_RATE)),
        ("channels", "1"),
        *extra.items(),
        *([("language", language)] if language else []),
        *((name, value) for name, _, value in (option.partition("=") for option in settings.options)),
    ]
    return f"{scheme}{secure}://{place}/v1/listen?{urlencode(parameters, quote_via=quote)}"
