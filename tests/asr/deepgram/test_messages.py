from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fastring.asr.deepgram.messages import (
    authorization,
    listen_url,
    read_answer,
    read_refusal,
    read_result,
    transcribe_url,
)
from fastring.config import DeepgramSettings
from fastring.events import Word

WORD = {"word": "hello", "punctuated_word": "Hello,", "start": 1.0, "end": 1.5, "confidence": 0.9}


def results(**changes: Any) -> dict[str, Any]:
    alternative = {"transcript": "Hello,", "confidence": 0.9, "words": [WORD]}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 0.5,
        "duration": 2.0,
        "is_final": True,
        "speech_final": True,
        "from_finalize": False,
        "channel": {"alternatives": [alternative]},
        "metadata": {},
        **changes,
    }


@pytest.mark.parametrize(
    ("base", "live", "batch"),
    [
        ("https://api.deepgram.com", "wss://api.deepgram.com/v1/listen", "https://api.deepgram.com/v1/listen"),
        ("http://127.0.0.1:9", "ws://127.0.0.1:9/v1/listen", "http://127.0.0.1:9/v1/listen"),
        ("ws://127.0.0.1:9/", "ws://127.0.0.1:9/v1/listen", "http://127.0.0.1:9/v1/listen"),
        ("WSS://host/proxy/v1", "wss://host/proxy/v1/listen", "https://host/proxy/v1/listen"),
        ("wss://host/v1/listen", "wss://host/v1/listen", "https://host/v1/listen"),
    ],
)
def test_both_addresses_come_from_any_of_the_four_schemes(base: str, live: str, batch: str) -> None:
    settings = DeepgramSettings(base_url=base)
    assert listen_url(settings, "").partition("?")[0] == live
    assert transcribe_url(settings, "").partition("?")[0] == batch


def test_the_parameters_of_a_stream() -> None:
    settings = DeepgramSettings(model="nova-3", options=("punctuate=true", "keyterm=red fox", "keyterm=ü"))
    query = parse_qs(urlsplit(listen_url(settings, "de")).query)
    assert query == {
        "model": ["nova-3"],
        "encoding": ["linear16"],
        "sample_rate": ["16000"],
        "channels": ["1"],
        "interim_results": ["true"],
        "language": ["de"],
        "punctuate": ["true"],
        "keyterm": ["red fox", "ü"],
    }
    assert "interim_results" not in transcribe_url(settings, "")
    assert "language" not in transcribe_url(settings, "")


def test_the_key_stands_in_a_header_and_nowhere_else() -> None:
    settings = DeepgramSettings(api_key="s3cret")
    assert authorization(settings) == {"Authorization": "Token s3cret"}
    assert authorization(DeepgramSettings()) == {}
    assert "s3cret" not in listen_url(settings, "en") + transcribe_url(settings, "en")


def test_a_result() -> None:
    result = read_result(json.dumps(results()))
    assert result is not None
    assert (result.start, result.end, result.is_final, result.from_finalize) == (8_000, 40_000, True, False)
    assert result.words == (Word("Hello,", 16_000, 24_000, 0.9),)


def test_without_punctuation_there_is_the_bare_word() -> None:
    bare = {name: value for name, value in WORD.items() if name != "punctuated_word"}
    message = results(channel={"alternatives": [{"transcript": "", "words": [bare]}]})
    result = read_result(json.dumps(message).encode())
    assert result is not None
    assert result.words[0].text == "hello"


def test_flags_that_are_left_out_are_false() -> None:
    message = {name: value for name, value in results().items() if name not in ("is_final", "from_finalize")}
    result = read_result(json.dumps(message))
    assert result is not None
    assert not result.is_final
    assert not result.from_finalize


@pytest.mark.parametrize(
    "message",
    [
        "",
        "null",
        "[]",
        "no json",
        b"\xff\x00",
        '{"type":"Metadata"}',
        '{"type":"Results"}',
        json.dumps(results(start="soon")),
        json.dumps(results(start=float("inf"))),
        json.dumps(results(duration=None)),
        json.dumps(results(channel={"alternatives": [{"words": [{"word": "x"}]}]})),
        json.dumps(results(channel={"alternatives": 3})),
    ],
)
def test_what_is_no_result_is_none(message: str | bytes) -> None:
    assert read_result(message) is None


def test_no_alternative_is_silence() -> None:
    result = read_result(json.dumps(results(channel={"alternatives": []})))
    assert result is not None
    assert result.words == ()


def test_the_answer_for_a_recording() -> None:
    channel = {"alternatives": [{"transcript": "Hello,", "words": [WORD]}], "detected_language": "en"}
    body = json.dumps({"metadata": {}, "results": {"channels": [channel]}}).encode()
    assert read_answer(body) == ((Word("Hello,", 16_000, 24_000, 0.9),), "en")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"request_id":"r"}', b'{"results":{"channels":[]}}', b"<html>"])
def test_another_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        read_answer(body)


def test_a_refusal_never_repeats_the_key() -> None:
    settings = DeepgramSettings(api_key="s3cret")
    assert read_refusal(settings, b'{"err_msg":"no such key: s3cret"}') == "no such key: ***"
    assert read_refusal(settings, b"<h1>s3cret</h1>") == "<h1>***</h1>"
    assert read_refusal(settings, b'{"message":"later"}') == "later"
