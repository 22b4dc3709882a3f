"""The official openai SDK, unchanged, transcribes live speech."""

from __future__ import annotations

import asyncio
import base64
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from digits import DIGITS, DigitsEngine
from serving import chunks, serving, silence, speech

from fastring.audio.pcm import float32_to_pcm16, pcm16_to_float32
from fastring.audio.resample import Resampler
from fastring.config import SecuritySettings
from fastring.recordings import recording

openai = pytest.importorskip("openai")
websockets = pytest.importorskip("websockets")
pytest.importorskip("faster_whisper")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running

KEY = "sk-test"
INTENT = {"intent": "transcription"}
ITEM = "conversation.item.input_audio_transcription"


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving(DIGITS, DigitsEngine(), security=SecuritySettings(api_keys=(KEY,))) as running:
        yield running


@pytest.fixture
async def client(server: Running) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(
        base_url=f"{server.url}/v1", websocket_base_url=f"ws://{server.netloc}/v1", api_key=KEY, max_retries=0
    ) as client:
        yield client


@cache
def at_24_khz(name: str) -> bytes:
    """A recording between silences, as their clients send it."""
    pcm = np.frombuffer(silence(0.3) + speech(name) + silence(1.0), "<i2")
    resampler = Resampler(16_000, 24_000)
    samples = np.concatenate([resampler.push(pcm16_to_float32(pcm)), resampler.flush()])
    return float32_to_pcm16(samples).tobytes()


async def append(connection: Any, audio: bytes) -> None:
    for chunk in chunks(audio, 9_600):
        await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())


async def hear(connection: Any, turns: int) -> list[Any]:
    """Events up to the end of so many turns."""
    events: list[Any] = []
    while turns:
        events.append(await asyncio.wait_for(connection.recv(), 30))
        turns -= events[-1].type == f"{ITEM}.completed"
    return events


def transcripts(events: list[Any]) -> list[str]:
    """Of each item, which must be what its deltas say."""
    deltas: dict[str, str] = {}
    found = []
    for event in events:
        if event.type == f"{ITEM}.delta":
            deltas[event.item_id] = deltas.get(event.item_id, "") + event.delta
        elif event.type == f"{ITEM}.completed":
            assert deltas.get(event.item_id, "") == event.transcript
            assert event.usage.type == "duration"
            found.append(event.transcript)
    return found


async def test_server_vad(client: Any) -> None:
    async with client.realtime.connect(extra_query=INTENT) as connection:
        created = await connection.recv()
        assert (created.type, created.session.type) == ("session.created", "transcription")
        await append(connection, at_24_khz("seen_2"))
        events = await hear(connection, 1)
    assert transcripts(events) == [recording("seen_2").text]
    kinds = [event.type for event in events if event.type != f"{ITEM}.delta"]
    assert kinds == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{ITEM}.completed",
    ]
    started, stopped = events[0], next(event for event in events if event.type.endswith("stopped"))
    first, last = recording("seen_2").words[0], recording("seen_2").words[-1]
    assert started.audio_start_ms == pytest.approx(300 + 1000 * first.start_s - 300, abs=150)
    assert stopped.audio_end_ms == pytest.approx(300 + 1000 * last.end_s + 500, abs=300)


async def test_text_comes_while_the_speaker_still_speaks(client: Any) -> None:
    async with client.realtime.connect(extra_query=INTENT) as connection:

        async def speak() -> None:
            for chunk in chunks(at_24_khz("seen_8"), 4_800):
                await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
                await asyncio.sleep(0.1)

        speaking = asyncio.create_task(speak())
        events = await hear(connection, 1)
        await speaking
    assert transcripts(events) == [recording("seen_8").text]
    kinds = [event.type for event in events]
    assert kinds.index(f"{ITEM}.delta") < kinds.index("input_audio_buffer.speech_stopped")


async def test_manual_turns(client: Any) -> None:
    async with client.realtime.connect(extra_query=INTENT) as connection:
        transcription = {"model": "gpt-4o-transcribe", "language": "en"}
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"turn_detection": None, "transcription": transcription}},
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        assert (await connection.recv()).type == "session.created"
        updated = await connection.recv()
        assert updated.type == "session.updated"
        assert updated.session.audio.input.transcription.language == "en"
        names = ["unseen_2", "seen_2"]
        for name in names:
            await append(connection, at_24_khz(name))
            await connection.input_audio_buffer.commit()
        events = await hear(connection, 2)
        await append(connection, at_24_khz("seen_0"))
        await connection.input_audio_buffer.clear()
        assert (await connection.recv()).type.endswith(("cleared", "delta"))
    assert sorted(transcripts(events)) == sorted(recording(name).text for name in names)
    for event in events:
        if event.type == f"{ITEM}.completed":
            assert [item.token for item in event.logprobs] == event.transcript.split()


async def test_errors_are_events_and_the_session_goes_on(client: Any) -> None:
    async with client.realtime.connect(model="gpt-realtime") as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.input_audio_buffer.commit(event_id="mine")
        error = (await connection.recv()).error
        assert (error.code, error.event_id) == ("input_audio_buffer_commit_empty", "mine")
        await connection.response.create()
        assert (await connection.recv()).error.type == "invalid_request_error"
        await connection.session.update(session={"type": "realtime"})
        assert (await connection.recv()).error.param == "session.type"
        await append(connection, at_24_khz("seen_0"))
        assert transcripts(await hear(connection, 1)) == ["six"]


async def test_several_at_once(client: Any) -> None:
    async def one(name: str) -> str:
        async with client.realtime.connect(extra_query=INTENT) as connection:
            await append(connection, at_24_khz(name))
            return transcripts(await hear(connection, 1))[0]

    names = ["seen_0", "seen_2", "seen_8", "seen_2"]
    assert await asyncio.gather(*(one(name) for name in names)) == [recording(name).text for name in names]


async def test_who_may_not_come_in_is_told_at_the_door(client: Any) -> None:
    async def refused(status: int, connecting: Any) -> dict[str, Any]:
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            async with connecting:
                pass
        assert caught.value.response.status_code == status
        return caught.value.response.body  # type: ignore[no-any-return]

    stranger = client.with_options(api_key="wrong")
    assert b"invalid_api_key" in await refused(401, stranger.realtime.connect(extra_query=INTENT))
    assert b"model_not_found" in await refused(404, client.realtime.connect(model="no-such"))


async def test_the_older_shape(client: Any) -> None:
    async with client.beta.realtime.connect(model="gpt-realtime", extra_query=INTENT) as connection:
        created = await connection.recv()
        assert created.type == "transcription_session.created"
        await connection.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
            }
        )
        updated = await connection.recv()
        assert updated.type == "transcription_session.updated"
        assert updated.session.turn_detection.silence_duration_ms == 400
        await append(connection, at_24_khz("seen_2"))
        events = await hear(connection, 1)
    assert transcripts(events) == [recording("seen_2").text]
    assert "conversation.item.created" in [event.type for event in events]


AGREED = {
    "type": "transcription",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
        }
    },
}


async def test_a_page_with_a_short_lived_key(client: Any) -> None:
    expires_after: Any = {"anchor": "created_at", "seconds": 60}
    secret = await client.realtime.client_secrets.create(expires_after=expires_after, session=AGREED)
    assert secret.session.type == "transcription"
    assert secret.expires_at == pytest.approx(time.time() + 60, abs=3)
    page = client.with_options(api_key=secret.value)
    async with page.realtime.connect(model="gpt-realtime") as connection:
        started = (await connection.recv()).session.audio.input
        assert started.to_dict() == secret.session.audio.input.to_dict()
        assert (started.transcription.language, started.turn_detection.silence_duration_ms) == ("en", 400)
        await append(connection, at_24_khz("seen_2"))
        assert transcripts(await hear(connection, 1)) == [recording("seen_2").text]
    for refused in (page.models.list(), page.realtime.client_secrets.create(session=AGREED)):
        with pytest.raises(openai.PermissionDeniedError, match="short-lived"):
            await refused
    for wrong in ({"expires_after": {"seconds": 9}}, {"session": {"type": "realtime"}}):
        with pytest.raises(openai.BadRequestError):
            await client.realtime.client_secrets.create(**wrong)


async def test_a_page_with_one_of_the_older_shape(client: Any) -> None:
    session = await client.beta.realtime.transcription_sessions.create(
        input_audio_format="pcm16",
        input_audio_transcription={"model": "gpt-4o-transcribe", "language": "en"},
        turn_detection={"type": "server_vad", "silence_duration_ms": 400},
    )
    assert session.input_audio_transcription.language == "en"
    assert session.client_secret.expires_at == pytest.approx(time.time() + 60, abs=3)
    page = client.with_options(api_key=session.client_secret.value)
    async with page.beta.realtime.connect(model="gpt-realtime") as connection:
        created = await connection.recv()
        assert created.type == "transcription_session.created"
        assert created.session["turn_detection"]["silence_duration_ms"] == 400
        await append(connection, at_24_khz("seen_0"))
        assert transcripts(await hear(connection, 1)) == ["six"]


async def test_the_synchronous_client(server: Running) -> None:
    def use() -> list[str]:
        events: list[Any] = []
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client,
            client.realtime.connect(extra_query=INTENT) as connection,
        ):
            for chunk in chunks(at_24_khz("unseen_2"), 9_600):
                connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
            for event in connection:
                events.append(event)
                heard = " ".join(transcripts(events)).split()
                if len(heard) >= len(recording("unseen_2").text.split()):
                    break
        return transcripts(events)

    assert " ".join(await asyncio.to_thread(use)) == recording("unseen_2").text
