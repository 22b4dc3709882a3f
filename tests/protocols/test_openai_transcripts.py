"""Golden bodies: what clients of OpenAI find in them, field by field."""

from __future__ import annotations

import json

import pytest

from fastring.events import Final, Latency, Transcript, Word
from fastring.protocols import openai_transcripts as bodies

WORDS = (Word("One", 8_000, 12_000, 1.0), Word("two.", 12_000, 20_000, 0.5), Word("Drei", 32_000, 40_000, 0.0))
FINALS = (
    Final(0, 0, "One two.", WORDS[:2], 0.75, 8_000, 20_480, Latency(0, 0, 0, 0), language="en"),
    Final(2, 1, "Drei", WORDS[2:], 0.0, 32_000, 40_000, Latency(0, 0, 0, 0), language="en"),
)
TRANSCRIPT = Transcript("One two. Drei", FINALS, 48_001, "en")


def test_json() -> None:
    assert bodies.json_body(TRANSCRIPT) == {
        "text": "One two. Drei",
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_logprobs_are_those_of_the_words() -> None:
    assert bodies.json_body(TRANSCRIPT, logprobs=True)["logprobs"] == [
        {"token": "One", "logprob": 0.0, "bytes": [79, 110, 101]},
        {"token": "two.", "logprob": -0.693147, "bytes": [116, 119, 111, 46]},
        {"token": "Drei", "logprob": -100.0, "bytes": [68, 114, 101, 105]},
    ]


def test_verbose_json() -> None:
    body = bodies.verbose_body(TRANSCRIPT, segments=True, words=True)
    assert body == {
        "task": "transcribe",
        "language": "english",
        "duration": 3.0,
        "text": "One two. Drei",
        "words": [
            {"word": "One", "start": 0.5, "end": 0.75},
            {"word": "two.", "start": 0.75, "end": 1.25},
            {"word": "Drei", "start": 2.0, "end": 2.5},
        ],
        "segments": [
            {
                "id": 0,
                "seek": 50,
                "start": 0.5,
                "end": 1.28,
                "text": "One two.",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": pytest.approx(-0.346574, abs=1e-5),
                "compression_ratio": 0.5,
                "no_speech_prob": 0.0,
            },
            {
                "id": 1,
                "seek": 200,
                "start": 2.0,
                "end": 2.5,
                "text": "Drei",
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": -100.0,
                "compression_ratio": pytest.approx(1 / 3, abs=1e-5),
                "no_speech_prob": 0.0,
            },
        ],
        "usage": {"type": "duration", "seconds": 3.0},
    }


def test_granularities_that_are_not_asked_for_are_not_there() -> None:
    assert "words" not in bodies.verbose_body(TRANSCRIPT, segments=True, words=False)
    assert "segments" not in bodies.verbose_body(TRANSCRIPT, segments=False, words=True)
    nothing = bodies.verbose_body(Transcript("", (), 0), segments=True, words=True)
    assert (nothing["text"], nothing["language"], nothing["duration"], nothing["segments"]) == ("", "", 0.0, [])


def test_the_stream() -> None:
    assert bodies.delta_event(" two", WORDS[1:2]) == {"type": "transcript.text.delta", "delta": " two"}
    assert bodies.delta_event(" two", WORDS[1:2], logprobs=True)["logprobs"][0]["token"] == "two."
    assert bodies.done_event(TRANSCRIPT) == {
        "type": "transcript.text.done",
        "text": "One two. Drei",
        "usage": {
            "type": "tokens",
            "input_tokens": 31,
            "output_tokens": 3,
            "total_tokens": 34,
            "input_token_details": {"audio_tokens": 31, "text_tokens": 0},
        },
    }
    line = bodies.server_sent({"type": "x", "text": "a\nb é"})
    assert line.startswith(b"data: ")
    assert line.endswith(b"\n\n")
    assert line.count(b"\n") == 2
    assert json.loads(line[6:])["text"] == "a\nb é"


def test_models() -> None:
    assert bodies.models_body(["a", "b"], 5) == {
        "object": "list",
        "data": [
            {"id": "a", "object": "model", "created": 5, "owned_by": "fastring"},
            {"id": "b", "object": "model", "created": 5, "owned_by": "fastring"},
        ],
    }


@pytest.mark.parametrize(
    ("status", "code", "told", "kind"),
    [
        (401, "unauthorized", "invalid_api_key", "invalid_request_error"),
        (404, "unknown_model", "model_not_found", "invalid_request_error"),
        (429, "too_many_uploads", "rate_limit_exceeded", "rate_limit_error"),
        (400, "invalid_audio", "invalid_audio", "invalid_request_error"),
        (500, "engine_failed", "engine_failed", "server_error"),
        (503, "shutting_down", "shutting_down", "server_error"),
    ],
)
def test_errors(status: int, code: str, told: str, kind: str) -> None:
    assert bodies.error_body(status, code, "why", "file") == {
        "error": {"message": "why", "type": kind, "param": "file", "code": told}
    }
