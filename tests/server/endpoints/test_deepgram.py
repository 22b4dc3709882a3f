"""Deepgram's live endpoint on a real server with a scripted engine: options, refusals, closes."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from deepgram_wire import RAW, converse, finals, hear, kinds, listen_path, transcript
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import SCRIPT, TWO_UTTERANCES, settings_for_tests, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import SecuritySettings, VoiceSettings

if TYPE_CHECKING:
    from serving import Running, Serve

KEYS = SecuritySettings(api_keys=("right-key",))
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


async def refusal(server: Running, path: str, **headers: str) -> tuple[int, Any, Any]:
    """Status, body and headers of a handshake that is refused."""
    async with server.client.get(server.url + path, headers={**UPGRADE, **headers}) as response:
        return response.status, await response.json(), response.headers


# --- before the upgrade ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"model": "nova-9"}, "nova-9"),
        ({"encoding": "linear16"}, "sample_rate"),
        ({"encoding": "linear16", "sample_rate": 4000}, "sample_rate"),
        ({"encoding": "g729", "sample_rate": 8000}, "encoding"),
        ({**RAW, "channels": 0}, "channels"),
        ({**RAW, "channels": 17, "multichannel": True}, "channels"),
        ({**RAW, "interim_results": "maybe"}, "interim_results"),
        ({**RAW, "endpointing": "soon"}, "endpointing"),
        ({**RAW, "utterance_end_ms": "1s"}, "utterance_end_ms"),
        ({**RAW, "model": ["nova-3", "nova-3"]}, "model"),
        ({**RAW, "language": "!"}, "language"),
        ({**RAW, "redact": "pci"}, "redact"),
        ({**RAW, "callback": "https://x.example"}, "callback"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_the_upgrade(
    server: Running, parameters: dict[str, Any], named: str
) -> None:
    status, body, headers = await refusal(server, listen_path(**parameters))
    assert (status, set(body)) == (400, {"err_code", "err_msg", "request_id"})
    assert body["err_code"] == "Bad Request"
    assert named in body["err_msg"]
    assert headers["dg-error"] == body["err_msg"]
    assert headers["dg-request-id"] == str(uuid.UUID(body["request_id"]))
    assert len(server.services.registry) == 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token wrong"}, {"Sec-WebSocket-Protocol": "token, wrong"}])
async def test_bad_credentials_are_invalid_auth(serve: Serve, headers: dict[str, str]) -> None:
    async with serve(security=KEYS) as server:
        status, body, answered = await refusal(server, listen_path(**RAW), **headers)
        assert (status, body["err_code"]) == (401, "INVALID_AUTH")
        assert answered["dg-error"] == body["err_msg"]


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Token right-key"}},
        {"headers": {"Authorization": "bearer right-key"}},
        {"protocols": ("token", "right-key")},
        {"protocols": ("bearer", "right-key", "x-deepgram-session-id", "5f7c3f0e")},
    ],
    ids=["token", "bearer", "sub-protocol", "with a session id"],
)
async def test_a_key_opens_in_each_of_its_forms(serve: Serve, options: dict[str, Any]) -> None:
    async with serve(security=KEYS) as server, server.connect(listen_path(**RAW), **options) as ws:
        assert ws.protocol == options.get("protocols", (None,))[0]
        assert uuid.UUID(ws._response.headers["dg-request-id"])
        await ws.send_json({"type": "CloseStream"})
        assert (await ws.receive_json())["request_id"] == ws._response.headers["dg-request-id"]


async def test_a_full_server_is_told_as_deepgram_tells_it(serve: Serve) -> None:
    async with serve(max_streams=1) as server, server.connect(listen_path(**RAW)):
        status, body, headers = await refusal(server, listen_path(**RAW))
        assert (status, body["err_code"]) == (429, "TOO_MANY_REQUESTS")
        assert headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    "parameters",
    [
        {"keyterm": ["one", "two"], "keywords": "one:2", "tag": ["a", "b"], "extra": "k:v", "search": "one"},
        {"diarize": True, "numerals": True, "profanity_filter": True, "dictation": True, "version": "latest"},
        {"redact": "", "mip_opt_out": True, "nobody_knows": "this"},
        {"language": "en-US", "endpointing": 300, "model": "default"},
        {"language": "multi", "endpointing": False},
    ],
)
async def test_what_means_nothing_here_is_ignored(server: Running, parameters: dict[str, Any]) -> None:
    (metadata,) = await converse(server, b"", **parameters)
    assert metadata["type"] == "Metadata"


# --- the conversation ------------------------------------------------------------------------------------------------


async def test_a_conversation(server: Running) -> None:
    messages = await converse(
        server, TWO_UTTERANCES, interim_results=True, vad_events=True, utterance_end_ms=500, punctuate=True
    )
    assert [transcript(it) for it in finals(messages)] == list(SCRIPT)
    said = [kind for kind in kinds(messages) if kind != "Results"]
    assert said == [
        *("SpeechStarted", "Results!", "UtteranceEnd"),
        *("SpeechStarted", "Results!", "UtteranceEnd"),
        *("Results.", "Metadata"),  # the silence at the end
    ]
    for end, final in zip([m for m in messages if m["type"] == "UtteranceEnd"], finals(messages), strict=True):
        assert end["last_word_end"] == final["channel"]["alternatives"][0]["words"][-1]["end"]
    for interim in [m for m in messages if kinds([m]) == ["Results"]]:
        assert (interim["is_final"], interim["speech_final"], interim["from_finalize"]) == (False, False, False)


async def test_nothing_is_said_that_was_not_asked_for(server: Running) -> None:
    messages = await converse(server, TWO_UTTERANCES)
    assert kinds(messages) == ["Results!", "Results!", "Results.", "Metadata"]


async def test_finalize_flushes_and_the_time_axis_goes_on(server: Running) -> None:
    audio = silence(0.5) + speech("seen_8")[: 2 * 16_000 * 2]
    async with server.connect(listen_path(**RAW)) as ws:
        await ws.send_bytes(audio)
        await ws.send_json({"type": "Finalize"})
        flushed = await ws.receive_json(timeout=10)
        assert (flushed["from_finalize"], flushed["is_final"], flushed["speech_final"]) == (True, True, False)
        await ws.send_bytes(silence(0.5) + speech("seen_0") + silence(1))
        later = await ws.receive_json(timeout=10)
        assert later["from_finalize"] is False
        assert later["start"] == pytest.approx(flushed["start"] + flushed["duration"], abs=0.0015)
        assert later["channel"]["alternatives"][0]["words"][0]["start"] > 2.5


async def test_a_long_endpoint_is_awaited_in_audio_time(server: Running) -> None:
    audio = silence(0.5) + speech("seen_0") + silence(2.5)
    messages = await converse(server, audio, endpointing=1500, utterance_end_ms=600)
    assert kinds(messages) == ["Results.", "UtteranceEnd", "Results!", "Results.", "Metadata"]
    never = await converse(server, audio, endpointing=False)
    assert kinds(never) == ["Results.", "Results.", "Metadata"]


@pytest.mark.parametrize("interim", [False, True])
async def test_long_speech_is_told_in_several_finals(serve: Serve, interim: bool) -> None:
    """Words that are stable are final before the speaker pauses; ranges of results touch, to the end of the audio."""
    script = "one two three four five six seven eight nine ten"
    engine = ScriptedTranscriber([script], seconds_per_word=0.5)
    talk = speech("seen_0")[16_000:64_000]
    audio = silence(0.5) + 12 * talk + silence(3)
    voice = VoiceSettings(
        early_triggers=False, window_seconds=1.0, window_min=0.5, overlap_seconds=0.2, max_segment_s=3.5
    )
    async with serve(replace(settings_for_tests(), voice=voice), engine) as server:
        messages = await converse(server, audio, interim_results=interim, endpointing=5000)
    results = [it for it in messages if it.get("is_final")]
    assert len(finals(messages)) > 2
    assert not any(it["speech_final"] for it in results)  # such a pause is not there
    words = [word for it in results for word in it["channel"]["alternatives"][0]["words"]]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
    at = 0.0
    for result in results:
        assert result["start"] == pytest.approx(at, abs=0.0015)
        at = result["start"] + result["duration"]
    assert at == pytest.approx(len(audio) / 32_000, abs=0.1)
    assert any(not it.get("is_final", True) for it in messages) is interim


async def test_a_gap_is_told_although_the_final_comes_late(serve: Serve) -> None:
    """No more audio comes after the final: the audio that is there already says that the utterance has ended."""
    slow = ScriptedTranscriber(SCRIPT, delay_s=0.3)
    async with serve(transcriber=slow) as server, server.connect(listen_path(**RAW, utterance_end_ms=1000)) as ws:
        await ws.send_bytes(silence(0.5) + speech("seen_0") + silence(2))
        messages = [await ws.receive_json(timeout=10) for _ in range(2)]
        assert kinds(messages) == ["Results!", "UtteranceEnd"]


@pytest.mark.parametrize("text", ["no json", '{"type":"Dance"}', "[1]"])
async def test_a_text_that_cannot_be_read_is_answered_and_the_stream_goes_on(server: Running, text: str) -> None:
    async with server.connect(listen_path(**RAW)) as ws:
        await ws.send_str(text)
        error = await ws.receive_json(timeout=5)
        assert set(error) == {"type", "variant", "description", "message"}
        assert (error["type"], error["variant"], error["message"]) == ("Error", "SchemaError", text)
        await ws.send_json({"type": "CloseStream"})
        assert [m["type"] for m in await hear(ws)] == ["Metadata"]
        assert ws.close_code == 1000


async def test_configure_is_answered_in_its_turn(server: Running) -> None:
    configure = {"type": "Configure", "features": {"punctuate": True}}
    messages = await converse(server, b"", configure, {"type": "Configure", "keyterms": ["fastring"]})
    assert [m["type"] for m in messages] == ["ConfigureSuccess", "ConfigureFailure", "Metadata"]
    assert messages[1]["code"] == "CONFIGURE_KEYTERMS_NOT_SUPPORTED"


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_a_silent_client_is_let_go_and_keepalive_keeps_it(serve: Serve) -> None:
    async with serve(idle_timeout_s=0.4) as server, server.connect(listen_path(**RAW)) as ws:
        for _ in range(8):
            await ws.send_json({"type": "KeepAlive"})
            await asyncio.sleep(0.1)
        assert not ws.closed
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        assert message.extra.startswith("NET-0001")


async def test_the_limit_is_ten_seconds_unless_the_server_has_less(server: Running) -> None:
    async with server.connect(listen_path(**RAW)):
        (connection,) = server.services.registry.connections
        assert connection._idle_timeout_s == 10.0


async def test_a_failing_engine_is_told_and_the_stream_goes_on(serve: Serve) -> None:
    class Broken(ScriptedTranscriber):
        def transcribe(self, jobs: Any) -> Any:
            raise RuntimeError("broken")

    async with serve(settings_for_tests(), Broken(SCRIPT)) as server:
        messages = await converse(server, silence(0.3) + speech() + silence(1))
    assert "Error" in kinds(messages)
    assert messages[-1]["type"] == "Metadata"


async def test_several_at_once(server: Running) -> None:
    conversations = await asyncio.gather(
        *(converse(server, TWO_UTTERANCES, size=size) for size in range(1000, 9000, 1000))
    )
    for messages in conversations:
        assert [transcript(it) for it in finals(messages)] == list(SCRIPT)
    assert len({messages[-1]["request_id"] for messages in conversations}) == 8
    assert len({messages[-1]["sha256"] for messages in conversations}) == 1


HOSTILE = st.lists(
    st.binary(min_size=1, max_size=300)
    | st.text(max_size=100).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
    | st.sampled_from(["[" * 5000, '{"type":"Finalize","x":NaN}', "\x00", '{"type":"Finalize","channel":-1}'])
    | st.builds(
        lambda kind, value: json.dumps({"type": kind, "channel": value, "keyterms": value, "features": value}),
        st.sampled_from(["KeepAlive", "Finalize", "Configure", "Results", "closestream", ""]),
        st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
    ),
    max_size=12,
)


async def test_whatever_comes_is_answered_and_the_stream_goes_on(server: Running) -> None:
    conversations: list[list[bytes | str]] = []

    @given(HOSTILE)
    @settings(max_examples=60)
    def collect(messages: list[bytes | str]) -> None:
        conversations.append(messages)

    await asyncio.get_running_loop().run_in_executor(None, collect)
    answers = []
    async with server.connect(listen_path(**RAW)) as ws:
        for messages in conversations:
            for message in messages:
                await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            await ws.send_json({"type": "Configure", "keyterms": ["the end"]})
            while (answer := await ws.receive_json(timeout=5))["type"] != "ConfigureFailure":
                answers.append(answer)
        await ws.send_json({"type": "CloseStream"})
        assert (await hear(ws))[-1]["type"] == "Metadata"
        assert ws.close_code == 1000
    assert {answer["type"] for answer in answers} <= {"Error", "Results", "ConfigureSuccess"}
    assert sum(answer["type"] == "Error" for answer in answers) > 20
