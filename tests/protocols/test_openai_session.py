from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.config import EndpointSettings
from fastring.protocols.openai_session import RealtimeRefusedError, RealtimeSession

VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}


def session() -> RealtimeSession:
    return RealtimeSession(
        "sess_1",
        expires_at=60,
        endpoint=EndpointSettings(),
        model="whisper-1",
        knows_model=lambda name: name in {"whisper-1", "gpt-4o-transcribe"},
        languages=("en", "de"),
    )


def test_a_session_begins_with_their_defaults() -> None:
    assert session().described() == {
        "type": "transcription",
        "id": "sess_1",
        "object": "realtime.transcription_session",
        "expires_at": 60,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1"},
                "noise_reduction": None,
                "turn_detection": VAD,
            }
        },
        "include": None,
    }
    assert session().described(old=True) == {
        "id": "sess_1",
        "object": "realtime.transcription_session",
        "expires_at": 60,
        "modalities": ["text", "audio"],
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "input_audio_noise_reduction": None,
        "turn_detection": VAD,
        "include": None,
        "client_secret": None,
    }


def test_only_the_keys_that_are_there_change_and_null_clears() -> None:
    it = session()
    it.update({"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe", "language": "en-US"}}}})
    it.update({"type": "transcription", "audio": {"input": {"transcription": {"prompt": "digits"}}}})
    told = it.described()["audio"]["input"]
    assert told["transcription"] == {"model": "gpt-4o-transcribe", "language": "en-US", "prompt": "digits"}
    assert told["turn_detection"] == VAD
    assert it.language == "en"
    it.update({"audio": {"input": {"turn_detection": None, "transcription": None, "noise_reduction": None}}})
    assert it.described()["audio"]["input"]["turn_detection"] is None
    assert (it.endpoint, it.language, it.padding_ms, it.silence_ms) == (None, "", 0, 0)
    it.update({})
    assert it.endpoint is None


@pytest.mark.parametrize(
    ("new", "old", "encoding", "rate", "sample_bytes"),
    [
        ({"type": "audio/pcm", "rate": 24000}, "pcm16", "linear16", 24_000, 2),
        ({"type": "audio/pcm"}, "pcm16", "linear16", 24_000, 2),
        ({"type": "audio/pcmu"}, "g711_ulaw", "mulaw", 8_000, 1),
        ({"type": "audio/pcma"}, "g711_alaw", "alaw", 8_000, 1),
    ],
)
def test_formats_of_both_shapes(new: Any, old: str, encoding: str, rate: int, sample_bytes: int) -> None:
    for update in ({"audio": {"input": {"format": new}}}, {"input_audio_format": old}):
        it = session()
        it.update(update)
        assert (it.encoding, it.sample_rate, it.sample_bytes) == (encoding, rate, sample_bytes)
        assert it.described(old=True)["input_audio_format"] == old
        assert it.described()["audio"]["input"]["format"]["type"] == new["type"]


def test_voice_detection_sets_the_endpoint() -> None:
    it = session()
    it.update({"turn_detection": {"type": "server_vad", "silence_duration_ms": 900}})
    assert it.described(old=True)["turn_detection"] == VAD | {"silence_duration_ms": 900}
    assert (it.silence_ms, it.padding_ms) == (900, 300)
    it.update({"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}})
    assert it.described()["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "auto"}


def test_logprobs_are_included_on_demand() -> None:
    it = session()
    it.update({"include": ["item.input_audio_transcription.logprobs"], "input_audio_noise_reduction": {"type": "x"}})
    assert it.logprobs
    it.update({"include": None})
    assert not it.logprobs


@pytest.mark.parametrize(
    ("update", "param", "code"),
    [
        ({"type": "realtime"}, "session.type", "invalid_value"),
        ({"type": None}, "session.type", "invalid_value"),
        ({"audio": 5}, "session.audio", "invalid_value"),
        ({"audio": {"input": []}}, "session.audio.input", "invalid_value"),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "session.audio.input.format", "invalid_value"),
        ({"audio": {"input": {"format": {"type": {}}}}}, "session.audio.input.format", "invalid_value"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "session.audio.input.format.rate",
            "invalid_value",
        ),
        ({"input_audio_format": "mp3"}, "session.input_audio_format", "invalid_value"),
        (
            {"input_audio_transcription": {"model": "parakeet"}},
            "session.input_audio_transcription.model",
            "model_not_found",
        ),
        (
            {"audio": {"input": {"transcription": {"language": "tlh"}}}},
            "session.audio.input.transcription.language",
            "invalid_value",
        ),
        (
            {"audio": {"input": {"transcription": {"language": 5}}}},
            "session.audio.input.transcription.language",
            "invalid_value",
        ),
        ({"turn_detection": {"type": "none"}}, "session.turn_detection", "invalid_value"),
        ({"turn_detection": {"threshold": 2}}, "session.turn_detection", "invalid_value"),
        ({"turn_detection": "server_vad"}, "session.turn_detection", "invalid_value"),
        ({"include": "everything"}, "session.include", "invalid_value"),
        ({"include": ["everything"]}, "session.include", "invalid_value"),
    ],
)
def test_what_is_not_to_be_had_is_refused_by_its_path(update: dict[str, Any], param: str, code: str) -> None:
    it = session()
    before = it.described()
    good = {"input_audio_noise_reduction": {"type": "near_field"}}
    with pytest.raises(RealtimeRefusedError) as caught:
        it.update({**good, **update})
    assert (caught.value.param, caught.value.code) == (param, code)
    assert it.described() == before


TEXT = st.text(max_size=9)
FIELDS = {
    "format": st.sampled_from([None, {"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcma"}]),
    "transcription": st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from([None, "whisper-1", "gpt-4o-transcribe"]),
            "language": st.sampled_from([None, "", "en", "de-AT"]),
            "prompt": TEXT,
            "keywords": st.lists(TEXT, max_size=2),
            "unknown": TEXT,
        },
    ),
    "noise_reduction": st.none() | st.fixed_dictionaries({}, optional={"type": TEXT, "strength": st.floats(0, 2)}),
    "turn_detection": st.none()
    | st.sampled_from([{"type": "semantic_vad", "eagerness": "low"}, {"type": "semantic_vad"}, {"type": "server_vad"}])
    | st.fixed_dictionaries({}, optional={"threshold": st.floats(0, 1), "silence_duration_ms": st.integers(100, 900)}),
}
INCLUDED = st.sampled_from([None, [], ["item.input_audio_transcription.logprobs"]])


@given(st.fixed_dictionaries({}, optional=FIELDS), INCLUDED)
def test_what_is_told_of_a_session_may_be_asked_for_again(asked: dict[str, Any], include: Any) -> None:
    first, second = session(), session()
    first.update({"audio": {"input": asked}, "include": include})
    second.update(first.described())
    assert second.described() == first.described()
    assert second.settings() == first.settings()
    third = session()
    third.update(first.described(old=True))
    assert third.described() == first.described()
