"""The official Python client of Deepgram, sync and async, in turns (`listen.v2`), against a real server."""

from __future__ import annotations

import asyncio
import threading
import time
import wave
from typing import TYPE_CHECKING, Any

import pytest

from fastring.recordings import recording

pytest.importorskip("deepgram")
import websockets
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v2.types import (
    ListenV2Configure,
    ListenV2ConfigureFailure,
    ListenV2ConfigureSuccess,
    ListenV2ConfigureThresholds,
    ListenV2Connected,
    ListenV2FatalError,
    ListenV2TurnInfo,
    ListenV2Warning,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client imports old names of its libraries

RAW: Any = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16_000}
CHUNK = 2560  # 80 ms, as Deepgram advises
SENTENCES = ("two eight five eight seven", "nine four six")  # of seen_8, half a second apart


def environment(url: str) -> DeepgramClientEnvironment:
    socket = url.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)


@pytest.fixture
def client(server_url: str, api_key: str) -> DeepgramClient:
    return DeepgramClient(api_key=api_key, environment=environment(server_url))


@pytest.fixture
def async_client(server_url: str, api_key: str) -> AsyncDeepgramClient:
    return AsyncDeepgramClient(api_key=api_key, environment=environment(server_url))


def pcm(name: str) -> bytes:
    with wave.open(str(recording(name).path)) as file:
        return file.readframes(file.getnframes())


def chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def turns(messages: list[Any], *events: str) -> list[ListenV2TurnInfo]:
    return [it for it in messages if isinstance(it, ListenV2TurnInfo) and it.event in events]


def assert_schema(messages: list[Any]) -> None:
    """Each is what its class demands: the client itself builds objects without a look at the fields."""
    for message in messages:
        type(message).model_validate(message.model_dump())
    assert [it.sequence_id for it in messages] == list(range(len(messages)))


def hear(client: DeepgramClient, audio: bytes, *, pause_s: float = 0.0, **options: Any) -> list[Any]:
    """Send it and hear everything."""
    messages: list[Any] = []
    with client.listen.v2.connect(**{**RAW, **options}) as socket:
        socket.on(EventType.MESSAGE, messages.append)
        socket.on(EventType.ERROR, messages.append)
        listener = threading.Thread(target=socket.start_listening)
        listener.start()
        for chunk in chunks(audio):
            socket.send_media(chunk)
            time.sleep(pause_s)
        socket.send_close_stream()
        listener.join(30)
    assert_schema(messages)
    return messages


@pytest.mark.parametrize("name", ["stream", "seen_8", "unseen_2"])
def test_turns_hold_every_word_in_its_time(client: DeepgramClient, name: str) -> None:
    messages = hear(client, pcm(name))
    assert isinstance(messages[0], ListenV2Connected)
    ends = turns(messages, "EndOfTurn")
    assert " ".join(it.transcript for it in ends) == recording(name).text
    assert [it.turn_index for it in ends] == list(range(len(ends)))
    said = [word for it in ends for word in it.words]
    for word, true in zip(said, recording(name).words, strict=True):
        assert word.word == true.text
        assert word.start == pytest.approx(true.start_s, abs=0.2)
        assert word.end == pytest.approx(true.end_s, abs=0.2)
        assert 0 < word.confidence <= 1


def test_a_talk_in_time(client: DeepgramClient) -> None:
    """Eager ends are followed by nothing of the turn but what becomes of them, and keep their word."""
    messages = hear(client, pcm("seen_8") + bytes(32_000), pause_s=0.04, eager_eot_threshold=0.4)
    ends = turns(messages, "EndOfTurn")
    assert [it.transcript for it in ends] == list(SENTENCES)
    assert {it.trigger for it in ends} == {"model"}
    assert all(it.transcript for it in turns(messages, "StartOfTurn"))
    changes = turns(messages, "StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EndOfTurn")
    eagers = turns(changes, "EagerEndOfTurn")
    assert eagers
    for eager in eagers:
        after = messages[messages.index(eager) + 1]
        assert after.event in ("TurnResumed", "EndOfTurn")
        assert after.event == "TurnResumed" or after.transcript == eager.transcript
        assert 0.4 <= eager.end_of_turn_confidence <= 0.7
    heard = [it.audio_window_end for it in messages[1:]]
    assert heard == sorted(heard)


def test_configure_and_force_end_turn(client: DeepgramClient) -> None:
    """A client that ends turns itself: the pause between the sentences ends none."""
    with client.listen.v2.connect(**RAW) as socket:
        assert isinstance(socket.recv(), ListenV2Connected)
        manual = ListenV2ConfigureThresholds(eot_threshold=1.0, eot_timeout_ms=20_000)
        socket.send_configure(ListenV2Configure(thresholds=manual, keyterms=["ring"]))
        answer = socket.recv()
        assert isinstance(answer, ListenV2ConfigureSuccess)
        assert (answer.thresholds.eot_threshold, answer.thresholds.eot_timeout_ms) == (1.0, 20_000)
        assert answer.thresholds.eager_eot_threshold is None
        assert answer.keyterms == []
        socket.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 0.1}})
        refused = socket.recv()
        assert isinstance(refused, ListenV2ConfigureFailure)
        assert (refused.code, "eot_threshold" in (refused.description or "")) == ("CONFIGURE_INVALID", True)
        for chunk in chunks(pcm("seen_8") + bytes(64_000)):
            socket.send_media(chunk)
        socket.send_force_end_turn()
        socket.send_configure({"type": "KeepEnd"})
        messages = []
        while not isinstance(message := socket.recv(), ListenV2Warning):
            messages.append(message)
        assert message.code == "UNPARSABLE_CLIENT_MESSAGE"
        while not turns(messages, "EndOfTurn"):
            messages.append(socket.recv())
        (end,) = turns(messages, "EndOfTurn")
        assert (end.transcript, end.trigger) == (" ".join(SENTENCES), "manual")
        socket.send_close_stream()
        rest = list(socket)  # a close with another code than 1000 would raise
        assert turns(rest, "StartOfTurn", "EndOfTurn") == []


async def test_async_several_at_once(async_client: AsyncDeepgramClient) -> None:
    async def converse(name: str) -> list[Any]:
        async with async_client.listen.v2.connect(**RAW) as socket:
            for chunk in chunks(pcm(name)):
                await socket.send_media(chunk)
            await socket.send_close_stream()
            return [message async for message in socket]

    names = ["seen_1", "seen_2", "seen_8", "stream", "unseen_2"]
    for name, messages in zip(names, await asyncio.gather(*map(converse, names)), strict=True):
        assert_schema(messages)
        assert " ".join(it.transcript for it in turns(messages, "EndOfTurn")) == recording(name).text


async def test_async_a_container(async_client: AsyncDeepgramClient) -> None:
    """Without encoding and sample rate, the bytes say it all; here a WAV."""
    data = recording("seen_8").path.read_bytes()
    async with async_client.listen.v2.connect(model="flux-general-multi", language_hint=["en"]) as socket:
        for chunk in chunks(data):
            await socket.send_media(chunk)
        await socket.send_close_stream()
        messages = [message async for message in socket]
    assert_schema(messages)
    assert [it.transcript for it in turns(messages, "EndOfTurn")] == list(SENTENCES)
    assert {tuple(it.languages_hinted) for it in turns(messages, "EndOfTurn")} == {("en",)}


async def test_async_silence_starts_no_turn(async_client: AsyncDeepgramClient) -> None:
    async with async_client.listen.v2.connect(**RAW) as socket:
        await socket.send_media(pcm("silence"))
        await socket.send_close_stream()
        messages = [message async for message in socket]
    assert {it.event for it in messages[1:]} == {"Update"}


async def test_a_wrong_key_is_an_api_error(server_url: str) -> None:
    stranger = AsyncDeepgramClient(access_token="wrong", environment=environment(server_url))
    with pytest.raises(ApiError) as caught:
        async with stranger.listen.v2.connect(**RAW):
            pass
    assert caught.value.status_code == 401


@pytest.mark.parametrize("options", [{"model": "flux-9"}, {"eot_threshold": "0.1"}, {"encoding": "linear16"}])
async def test_what_cannot_be_done_is_400(async_client: AsyncDeepgramClient, options: Any) -> None:
    with pytest.raises(ApiError) as caught:
        async with async_client.listen.v2.connect(**{"model": "flux-general-en", **options}):
            pass
    assert caught.value.status_code == 400


def test_what_is_no_audio_is_a_fatal_error(client: DeepgramClient) -> None:
    with client.listen.v2.connect(model="flux-general-en") as socket:
        assert isinstance(socket.recv(), ListenV2Connected)
        socket.send_media(b"this is no audio at all " * 2000)
        error = socket.recv()
        assert isinstance(error, ListenV2FatalError)
        assert error.code == "UNDECODABLE_AUDIO"
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008
