"""The official Python client of Deepgram, sync and async, live and prerecorded, against a real server."""

from __future__ import annotations

import asyncio
import io
import threading
import time
import wave
from typing import TYPE_CHECKING, Any

import pytest

from fastring.recordings import SpokenWord, recording

pytest.importorskip("deepgram")
import httpx
import websockets
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.errors import BadRequestError
from deepgram.listen.v1.types import ListenV1Configure, ListenV1Metadata, ListenV1Results
from deepgram.types import ListenV1Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client imports old names of its libraries

RAW: Any = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000}
CHUNK = 3200


def environment(url: str) -> DeepgramClientEnvironment:
    socket = url.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)


@pytest.fixture
def client(server_url: str, api_key: str) -> Iterator[DeepgramClient]:
    with httpx.Client(timeout=60) as http:
        yield DeepgramClient(api_key=api_key, environment=environment(server_url), httpx_client=http)


@pytest.fixture
async def async_client(server_url: str, api_key: str) -> AsyncIterator[AsyncDeepgramClient]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield AsyncDeepgramClient(api_key=api_key, environment=environment(server_url), httpx_client=http)


def pcm(name: str) -> bytes:
    with wave.open(str(recording(name).path)) as file:
        return file.readframes(file.getnframes())


def chunks(data: bytes, size: int = CHUNK) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def words_of(messages: Sequence[Any]) -> list[Any]:
    """Of all final results, in order."""
    results = [it for it in messages if isinstance(it, ListenV1Results) and it.is_final]
    return [word for result in results for word in result.channel.alternatives[0].words]


def assert_words(said: Sequence[Any], truth: Sequence[SpokenWord]) -> None:
    """The words that were said, where they were said, within 0.2 s."""
    assert [word.word for word in said] == [word.text for word in truth]
    for word, true in zip(said, truth, strict=True):
        assert word.start == pytest.approx(true.start_s, abs=0.2)
        assert word.end == pytest.approx(true.end_s, abs=0.2)


def hear(client: DeepgramClient, audio: bytes, *, pause_s: float = 0.0, **options: Any) -> list[Any]:
    """Send it live, in time or as fast as it goes, and hear everything."""
    messages: list[Any] = []
    with client.listen.v1.connect(**{**RAW, **options}) as socket:
        socket.on(EventType.MESSAGE, messages.append)
        socket.on(EventType.ERROR, messages.append)
        listener = threading.Thread(target=socket.start_listening)
        listener.start()
        for chunk in chunks(audio):
            socket.send_media(chunk)
            time.sleep(pause_s)
        socket.send_close_stream()
        listener.join(30)
    return messages


# --- live -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stream", "seen_8"])
def test_live_words_come_in_order_and_in_time(client: DeepgramClient, name: str) -> None:
    messages = hear(client, pcm(name), punctuate=True)
    truth = recording(name)
    assert_words(words_of(messages), truth.words)
    assert all(word.punctuated_word and 0 < word.confidence <= 1 for word in words_of(messages))
    metadata = messages[-1]
    assert isinstance(metadata, ListenV1Metadata)
    assert metadata.duration == pytest.approx(truth.duration_s, abs=0.01)
    assert metadata.channels == 1
    results = [it for it in messages if isinstance(it, ListenV1Results)]
    assert {it.metadata.request_id for it in results} == {metadata.request_id}
    assert {it.metadata.model_info.name for it in results} == {"digits"}


def test_live_events_in_real_time(client: DeepgramClient) -> None:
    audio = pcm("seen_8") + bytes(2 * 16_000 * 2)
    messages = hear(
        client, audio, pause_s=0.05, interim_results=True, vad_events=True, utterance_end_ms="1000", endpointing=300
    )
    kinds = [it.type for it in messages]
    assert kinds[0] == "SpeechStarted"
    assert messages[0].timestamp == pytest.approx(0.264, abs=0.2)
    interims = [it for it in messages if it.type == "Results" and not it.is_final]
    assert interims
    assert interims[0].channel.alternatives[0].transcript.startswith("two")
    finals = [it for it in messages if it.type == "Results" and it.is_final]
    assert [it for it in finals if it.channel.alternatives[0].words][-1].speech_final
    (end,) = [it for it in messages if it.type == "UtteranceEnd"]
    assert end.last_word_end == pytest.approx(4.771, abs=0.2)
    assert kinds.index("UtteranceEnd") > kinds.index("Results")
    assert kinds[-1] == "Metadata"


def test_finalize_keepalive_and_configure(client: DeepgramClient) -> None:
    with client.listen.v1.connect(**RAW, interim_results=False) as socket:
        socket.send_media(pcm("seen_2")[: 2 * 30_000])
        socket.send_keep_alive()
        socket.send_finalize()
        flushed = socket.recv()
        assert flushed.from_finalize
        assert flushed.is_final
        assert flushed.channel.alternatives[0].transcript.startswith("nine four one")
        socket.send_configure(ListenV1Configure(type="Configure", keyterms=["fastring"]))
        answer = socket.recv()
        assert (answer.type, answer.code) == ("ConfigureFailure", "CONFIGURE_KEYTERMS_NOT_SUPPORTED")
        socket.send_close_stream()
        assert socket.recv().type == "Metadata"
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            socket.recv()


async def test_async_live_several_at_once(async_client: AsyncDeepgramClient) -> None:
    async def converse(name: str) -> list[Any]:
        async with async_client.listen.v1.connect(**RAW) as socket:
            for chunk in chunks(pcm(name)):
                await socket.send_media(chunk)
            await socket.send_close_stream()
            return [message async for message in socket]

    names = ["seen_1", "seen_2", "seen_8", "stream", "unseen_2"]
    for name, messages in zip(names, await asyncio.gather(*map(converse, names)), strict=True):
        assert_words(words_of(messages), recording(name).words)


def encoded(name: str, container: str, codec: str, rate: int) -> bytes:
    """A recording as FFmpeg writes it."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(str(recording(name).path)) as source, av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        for frame in source.decode(audio=0):
            for converted in resampler.resample(frame):
                target.mux(stream.encode(converted))
        target.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("query", "audio"),
    [
        ({"encoding": "mulaw", "sample_rate": 8_000}, ("mulaw", "pcm_mulaw", 8_000)),
        ({"encoding": "alaw", "sample_rate": 8_000}, ("alaw", "pcm_alaw", 8_000)),
        ({"encoding": "linear32", "sample_rate": 16_000}, ("f32le", "pcm_f32le", 16_000)),
        ({"encoding": "linear16", "sample_rate": 48_000}, ("s16le", "pcm_s16le", 48_000)),
        ({"encoding": "ogg-opus", "sample_rate": 48_000}, ("ogg", "libopus", 48_000)),
        ({"encoding": "flac"}, ("flac", "flac", 16_000)),
        ({"encoding": "amr-nb", "sample_rate": 8_000}, ("amr", "libopencore_amrnb", 8_000)),
        ({}, ("webm", "libopus", 48_000)),
        ({}, ("mp3", "libmp3lame", 44_100)),
    ],
    ids=lambda it: it[0] if isinstance(it, tuple) else "",
)
async def test_every_encoding_is_heard(async_client: AsyncDeepgramClient, query: Any, audio: Any) -> None:
    data = encoded("seen_8", *audio)
    async with async_client.listen.v1.connect(model="nova-3", **query) as socket:
        for chunk in chunks(data, 997):  # cuts through samples and packets
            await socket.send_media(chunk)
        await socket.send_close_stream()
        messages = [message async for message in socket]
    assert_words(words_of(messages), recording("seen_8").words)
    assert messages[-1].duration == pytest.approx(recording("seen_8").duration_s, abs=0.15)


async def test_async_silence_has_no_words(async_client: AsyncDeepgramClient) -> None:
    async with async_client.listen.v1.connect(**RAW) as socket:
        await socket.send_media(pcm("silence"))
        await socket.send_close_stream()
        messages = [message async for message in socket]
    assert words_of(messages) == []
    assert messages[-1].duration == 2.0


# --- short-lived keys -----------------------------------------------------------------------------------------------


def test_a_page_with_a_short_lived_key_listens(client: DeepgramClient, server_url: str) -> None:
    token = client.auth.v1.tokens.grant()
    assert token.expires_in == 30
    with httpx.Client(timeout=60) as http:
        page = DeepgramClient(access_token=token.access_token, environment=environment(server_url), httpx_client=http)
        assert_words(words_of(hear(page, pcm("seen_2"))), recording("seen_2").words)
        answer = page.listen.v1.media.transcribe_file(request=recording("seen_8").path.read_bytes(), model="nova-3")
        assert answer.results.channels[0].alternatives[0].transcript == recording("seen_8").text
        with pytest.raises(ApiError) as caught:
            page.auth.v1.tokens.grant()
    assert (caught.value.status_code, caught.value.body["err_code"]) == (403, "INSUFFICIENT_PERMISSIONS")
    with pytest.raises(BadRequestError):
        client.auth.v1.tokens.grant(ttl_seconds=3601)


async def test_a_connection_goes_on_when_its_key_expires(async_client: AsyncDeepgramClient, server_url: str) -> None:
    token = (await async_client.auth.v1.tokens.grant(ttl_seconds=1)).access_token
    async with httpx.AsyncClient() as http:
        page = AsyncDeepgramClient(access_token=token, environment=environment(server_url), httpx_client=http)
        async with page.listen.v1.connect(**RAW) as socket:
            await asyncio.sleep(2.1)  # whole seconds, rounded up
            with pytest.raises(ApiError) as caught:
                async with page.listen.v1.connect(**RAW):
                    pass
            assert caught.value.status_code == 401
            for chunk in chunks(pcm("seen_2")):
                await socket.send_media(chunk)
            await socket.send_close_stream()
            heard = [message async for message in socket]
    assert_words(words_of(heard), recording("seen_2").words)


# --- live errors ----------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_401(server_url: str) -> None:
    stranger = DeepgramClient(api_key="wrong", environment=environment(server_url))
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught, stranger.listen.v1.connect(**RAW):
        pass
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["dg-error"]


async def test_a_wrong_key_is_an_api_error(server_url: str) -> None:
    stranger = AsyncDeepgramClient(access_token="wrong", environment=environment(server_url))
    with pytest.raises(ApiError) as caught:
        async with stranger.listen.v1.connect(**RAW):
            pass
    assert caught.value.status_code == 401


async def test_an_access_token_opens_too(server_url: str, api_key: str) -> None:
    client = AsyncDeepgramClient(access_token=api_key, environment=environment(server_url))
    async with client.listen.v1.connect(**RAW) as socket:
        await socket.send_close_stream()
        assert [message.type async for message in socket] == ["Metadata"]


async def test_an_unknown_model_is_400(async_client: AsyncDeepgramClient) -> None:
    with pytest.raises(ApiError) as caught:
        async with async_client.listen.v1.connect(model="nova-9"):
            pass
    assert caught.value.status_code == 400


def test_what_is_no_audio_closes_1008(client: DeepgramClient) -> None:
    with client.listen.v1.connect(model="nova-3") as socket:
        socket.send_media(b"this is no audio at all " * 2000)
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
            socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008
    assert caught.value.rcvd.reason.startswith("DATA-0000")


# --- prerecorded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stream", "seen_1", "silence"])
def test_a_recording_is_transcribed(client: DeepgramClient, name: str) -> None:
    truth = recording(name)
    answer = client.listen.v1.media.transcribe_file(
        request=truth.path.read_bytes(), model="nova-3", punctuate=True, utterances=True
    )
    assert isinstance(answer, ListenV1Response)
    spoken = answer.results.channels[0].alternatives[0]
    assert spoken.transcript == truth.text
    assert_words(spoken.words, truth.words)
    assert " ".join(it.transcript for it in answer.results.utterances) == truth.text
    assert answer.metadata.duration == pytest.approx(truth.duration_s, abs=0.01)
    assert answer.metadata.channels == 1


async def test_async_recordings_at_once(async_client: AsyncDeepgramClient) -> None:
    names = ["seen_0", "seen_1", "seen_2"]
    answers = await asyncio.gather(
        *(
            async_client.listen.v1.media.transcribe_file(request=recording(name).path.read_bytes(), model="nova-3")
            for name in names
        )
    )
    texts = [answer.results.channels[0].alternatives[0].transcript for answer in answers]
    assert texts == [recording(name).text for name in names]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"request": b"no audio at all" * 100, "model": "nova-3"}, "no audio"),
        ({"request": b"", "model": "nova-9"}, "nova-9"),
    ],
)
def test_a_bad_upload_is_a_bad_request(client: DeepgramClient, options: Any, named: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.listen.v1.media.transcribe_file(**options)
    assert named in caught.value.body["err_msg"]


def test_urls_are_not_fetched(client: DeepgramClient) -> None:
    with pytest.raises(BadRequestError):
        client.listen.v1.media.transcribe_url(url="https://example.org/a.wav", model="nova-3")


def test_an_upload_with_a_wrong_key_is_401(server_url: str) -> None:
    with httpx.Client() as http:
        stranger = DeepgramClient(api_key="wrong", environment=environment(server_url), httpx_client=http)
        with pytest.raises(ApiError) as caught:
            stranger.listen.v1.media.transcribe_file(request=b"x", model="nova-3")
    assert caught.value.status_code == 401
    assert caught.value.body["err_code"] == "INVALID_AUTH"
