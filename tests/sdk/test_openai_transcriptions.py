"""The official openai SDK, unchanged, transcribes recordings: what it gives back is what was said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from digits import DIGITS, DigitsEngine
from serving import serving

from fastring.config import SecuritySettings
from fastring.recordings import recording, recording_path

openai = pytest.importorskip("openai")
pytest.importorskip("faster_whisper")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running

KEY = "sk-test"
LOCKED = SecuritySettings(api_keys=(KEY,))


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with serving(DIGITS, DigitsEngine(), security=LOCKED) as running:
        yield running


@pytest.fixture
async def client(server: Running) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("name", ["seen_8", "unseen_2", "noise"])
async def test_json(client: Any, name: str) -> None:
    heard = await client.audio.transcriptions.create(model="whisper-1", file=recording_path(name))
    assert heard.text == recording(name).text
    assert heard.usage.seconds == pytest.approx(recording(name).duration_s, abs=0.01)
    assert heard._request_id.startswith("req_")


async def test_text_and_subtitles(client: Any) -> None:
    spoken = recording("unseen_2")
    heard = {
        form: await client.audio.transcriptions.create(model="digits", file=spoken.path, response_format=form)
        for form in ("text", "srt", "vtt")
    }
    assert heard["text"] == f"{spoken.text}\n"
    for form in ("srt", "vtt"):
        blocks = [block.split("\n") for block in heard[form].strip().split("\n\n")]
        lines = [block[-1] for block in blocks if " --> " in block[-2 if len(block) > 1 else 0]]
        assert " ".join(lines) == spoken.text


async def test_words_are_where_they_are_said(client: Any) -> None:
    spoken = recording("stream")
    heard = await client.audio.transcriptions.create(
        model="whisper-1",
        file=spoken.path,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (heard.text, heard.language) == (spoken.text, "english")
    assert heard.duration == pytest.approx(22.0, abs=0.01)
    assert [word.word for word in heard.words] == spoken.text.split()
    for word, truth in zip(heard.words, spoken.words, strict=True):
        assert word.start == pytest.approx(truth.start_s, abs=0.35)
        assert word.end == pytest.approx(truth.end_s, abs=0.35)
    assert " ".join(segment.text for segment in heard.segments) == spoken.text
    assert [segment.id for segment in heard.segments] == list(range(len(heard.segments)))
    assert all(segment.start < segment.end and segment.avg_logprob <= 0 for segment in heard.segments)


async def test_a_stream(client: Any) -> None:
    stream = await client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=recording_path("stream"), stream=True, include=["logprobs"]
    )
    *deltas, done = [event async for event in stream]
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert len(deltas) > 3
    assert "".join(event.delta for event in deltas) == done.text == recording("stream").text
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
    assert [item.token for item in done.logprobs] == done.text.split()


async def test_several_at_once(client: Any) -> None:
    names = ["seen_0", "seen_1", "seen_2", "unseen_0", "unseen_2", "seen_8"]
    heard = await asyncio.gather(
        *(client.audio.transcriptions.create(model="whisper-1", file=recording_path(name)) for name in names)
    )
    assert [item.text for item in heard] == [recording(name).text for name in names]


async def test_bytes_without_a_name_and_vad_settings(client: Any) -> None:
    heard = await client.audio.transcriptions.create(
        model="whisper-1",
        file=recording_path("seen_2").read_bytes(),
        language="en",
        prompt="digits",
        temperature=0.2,
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 400, "threshold": 0.6},
    )
    assert heard.text == recording("seen_2").text


async def test_models(client: Any) -> None:
    names = [model.id async for model in client.models.list()]
    assert names[0] == "digits"
    assert {"whisper-1", "gpt-4o-transcribe"} <= set(names)
    assert (await client.models.retrieve("whisper-1")).owned_by == "fastring"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("openai/whisper-large")
    assert caught.value.code == "model_not_found"


async def test_errors_are_of_the_sdks_own_kinds(server: Running, client: Any) -> None:
    create, speech = client.audio.transcriptions.create, recording_path("seen_0")

    async def error_of(kind: type[Exception], call: Any) -> Any:
        with pytest.raises(kind) as caught:
            await call
        assert caught.value.request_id.startswith("req_")  # type: ignore[attr-defined]
        return caught.value

    assert (await error_of(openai.NotFoundError, create(model="none", file=speech))).code == "model_not_found"
    bad = await error_of(openai.BadRequestError, create(model="whisper-1", file=b"no audio"))
    assert (bad.code, bad.param, bad.type) == ("invalid_audio", "file", "invalid_request_error")
    bad = await error_of(openai.BadRequestError, create(model="whisper-1", file=speech, response_format="xml"))
    assert bad.param == "response_format"
    stranger = client.with_options(api_key="wrong")
    denied = await error_of(
        openai.AuthenticationError, stranger.audio.transcriptions.create(model="whisper-1", file=speech)
    )
    assert denied.code == "invalid_api_key"


async def test_a_full_server_is_a_rate_limit_that_the_sdk_waits_for() -> None:
    async with serving(DIGITS, DigitsEngine(), security=LOCKED) as server:
        uploads = server.services.uploads
        uploads._taken = server.services.settings.server.max_uploads
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
            create, speech = client.audio.transcriptions.create, recording_path("seen_0")
            with pytest.raises(openai.RateLimitError) as caught:
                await create(model="whisper-1", file=speech)
            assert caught.value.code == "rate_limit_exceeded"
            waiting = asyncio.create_task(
                client.with_options(max_retries=2).audio.transcriptions.create(model="whisper-1", file=speech)
            )
            await asyncio.sleep(0.2)
            uploads._taken = 0
            assert (await waiting).text == recording("seen_0").text


async def test_the_synchronous_client(server: Running) -> None:
    def use() -> tuple[str, str, list[str]]:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
            with recording_path("seen_8").open("rb") as file:
                whole = client.audio.transcriptions.create(model="whisper-1", file=file)
            stream = client.audio.transcriptions.create(model="whisper-1", file=recording_path("seen_8"), stream=True)
            streamed = "".join(event.delta for event in stream if event.type == "transcript.text.delta")
            with pytest.raises(openai.AuthenticationError):
                client.with_options(api_key="wrong").models.list()
            return whole.text, streamed, [model.id for model in client.models.list()]

    whole, streamed, models = await asyncio.to_thread(use)
    assert whole == streamed == recording("seen_8").text
    assert "whisper-1" in models
