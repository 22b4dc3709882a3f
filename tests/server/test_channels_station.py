"""Channels heard apart or as one, on a real server with a scripted engine, through Deepgram's protocol."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from deepgram_wire import RAW, converse, finals, hear, kinds, listen_path, transcript
from serving import SCRIPT, TWO_UTTERANCES, chunks, silence, speech

if TYPE_CHECKING:
    from serving import Running

ONE = silence(0.5) + speech("seen_0") + silence(1.0)


def stereo(left: bytes, right: bytes) -> bytes:
    """Two mono PCM16 as one of two channels; the shorter is filled up with silence."""
    samples = [np.frombuffer(side, "<i2") for side in (left, right)]
    both = np.zeros((max(map(len, samples)), 2), "<i2")
    for channel, mine in enumerate(samples):
        both[: len(mine), channel] = mine
    return both.tobytes()


def wav(pcm: bytes, channels: int = 1) -> bytes:
    """A WAV file of it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(pcm)
    return file.getvalue()


def of_channel(messages: list[Any], channel: int) -> list[Any]:
    return [m for m in messages if m.get("channel_index", m.get("channel", [-1]))[0] == channel]


@pytest.mark.parametrize("container", [False, True], ids=["raw", "wav"])
async def test_channels_are_heard_apart(server: Running, container: bool) -> None:
    audio = stereo(TWO_UTTERANCES, silence(1.5) + ONE)
    raw = {"encoding": "linear16", "sample_rate": 16_000, "channels": 2}
    async with server.connect(listen_path(multichannel=True, vad_events=True, **({} if container else raw))) as ws:
        for chunk in chunks(wav(audio, 2) if container else audio, 5000):
            await ws.send_bytes(chunk)
        await ws.send_json({"type": "CloseStream"})
        messages = await hear(ws)
    for channel, count in ((0, 2), (1, 1)):
        mine = of_channel(messages, channel)
        assert len(finals(mine)) == count
        assert {tuple(m.get("channel_index", m.get("channel"))) for m in mine} == {(channel, 2)}
        assert kinds(mine)[0] == "SpeechStarted"
    starts = [m["timestamp"] for m in messages if m["type"] == "SpeechStarted"]
    assert sorted(starts) == pytest.approx([0.5, 2.0, 2.95], abs=0.6)
    assert (messages[-1]["type"], messages[-1]["channels"]) == ("Metadata", 2)
    assert messages[-1]["duration"] == pytest.approx(len(audio) / 64_000, abs=0.001)


async def test_without_multichannel_the_mean_is_heard(server: Running) -> None:
    messages = await converse(server, stereo(ONE, ONE), channels=2)
    assert [transcript(it) for it in finals(messages)] == [SCRIPT[0]]
    assert finals(messages)[0]["channel_index"] == [0, 1]
    assert messages[-1]["channels"] == 2


@pytest.mark.parametrize("size", [1, 7, 3201, 1 << 19], ids=lambda size: f"{size} bytes")
async def test_samples_may_be_cut_anywhere(server: Running, size: int) -> None:
    audio = ONE[: len(ONE) // 2] if size == 1 else ONE  # a message a byte takes its time
    whole = finals(await converse(server, audio))
    cut = finals(await converse(server, audio, size=size))
    assert whole
    for first, second in zip(whole, cut, strict=True):
        assert {**first, "metadata": 0} == {**second, "metadata": 0}


async def test_finalize_is_answered_by_each_channel_or_the_one_that_is_meant(server: Running) -> None:
    async with server.connect(listen_path(**RAW, channels=2, multichannel=True)) as ws:
        await ws.send_bytes(stereo(silence(0.3), silence(0.3)))
        await ws.send_json({"type": "Finalize", "channel": 1})
        answer = await ws.receive_json(timeout=5)
        assert (answer["channel_index"], answer["from_finalize"], answer["is_final"]) == ([1, 2], True, True)
        await ws.send_json({"type": "Finalize"})
        answers = [await ws.receive_json(timeout=5) for _ in range(2)]
        assert [it["channel_index"] for it in answers] == [[0, 2], [1, 2]]
        await ws.send_json({"type": "Finalize", "channel": 2})
        error = await ws.receive_json(timeout=5)
        assert error["type"] == "Error"
        assert "0..1" in error["description"]
        await ws.send_json({"type": "CloseStream"})
        assert [m["type"] for m in await hear(ws)] == ["Metadata"]


@pytest.mark.parametrize("moment", ["at once", "at the end"])
async def test_bytes_that_are_no_audio_end_the_stream(server: Running, moment: str) -> None:
    noise = np.random.default_rng(7).bytes(200_000 if moment == "at once" else 300)
    async with server.connect("/v1/listen") as ws:
        for chunk in chunks(b"no audio at all, but text." + noise, 4096):
            await ws.send_bytes(chunk)
        await ws.send_json({"type": "CloseStream"})
        assert await hear(ws) == []
        assert ws.close_code == 1008
    await server.empty()


async def test_what_was_heard_before_a_broken_end_is_told(server: Running) -> None:
    async with server.connect("/v1/listen") as ws:
        await ws.send_bytes(wav(ONE)[:-9001])
        await ws.send_json({"type": "CloseStream"})
        messages = await hear(ws)
    assert [transcript(it) for it in finals(messages)] == [SCRIPT[0]]
    assert messages[-1]["type"] == "Metadata"


async def test_a_stream_without_audio_has_no_length(server: Running) -> None:
    for orders in ([], [{"type": "KeepAlive"}]):
        (metadata,) = await converse(server, b"", *orders)
        assert (metadata["duration"], metadata["channels"]) == (0.0, 0)


async def test_an_empty_message_ends_the_stream(server: Running) -> None:
    async with server.connect(listen_path(**RAW)) as ws:
        await ws.send_bytes(ONE)
        await ws.send_bytes(b"")
        await ws.send_bytes(ONE)  # too late
        messages = await hear(ws)
        assert ws.close_code == 1000
    assert len(finals(messages)) == 1
    assert messages[-1]["duration"] == pytest.approx(len(ONE) / 32_000, abs=0.001)


async def test_too_many_channels_of_a_container_are_refused(server: Running) -> None:
    async with server.connect(listen_path(multichannel=True)) as ws:
        await ws.send_bytes(wav(silence(2), 20))
        assert await hear(ws) == []
        assert ws.close_code == 1008


async def test_the_stream_is_listed_can_be_stopped_and_leaves_nothing(server: Running) -> None:
    async with server.connect(listen_path(**RAW, channels=2, multichannel=True)) as ws:
        request_id = ws._response.headers["dg-request-id"]
        await ws.send_bytes(stereo(ONE, ONE))
        await asyncio.sleep(0.1)
        _, body = await server.get("/api/v1/stream/list")
        assert [(it["stream_id"], it["kind"], it["channels"]) for it in body["streams"]] == [(request_id, "voice", 2)]
        assert (await server.get(f"/api/v1/stream/stats/{request_id}"))[1]["bytes"] == 2 * len(ONE)
        status, _ = await server.post(f"/api/v1/stream/stop/{request_id}")
        assert status == 200
        messages = await hear(ws)
        assert messages[-1]["type"] == "Metadata"
        assert len(finals(messages)) == 2
    await server.empty()


async def test_a_client_that_vanishes_leaves_nothing(server: Running) -> None:
    ws = await server.connect(listen_path(**RAW, channels=2, multichannel=True))
    await ws.send_bytes(stereo(ONE, ONE))
    assert server.held == (1, 1)
    ws._response.close()
    await server.empty()
    assert server.held == (0, 0)
