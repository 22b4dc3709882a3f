from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from serving import TWO_UTTERANCES, settings_for_tests

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import VoiceSettings
from fastring.recordings import recording_path

if TYPE_CHECKING:
    from serving import Running, Serve

PATH = "/v1/audio/transcriptions"
TEXT = "zero one two three four five six"


def wav(samples: bytes = TWO_UTTERANCES) -> bytes:
    size = len(samples).to_bytes(4, "little")
    head = recording_path("seen_0").read_bytes()[:40]
    return head[:4] + (len(samples) + 36).to_bytes(4, "little") + head[8:40] + size + samples


def form(**fields: Any) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, value in ({"model": "whisper-1"} | fields).items():
        for item in value if isinstance(value, list) else [value]:
            data.add_field(name.replace("__", "[]"), item)
    data.add_field("file", wav(), filename="speech", content_type="application/octet-stream")
    return data


async def ask(server: Running, **fields: Any) -> tuple[int, Any]:
    return await server.post(PATH, data=form(**fields))


async def events(server: Running, **fields: Any) -> list[dict[str, Any]]:
    async with server.client.post(server.url + PATH, data=form(stream="true", **fields)) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        text = await response.text()
    assert text.endswith("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]


async def test_json_is_the_default(server: Running) -> None:
    status, body = await ask(server)
    seconds = round(len(TWO_UTTERANCES) / 32_000, 3)
    assert (status, body) == (200, {"text": TEXT, "usage": {"type": "duration", "seconds": seconds}})


async def test_every_format(server: Running) -> None:
    assert (await ask(server, response_format="text")) == (200, TEXT + "\n")
    status, srt = await ask(server, response_format="srt")
    assert srt.startswith("1\n00:00:0")
    assert srt.count(" --> ") == 2
    status, vtt = await ask(server, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:0")
    status, verbose = await ask(server, response_format="verbose_json")
    assert status == 200
    assert [segment["text"] for segment in verbose["segments"]] == ["zero one two three", "four five six"]
    assert "words" not in verbose
    status, verbose = await ask(server, response_format="verbose_json", timestamp_granularities__=["word"])
    assert [word["word"] for word in verbose["words"]] == TEXT.split()
    assert "segments" not in verbose
    status, both = await ask(server, response_format="verbose_json", timestamp_granularities__=["word", "segment"])
    assert both["words"] == verbose["words"]
    assert len(both["segments"]) == 2


async def test_a_stream_of_events(server: Running) -> None:
    *deltas, done = await events(server, include__="logprobs")
    assert [event["delta"] for event in deltas] == ["zero one two three", " four five six"]
    assert [event["type"] for event in (*deltas, done)] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert done["text"] == "".join(event["delta"] for event in deltas) == TEXT
    assert [item["token"] for item in done["logprobs"]] == TEXT.split()
    assert done["usage"]["output_tokens"] == 7


async def test_deltas_come_while_the_rest_is_still_heard(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one"], delay_s=0.3, concurrency=1)
    async with serve(transcriber=engine) as server:
        started = time.monotonic()
        async with server.client.post(server.url + PATH, data=form(stream="true")) as response:
            await response.content.readuntil(b"\n\n")
            first_s = time.monotonic() - started
            await response.read()
            assert time.monotonic() - started > first_s + 0.2


async def test_an_engine_that_fails_midway_is_an_event(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one two"], fails=lambda job: job.utterance == 1)
    async with serve(transcriber=engine) as server:
        delta, error = await events(server)
    assert delta["delta"] == "one two"
    assert error["error"]["type"] == "server_error"


async def test_an_engine_that_fails_at_once_is_a_status(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one two"], fails=lambda job: True)
    async with serve(transcriber=engine) as server:
        for fields in ({}, {"stream": "true"}):
            status, body = await ask(server, **fields)
            assert (status, body["error"]["code"]) == (500, "engine_failed")


async def test_a_client_that_leaves_is_noticed(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one"], delay_s=1.0, concurrency=1)
    async with serve(transcriber=engine) as server:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(server), 0.3)
        deadline = time.monotonic() + 5
        while server.services.uploads.running and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert server.services.uploads.running == 0


async def test_voice_detection_can_be_told(serve: Serve) -> None:
    # The scripted engine has a line for an utterance, not for each of its segments.
    whole = replace(settings_for_tests(), voice=VoiceSettings(early_triggers=False, segment_pause_ms=0))
    async with serve(whole) as server:
        wide = {"chunking_strategy": json.dumps({"type": "server_vad", "silence_duration_ms": 3000})}
        assert (await ask(server, **wide))[1]["text"] == "zero one two three"  # one utterance
        parts = {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "3000"}
        assert (await ask(server, **parts))[1]["text"] == "zero one two three"
        assert (await ask(server, chunking_strategy="auto"))[1]["text"] == TEXT
        status, body = await ask(server, chunking_strategy=json.dumps({"threshold": 7}))
        assert (status, body["error"]["param"]) == (400, "chunking_strategy")


async def test_models(server: Running) -> None:
    status, body = await server.get("/v1/models")
    names = [item["id"] for item in body["data"]]
    assert (status, body["object"]) == (200, "list")
    assert names[0] == "script"
    assert {"whisper-1", "gpt-4o-transcribe", "gpt-realtime"} <= set(names)
    for name in names:
        status, item = await server.get(f"/v1/models/{name}")
        assert (status, item["id"], item["object"]) == (200, name, "model")
    status, body = await server.get("/v1/models/openai%2Fno-such")
    assert (status, body["error"]["code"], body["error"]["param"]) == (404, "model_not_found", "model")


async def test_every_answer_has_a_request_id(server: Running) -> None:
    seen = set()
    for data in (form(), form(stream="true"), form(response_format="vtt"), form(model="no")):
        async with server.client.post(server.url + PATH, data=data) as response:
            seen.add(response.headers["x-request-id"])
    assert len(seen) == 4
