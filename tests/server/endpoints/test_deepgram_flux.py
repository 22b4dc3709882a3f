"""Deepgram's turn-based endpoint on a real server with a scripted engine: options, refusals, turns, closes."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import pytest
from deepgram_wire import hear
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from serving import SCRIPT, TWO_UTTERANCES, chunks, settings_for_tests, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.asr.transcriber import Capabilities
from fastring.config import AsrSettings, SecuritySettings, Settings
from fastring.protocols.deepgram_turns import Thresholds
from fastring.server.endpoints.deepgram_flux import FluxOptions

if TYPE_CHECKING:
    from serving import Running, Serve

KEYS = SecuritySettings(api_keys=("right-key",))
RAW = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16_000}
ONE = silence(0.5) + speech("seen_0")


def path(**parameters: Any) -> str:
    return f"/v2/listen?{urlencode({**RAW, **parameters}, doseq=True)}"


async def converse(server: Running, audio: bytes, *orders: Any, size: int = 2560, **parameters: Any) -> list[Any]:
    """Send audio, then orders, then CloseStream; hear everything, which must end well and be numbered."""
    async with server.connect(path(**parameters)) as ws:
        for chunk in chunks(audio, size):
            await ws.send_bytes(chunk)
        for order in (*orders, {"type": "CloseStream"}):
            await ws.send_json(order)
        messages = await hear(ws)
        assert ws.close_code == 1000
    assert [it["sequence_id"] for it in messages] == list(range(len(messages)))
    assert {it["request_id"] for it in messages} == {ws._response.headers["dg-request-id"]}
    return messages


def turns(messages: list[Any]) -> list[tuple[str, int, str]]:
    """What happens to turns, and with which words."""
    told = [it for it in messages if it["type"] == "TurnInfo" and it["event"] != "Update"]
    return [(it["event"], it["turn_index"], it["transcript"]) for it in told]


def ends(messages: list[Any]) -> list[Any]:
    return [it for it in messages if it.get("event") == "EndOfTurn"]


# --- before the upgrade ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"model": "flux-9"}, "flux-9"),
        ({"model": ["flux-general-en", "flux-general-multi"]}, "model"),
        ({"encoding": "g729"}, "encoding"),
        ({"sample_rate": 4000}, "sample_rate"),
        ({"eot_threshold": "0.4"}, "eot_threshold"),
        ({"eot_threshold": "high"}, "eot_threshold"),
        ({"eager_eot_threshold": 0.95}, "eager_eot_threshold"),
        ({"eager_eot_threshold": 0.8}, "eager_eot_threshold"),
        ({"eager_eot_threshold": 0.3, "eot_timeout_ms": 100}, "eot_timeout_ms"),
        ({"language_hint": ["en", "!"]}, "language_hint"),
        ({"redact": "numbers"}, "redact"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_the_upgrade(
    server: Running, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await server.client.ws_connect(server.url + path(**parameters))
    assert caught.value.status == 400
    assert caught.value.headers is not None
    assert named in caught.value.headers["dg-error"]
    assert uuid.UUID(caught.value.headers["dg-request-id"])
    assert len(server.services.registry) == 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token wrong"}, {"Sec-WebSocket-Protocol": "token, wrong"}])
async def test_bad_credentials_are_invalid_auth(serve: Serve, headers: dict[str, str]) -> None:
    async with serve(security=KEYS) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await server.client.ws_connect(server.url + path(), headers=headers)
        assert caught.value.status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await server.client.ws_connect(server.url + "/v2/listen")


@pytest.mark.parametrize(
    "options", [{"headers": {"Authorization": "Token right-key"}}, {"protocols": ("token", "right-key")}]
)
async def test_a_key_opens_in_each_of_its_forms(serve: Serve, options: dict[str, Any]) -> None:
    async with serve(security=KEYS) as server, server.connect(path(), **options) as ws:
        assert (await ws.receive_json(timeout=5))["type"] == "Connected"


async def test_a_full_server_is_told_as_deepgram_tells_it(serve: Serve) -> None:
    async with serve(max_streams=1) as server, server.connect(path()):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await server.client.ws_connect(server.url + path())
        assert caught.value.status == 429


async def test_a_family_that_is_not_served_is_not_there(serve: Serve) -> None:
    async with serve(protocols=("native",)) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await server.client.ws_connect(server.url + path())


@pytest.mark.parametrize(
    "parameters",
    [
        {"keyterm": ["one", "two"], "tag": ["a", "b"], "mip_opt_out": "true", "numerals": "true"},
        {"language_hint": ["en", "xx"], "profanity_filter": "false", "nobody_knows": "this", "redact": ""},
        {"model": "default", "eot_threshold": "0.6299999999999999"},
    ],
)
async def test_what_means_nothing_here_is_ignored(server: Running, parameters: dict[str, Any]) -> None:
    assert [it["type"] for it in await converse(server, b"", **parameters)] == ["Connected"]


def options_of(query: dict[str, Any], configured: str = "", has: tuple[str, ...] = ("en", "de")) -> FluxOptions:
    asr = AsrSettings(language=configured)
    known = Capabilities("engine", "digits", 16_000, languages=has)
    services: Any = SimpleNamespace(settings=Settings(asr=asr), capabilities=known)
    pairs = [(name, it) for name, value in query.items() for it in (value if isinstance(value, list) else [value])]
    return FluxOptions.read(services, MultiDict(pairs))


@pytest.mark.parametrize(
    ("query", "configured", "language"),
    [
        ({"model": "flux-general-en"}, "", "en"),
        ({"model": "flux-general-en"}, "de", ""),
        ({"model": "flux-general-en", "language_hint": "de"}, "", "en"),
        ({"model": "flux-general-multi"}, "", ""),
        ({"model": "flux-general-multi", "language_hint": "de-CH"}, "", "de"),
        ({"model": "flux-general-multi", "language_hint": "xx"}, "", ""),
        ({"model": "flux-general-multi", "language_hint": ["de", "en"]}, "", ""),
        ({}, "", ""),
    ],
)
def test_the_language_that_is_expected_is_heard(query: dict[str, Any], configured: str, language: str) -> None:
    assert options_of(query, configured).language == language


def test_an_engine_without_english_hears_what_it_can() -> None:
    assert options_of({"model": "flux-general-en"}, has=("de",)).language == ""


def test_without_an_encoding_it_is_a_container() -> None:
    options = options_of({})
    assert (options.audio.encoding, options.thresholds) == ("container", Thresholds())


# --- the conversation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [777, 2560, 1 << 20])
async def test_a_conversation(server: Running, size: int) -> None:
    messages = await converse(server, TWO_UTTERANCES, size=size)
    assert messages[0]["type"] == "Connected"
    assert {it["type"] for it in messages[1:]} == {"TurnInfo"}
    told = turns(messages)
    assert [it[:2] for it in told] == [("StartOfTurn", 0), ("EndOfTurn", 0), ("StartOfTurn", 1), ("EndOfTurn", 1)]
    assert [it["transcript"] for it in ends(messages)] == list(SCRIPT)
    assert all(it["transcript"] for it in messages if it.get("event") == "StartOfTurn")
    assert {(it["trigger"], it["end_of_turn_confidence"]) for it in ends(messages)} == {("model", 0.7)}


async def test_updates_come_four_times_a_second_in_silence_too(server: Running) -> None:
    messages = await converse(server, silence(5.0), size=640)
    assert {it["event"] for it in messages[1:]} == {"Update"}
    assert 17 <= len(messages) - 1 <= 20
    window_ends = [it["audio_window_end"] for it in messages[1:]]
    assert window_ends == sorted(window_ends)
    assert window_ends[-1] == pytest.approx(5.0, abs=0.25)


async def test_force_end_turn_ends_it_now_and_the_time_axis_goes_on(server: Running) -> None:
    async with server.connect(path(eot_threshold=1.0)) as ws:
        await ws.send_bytes(ONE)
        await ws.send_json({"type": "ForceEndTurn"})
        await ws.send_json({"type": "ForceEndTurn"})  # nobody speaks: nothing to end
        messages = []
        while not ends(messages):
            messages.append(await ws.receive_json(timeout=10))
        await ws.send_bytes(silence(0.5) + speech("seen_1"))
        await ws.send_json({"type": "CloseStream"})
        messages += await hear(ws)
    first, second = ends(messages)
    assert (first["trigger"], first["transcript"], second["trigger"]) == ("manual", SCRIPT[0], "manual")
    assert (first["turn_index"], second["turn_index"]) == (0, 1)
    assert second["words"][0]["start"] > first["words"][-1]["end"]


@pytest.mark.parametrize(
    ("parameters", "trigger"),
    [
        ({}, "model"),
        ({"eot_threshold": 0.9}, "model"),
        ({"eot_threshold": 1.0, "eot_timeout_ms": 2_500}, "timeout"),
        ({"eot_threshold": 1.0}, "manual"),  # by CloseStream
    ],
)
async def test_an_end_says_what_brought_it(server: Running, parameters: dict[str, Any], trigger: str) -> None:
    (end,) = ends(await converse(server, ONE + silence(3.0), **parameters))
    assert (end["trigger"], end["transcript"]) == (trigger, SCRIPT[0])


async def test_a_patient_client_hears_one_turn_of_two(server: Running) -> None:
    audio = ONE + silence(1.0) + speech("seen_1") + silence(4)
    assert len(ends(await converse(server, audio))) == 2
    (end,) = ends(await converse(server, audio, eot_threshold=1.0, eot_timeout_ms=2_500))
    assert end["trigger"] == "timeout"


async def test_configure_holds_from_then_on(server: Running) -> None:
    """In the middle of a turn, too."""
    patient = {"type": "Configure", "thresholds": {"eot_threshold": 1.0, "eot_timeout_ms": 2_500}}
    async with server.connect(path()) as ws:
        await ws.send_bytes(ONE)
        await ws.send_json(patient)
        await ws.send_bytes(silence(1.0) + speech("seen_1") + silence(4.0))
        await ws.send_json({"type": "CloseStream"})
        messages = await hear(ws)
    (answer,) = [it for it in messages if it["type"] == "ConfigureSuccess"]
    assert answer["thresholds"] == {"eot_threshold": 1.0, "eot_timeout_ms": 2_500}
    (end,) = ends(messages)
    assert end["trigger"] == "timeout"


async def test_configure_is_answered_in_its_turn(server: Running) -> None:
    refused = {"type": "Configure", "thresholds": {"eager_eot_threshold": 0.8}}
    messages = await converse(server, b"", {"type": "Configure", "keyterms": ["ring"]}, refused)
    assert [it["type"] for it in messages] == ["Connected", "ConfigureSuccess", "ConfigureFailure"]
    assert messages[1]["keyterms"] == []
    assert (messages[2]["code"], "eager_eot_threshold" in messages[2]["description"]) == ("CONFIGURE_INVALID", True)


@pytest.mark.parametrize("text", ["no json", '{"type":"Finalize"}', "[1]"])
async def test_a_text_that_cannot_be_read_is_a_warning_and_the_stream_goes_on(server: Running, text: str) -> None:
    async with server.connect(path()) as ws:
        await ws.send_str(text)
        assert (await ws.receive_json(timeout=5))["type"] == "Connected"
        warning = await ws.receive_json(timeout=5)
        assert (warning["type"], warning["code"]) == ("Warning", "UNPARSABLE_CLIENT_MESSAGE")
        await ws.send_bytes(TWO_UTTERANCES)
        await ws.send_json({"type": "CloseStream"})
        assert [it["transcript"] for it in ends(await hear(ws))] == list(SCRIPT)
        assert ws.close_code == 1000


async def test_a_failing_engine_is_a_warning_and_the_stream_goes_on(serve: Serve) -> None:
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, fails=lambda _job: True)) as server:
        messages = await converse(server, TWO_UTTERANCES)
    assert {it["code"] for it in messages if it["type"] == "Warning"} == {"ENGINE_FAILED"}
    assert turns(messages) == []


async def test_two_turns_at_once_are_told_one_after_the_other(serve: Serve) -> None:
    """The engine is slow, and the second has begun before the first is heard."""
    async with serve(transcriber=ScriptedTranscriber(SCRIPT, delay_s=0.4)) as server:
        messages = await converse(server, TWO_UTTERANCES, size=1 << 20)
    assert [it["transcript"] for it in ends(messages)] == list(SCRIPT)
    indices = [it["turn_index"] for it in messages if it["type"] == "TurnInfo"]
    assert indices == sorted(indices)
    for it in messages[1:]:
        assert all(it["audio_window_start"] <= word["start"] <= it["audio_window_end"] for word in it["words"])


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_a_silent_client_is_let_go(serve: Serve) -> None:
    async with serve(idle_timeout_s=0.2) as server, server.connect(path()) as ws:
        messages = await hear(ws)
        assert [it["type"] for it in messages] == ["Connected", "Error"]
        assert messages[1]["code"] == "INACTIVE_CLIENT"
        assert ws.close_code == 1011


async def test_the_limit_is_half_a_minute_unless_the_server_has_less(server: Running) -> None:
    async with server.connect(path()):
        (connection,) = server.services.registry.connections
        assert connection._idle_timeout_s == 30.0


async def test_what_is_no_audio_is_told_and_closes_1008(server: Running) -> None:
    async with server.connect("/v2/listen?model=flux-general-en") as ws:
        await ws.send_bytes(b"this is no audio at all " * 2_000)
        messages = await hear(ws)
        assert [it.get("code") for it in messages] == [None, "UNDECODABLE_AUDIO"]
        assert ws.close_code == 1008


async def test_too_large_a_message_is_told(serve: Serve) -> None:
    async with serve(max_message_bytes=10_000) as server, server.connect(path()) as ws:
        await ws.send_bytes(bytes(20_000))
        messages = await hear(ws)
        assert [it.get("code") for it in messages] == [None, "MESSAGE_TOO_LARGE"]
        assert ws.close_code == 1009


async def test_a_server_that_goes_down_answers_what_was_said(serve: Serve) -> None:
    async with serve(settings_for_tests()) as server, server.connect(path()) as ws:
        await ws.send_bytes(ONE)
        await asyncio.sleep(0.2)
        (connection,) = server.services.registry.connections
        connection.finish()
        messages = await hear(ws)
        assert [it["transcript"] for it in ends(messages)] == [SCRIPT[0]]
        assert ws.close_code == 1012


async def test_several_at_once(server: Running) -> None:
    conversations = await asyncio.gather(*(converse(server, TWO_UTTERANCES, size=n) for n in range(1000, 9000, 1000)))
    for messages in conversations:
        assert [it["transcript"] for it in ends(messages)] == list(SCRIPT)


async def test_a_long_turn_is_not_cut_where_an_utterance_would_be(serve: Serve) -> None:
    usual = settings_for_tests()
    short = replace(usual, endpoint=replace(usual.endpoint, max_utterance_s=2.0))
    async with serve(short) as server:
        (end,) = ends(await converse(server, silence(0.5) + 3 * speech("seen_0")[16_000:64_000] + silence(1)))
    assert end["trigger"] == "model"


HOSTILE = st.lists(
    st.binary(max_size=300)
    | st.text(max_size=100).filter(lambda text: text.encode("utf-8", "ignore").decode() == text)
    | st.sampled_from(["[" * 5000, '{"type":"ForceEndTurn","x":NaN}', "\x00", '{"type":"ForceEndTurn","x":1}'])
    | st.builds(
        lambda kind, value, name: json.dumps({"type": kind, "thresholds": {name: value}, "keyterms": value}),
        st.sampled_from(["KeepAlive", "ForceEndTurn", "Configure", "TurnInfo", "closestream", ""]),
        st.none() | st.floats(0, 2) | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
        st.sampled_from(["eot_threshold", "eager_eot_threshold", "eot_timeout_ms"]),
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
    async with server.connect(path()) as ws:
        for messages in conversations:
            for message in messages:
                await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            await ws.send_json({"type": "Configure", "thresholds": 7})
            while (answer := await ws.receive_json(timeout=5)).get("description", "").find("not 7") < 0:
                answers.append(answer)
        await ws.send_json({"type": "CloseStream"})
        answers += await hear(ws)
        assert ws.close_code == 1000
    assert {it["type"] for it in answers} <= {
        *("Connected", "Warning", "ConfigureSuccess", "ConfigureFailure", "TurnInfo"),
    }
    assert sum(it["type"] == "Warning" for it in answers) > 20
