"""The client against a real server, through a proxy that fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
import wave
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import web
from hurried import FAST, UNPACED, behind_proxy, hear, numbered, of, texts, unlimited
from serving import RATE, SCRIPT, TWO_UTTERANCES, chunks, serving, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.client import (
    AudioLost,
    Closed,
    Final,
    Limits,
    Partial,
    Ready,
    Reconnecting,
    Restarted,
    Resumed,
    SpeechEnded,
    SpeechStarted,
    VoiceStream,
    transcribe,
)
from fastring.config import SecuritySettings, Settings
from fastring.errors import AudioFormatError, ConfigError, FastringError, ProtocolError
from fastring.server.app import drain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running


async def test_a_conversation_in_typed_events(server: Running) -> None:
    async with VoiceStream(server.url, "mic", limits=UNPACED) as stream:
        for chunk in chunks(TWO_UTTERANCES):
            await stream.send(chunk)
        await stream.close()
        events = await hear(stream)
    assert isinstance(events[0], Ready)
    assert events[0].engine == "scripted"
    assert isinstance(events[-1], Closed)
    assert events[-1].reason == "requested"
    assert texts(events) == list(SCRIPT)
    first = of(events, Final)[0]
    assert first.words[0].text == "zero"
    assert 0.3 < first.start < first.end < 2.5
    assert first.words[0].start < first.words[-1].end < 2.5
    assert {event.utterance for event in of(events, Partial)} <= {0, 1}
    assert of(events, Reconnecting) == []


@pytest.mark.parametrize("kind", ["int16", "float32", "iterator", "async iterator", "path", "bytearray", "memoryview"])
async def test_any_source(server: Running, kind: str, tmp_path: Any) -> None:
    pcm = np.frombuffer(TWO_UTTERANCES, "<i2")
    pieces = [pcm[start : start + 1600] for start in range(0, len(pcm), 1600)]

    async def later() -> AsyncIterator[np.ndarray]:
        for piece in pieces:
            yield piece

    source: Any = {
        "int16": pcm,
        "bytearray": bytearray(TWO_UTTERANCES),
        "memoryview": memoryview(TWO_UTTERANCES),
        "float32": (pcm / 32768).astype(np.float32),
        "iterator": iter(pieces),
        "async iterator": later(),
        "path": tmp_path / "two.wav",
    }[kind]
    if kind == "path":
        with wave.open(str(source), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(TWO_UTTERANCES)
    events = [event async for event in transcribe(server.url, source)]
    assert texts(events) == list(SCRIPT)


@pytest.mark.parametrize("bytes_at_a_time", [1, 1601])
async def test_a_source_may_cut_its_bytes_anywhere(server: Running, bytes_at_a_time: int) -> None:
    """As a pipe does."""
    head, tail = TWO_UTTERANCES[:999], TWO_UTTERANCES[999:]
    pieces = [head[start : start + bytes_at_a_time] for start in range(0, len(head), bytes_at_a_time)]
    pieces += [tail[start : start + 1601] for start in range(0, len(tail), 1601)]
    assert texts([event async for event in transcribe(server.url, pieces)]) == list(SCRIPT)


async def test_a_source_that_ends_within_a_sample_says_so(server: Running) -> None:
    with pytest.raises(AudioFormatError, match="audio of 1 bytes"):
        async for _ in transcribe(server.url, [b"abc", b"de"]):
            pass


async def test_what_cannot_be_sent_says_so(server: Running) -> None:
    with pytest.raises(ConfigError, match="encoding"):
        VoiceStream(server.url, encoding="mp3")  # type: ignore[arg-type]
    async with VoiceStream(server.url) as stream:
        with pytest.raises(AudioFormatError, match="float64"):
            await stream.send(np.zeros(3))  # type: ignore[arg-type]
        with pytest.raises(AudioFormatError, match="3 bytes"):
            await stream.send(b"abc")
    with pytest.raises(FastringError, match="no-such-file"):
        async for _ in transcribe(server.url, "no-such-file.wav"):
            pass


async def test_who_is_not_let_in_hears_why() -> None:
    async with serving(security=SecuritySettings(api_keys=("right",))) as server:
        with pytest.raises(ProtocolError, match="401"):
            async with VoiceStream(server.url, api_key="wrong"):
                pass
        async with VoiceStream(server.url, api_key="right"):
            pass
    with pytest.raises(FastringError, match="no server"):
        async with VoiceStream(server.url):
            pass


async def uncut(settings: Settings | None = None) -> list[Any]:
    async with serving(settings or unlimited()) as server:
        return numbered([event async for event in transcribe(server.url, TWO_UTTERANCES)])


async def fed(stream: VoiceStream, audio: bytes, pause_s: float = 0.002) -> None:
    for chunk in chunks(audio):
        await stream.send(chunk)
        await asyncio.sleep(pause_s)
    await stream.close()


@pytest.mark.parametrize("seed", range(20))
async def test_a_fault_anywhere_changes_nothing(seed: int) -> None:
    """Cuts, resets and stalls at random bytes; `test_five_hundred_faults` has many more of them."""
    draw = random.Random(seed)
    expected = await uncut()
    async with behind_proxy() as (_, proxy):
        proxy.cut_after(draw.randrange(len(TWO_UTTERANCES)), "up")
        if draw.random() < 0.5:
            proxy.cut_after(draw.randrange(3000), "down")
        async with VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream:
            feeder = asyncio.ensure_future(fed(stream, TWO_UTTERANCES))
            await asyncio.sleep(draw.uniform(0, 0.15))
            {0: proxy.cut, 1: proxy.reset, 2: lambda: proxy.stall(0.7)}[seed % 3]()
            events = await asyncio.wait_for(hear(stream), 30)
            await feeder
    assert numbered(events) == expected
    assert of(events, Restarted) == of(events, AudioLost) == []
    assert len(of(events, Resumed)) >= 1


async def test_a_dead_line_is_noticed_and_the_session_had_back_from_it() -> None:
    expected = await uncut()
    async with (
        behind_proxy() as (_, proxy),
        VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream,
    ):
        for chunk in chunks(TWO_UTTERANCES[: RATE * 3]):
            await stream.send(chunk)
        await asyncio.sleep(0.1)
        proxy.stall(0.8)  # the server cannot know; the old connection is still there when the client comes back
        for chunk in chunks(TWO_UTTERANCES[RATE * 3 :]):
            await stream.send(chunk)
        await stream.close()
        events = await asyncio.wait_for(hear(stream), 30)
    assert numbered(events) == expected
    assert "no answer" in of(events, Reconnecting)[0].reason


async def test_a_finalize_is_obeyed_once() -> None:
    async def run(cut: bool) -> list[Any]:
        async with (
            behind_proxy() as (_, proxy),
            VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream,
        ):
            speech_bytes = silence(0.5) + speech("seen_8")[: RATE * 2]
            for chunk in chunks(speech_bytes):
                await stream.send(chunk)
            await asyncio.sleep(0.1)
            if cut:
                proxy.reset()
            await stream.finalize()
            await asyncio.sleep(0.1)
            if cut:
                proxy.reset()
            for chunk in chunks(silence(1.0)):
                await stream.send(chunk)
            await stream.finalize()
            await stream.close()
            return numbered(await asyncio.wait_for(hear(stream), 30))

    assert await run(cut=True) == await run(cut=False)


class Restartable:
    """A server that goes and comes back on the same port."""

    def __init__(self) -> None:
        self.port = 0

    @contextlib.asynccontextmanager
    async def up(self, engine: ScriptedTranscriber) -> AsyncIterator[web.AppRunner]:
        from fastring.server.app import build_app

        runner = web.AppRunner(build_app(unlimited(), engine), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        try:
            yield runner
        finally:
            await runner.cleanup()


class ByAudio(ScriptedTranscriber):
    """Says how loud a final's audio is: the same audio gives the same text, whichever session hears it."""

    def _answer(self, job: Any) -> Any:
        from fastring.asr.transcriber import Hypothesis
        from fastring.events import Word

        loud = int(np.abs(job.samples).sum())
        return Hypothesis((Word(f"loud{loud}", job.start, job.start + len(job.samples), 0.9),), job.language)


@pytest.mark.parametrize("gracefully", [True, False], ids=["1012", "killed"])
@pytest.mark.parametrize("at_s", [0.2, 1.3, 2.4, 3.3])
async def test_a_restart_loses_no_word(gracefully: bool, at_s: float) -> None:
    async with serving(unlimited(), ByAudio(["x"])) as server:
        expected = of([event async for event in transcribe(server.url, TWO_UTTERANCES)], Final)
    where = Restartable()
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        runner = await first.enter_async_context(where.up(ByAudio(["x"])))
        url = f"http://127.0.0.1:{where.port}"
        stream = await stack.enter_async_context(VoiceStream(url, "mic", patience=FAST, limits=UNPACED))
        cut = int(at_s * RATE) * 2
        for chunk in chunks(TWO_UTTERANCES[:cut]):
            await stream.send(chunk)
        await asyncio.sleep(0.1)
        if gracefully:
            await drain(runner.app)
        else:
            for connection in list(runner.server.connections if runner.server else []):
                if connection.transport is not None:
                    connection.transport.abort()
        await first.aclose()
        for chunk in chunks(TWO_UTTERANCES[cut : cut + RATE]):
            await stream.send(chunk)
        await stack.enter_async_context(where.up(ByAudio(["x"])))
        for chunk in chunks(TWO_UTTERANCES[cut + RATE :]):
            await stream.send(chunk)
        await stream.close()
        events = await asyncio.wait_for(hear(stream), 30)
    assert [r.reason for r in of(events, Restarted)] == ["unknown"]
    assert of(events, AudioLost) == []
    finals = of(events, Final)
    assert [f.text for f in finals] == [f.text for f in expected]
    for got, wanted in zip(finals, expected, strict=True):
        assert got.start == pytest.approx(wanted.start, abs=0.04)
        assert got.end == pytest.approx(wanted.end, abs=0.04)
    told = [event.seq for event in events if isinstance(event, SpeechStarted | Final | SpeechEnded)]
    assert told == list(range(len(told)))
    assert [f.utterance for f in finals] == [0, 1]


async def test_audio_that_was_given_up_is_told() -> None:
    async with (
        behind_proxy() as (_, proxy),
        VoiceStream(proxy.url, "mic", patience=FAST, limits=Limits(buffer_s=1.0, catch_up_rate=0, drop=True)) as stream,
    ):
        for chunk in chunks(TWO_UTTERANCES[: int(RATE * 2.2) * 2]):
            await stream.send(chunk)
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)
        proxy.refuse()
        proxy.reset()
        for chunk in chunks(TWO_UTTERANCES[int(RATE * 2.2) * 2 :]):
            await stream.send(chunk)
        proxy.heal()
        await stream.close()
        events = await asyncio.wait_for(hear(stream), 30)
    lost = of(events, AudioLost)
    assert len(lost) == 1
    seconds = len(TWO_UTTERANCES) / 2 / RATE
    assert lost[0].end == pytest.approx(seconds - 1.0, abs=0.05)
    assert lost[0].start < lost[0].end
    assert [event.reason for event in of(events, Restarted)] == ["gap"]
    assert of(events, Restarted)[0].start == lost[0].end


async def test_a_sender_waits_for_room() -> None:
    async with (
        behind_proxy() as (_, proxy),
        VoiceStream(proxy.url, "mic", patience=FAST, limits=Limits(buffer_s=1.0, catch_up_rate=0)) as stream,
    ):
        proxy.refuse()
        proxy.reset()
        feeder = asyncio.ensure_future(fed(stream, TWO_UTTERANCES, 0))
        await asyncio.sleep(0.2)
        assert not feeder.done()
        proxy.heal()
        events = await asyncio.wait_for(hear(stream), 30)
        await feeder
    assert texts(events) == list(SCRIPT)
    assert of(events, AudioLost) == []


async def test_nobody_for_too_long_is_a_failure() -> None:
    patience = replace(FAST, give_up_s=0.3)
    async with behind_proxy() as (_, proxy), VoiceStream(proxy.url, "mic", patience=patience) as stream:
        await stream.send(silence(0.1))
        proxy.refuse()
        proxy.reset()
        with pytest.raises(FastringError, match=r"no connection .* for 0\.3 s"):
            await asyncio.wait_for(hear(stream), 10)
        with pytest.raises(FastringError, match="no connection"):
            await stream.send(silence(0.1))


async def test_what_the_server_ends_for_good_is_a_failure(server: Running) -> None:
    async with VoiceStream(server.url, "mic") as first, VoiceStream(server.url, "mic") as second:
        await first.send(silence(0.1))
        await asyncio.sleep(0.1)
        await second.send(silence(0.1))
        with pytest.raises(ProtocolError, match="1008"):
            await asyncio.wait_for(hear(second), 10)


async def test_a_full_server_is_tried_again() -> None:

    async with behind_proxy() as (server, proxy):
        async with VoiceStream(proxy.url, "mic", patience=FAST, limits=UNPACED) as stream:
            await stream.send(TWO_UTTERANCES)
            await asyncio.sleep(0.1)
            server.services.registry.draining = True
            proxy.reset()
            await asyncio.sleep(0.2)
            server.services.registry.draining = False
            await stream.close()
            events = await asyncio.wait_for(hear(stream), 30)
        assert texts(events) == list(SCRIPT)
        assert any("503" in event.reason for event in of(events, Reconnecting))


async def test_nobody_there_is_told_at_once_by_a_public_error(unused_tcp_port: int) -> None:
    with pytest.raises(FastringError, match="no server at") as told:
        async with VoiceStream(f"http://127.0.0.1:{unused_tcp_port}"):
            pass
    assert told.type is FastringError
