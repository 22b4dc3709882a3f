from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from digits import DIGITS, DigitsEngine
from serving import TWO_UTTERANCES, chunks, serving, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.config import ServerSettings, Settings
from fastring.errors import ConfigError
from fastring.recordings import recording
from fastring.server.app import build_app
from fastring.server.wyoming import WyomingServer

pytest.importorskip("wyoming")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python's audioop, which the package uses up to 3.12
    from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.error import Error
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping, Pong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running


@contextlib.asynccontextmanager
async def listening(server: Running) -> AsyncIterator[int]:
    """The port of a Wyoming listener beside the server."""
    wyoming = WyomingServer(server.services)
    try:
        yield await wyoming.start("127.0.0.1", 0)
    finally:
        await wyoming.close()


async def ask(client: Any, audio: bytes, *, rate: int = 16_000, channels: int = 1, language: str = "en") -> list[Any]:
    """An utterance as Home Assistant sends it; the events up to the transcript."""
    await client.write_event(Transcribe(language=language).event())
    await client.write_event(AudioStart(rate=rate, width=2, channels=channels).event())
    for chunk in chunks(audio, 2048):
        await client.write_event(AudioChunk(rate=rate, width=2, channels=channels, audio=chunk).event())
    await client.write_event(AudioStop().event())
    return await until(client, "transcript")


async def until(client: Any, kind: str) -> list[Any]:
    events: list[Any] = []
    while not events or events[-1].type != kind:
        event = await asyncio.wait_for(client.read_event(), 20)
        assert event is not None, "hung up"
        events.append(event)
    return events


def text_of(events: list[Any]) -> str:
    text = Transcript.from_event(events[-1]).text
    pieces = [TranscriptChunk.from_event(event).text for event in events if TranscriptChunk.is_type(event.type)]
    assert "".join(pieces) == text
    return text


async def test_what_is_said_is_heard() -> None:
    pytest.importorskip("faster_whisper")
    async with serving(DIGITS, DigitsEngine()) as server, listening(server) as port:

        async def one(name: str) -> str:
            async with AsyncTcpClient("127.0.0.1", port) as client:
                return text_of(await ask(client, speech(name)))

        names = ["seen_8", "seen_2", "unseen_0", "noise"]
        assert await asyncio.gather(*(one(name) for name in names)) == [recording(name).text for name in names]
        assert len(server.services.registry) == 0


async def test_describe_answers_within_a_second_while_others_talk() -> None:
    async with (
        serving(transcriber=ScriptedTranscriber(["one"], delay_s=0.3)) as server,
        listening(server) as port,
        AsyncTcpClient("127.0.0.1", port) as busy,
    ):
        talking = asyncio.create_task(ask(busy, TWO_UTTERANCES))
        for _ in range(5):
            started = time.monotonic()
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(Describe().event())
                info = Info.from_event((await until(client, "info"))[-1])
            assert time.monotonic() - started < 1.0
        await talking
    (program,) = info.asr
    assert program.installed
    assert program.supports_transcript_streaming
    assert program.models[0].name == "script"
    assert "en" in program.models[0].languages
    assert not info.tts


async def test_utterances_one_after_the_other_and_a_ping() -> None:
    async with serving() as server, listening(server) as port, AsyncTcpClient("127.0.0.1", port) as client:
        for _ in range(2):
            events = await ask(client, TWO_UTTERANCES)
            assert TranscriptStart.is_type(events[0].type)
            assert text_of(events) == "zero one two three four five six"
            assert (await client.read_event()).type == "transcript-stop"
        await client.write_event(Ping(text="still there?").event())
        assert Pong.from_event(await client.read_event()).text == "still there?"


async def test_silence_and_nothing_at_all_are_answered() -> None:
    async with serving() as server, listening(server) as port:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            assert text_of(await ask(client, silence(1.0))) == ""
        async with AsyncTcpClient("127.0.0.1", port) as client:
            assert text_of(await ask(client, b"")) == ""
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStop().event())
            assert text_of(await until(client, "transcript")) == ""


async def test_other_rates_and_channels() -> None:
    wide = b"".join(pair * 4 for pair in (speech()[i : i + 2] for i in range(0, len(speech()), 2)))  # 32 kHz stereo
    async with serving() as server, listening(server) as port, AsyncTcpClient("127.0.0.1", port) as client:
        assert text_of(await ask(client, wide + bytes(64_000), rate=32_000, channels=2)) == "zero one two three"


async def test_chunks_may_come_without_a_start() -> None:
    async with serving() as server, listening(server) as port, AsyncTcpClient("127.0.0.1", port) as client:
        chunk = AudioChunk(rate=16_000, width=2, channels=1, audio=silence(0.3) + speech() + silence(0.5))
        await client.write_event(chunk.event())
        await client.write_event(AudioStop().event())
        assert text_of(await until(client, "transcript")) == "zero one two three"


async def test_what_is_not_to_be_had_is_an_error_and_the_end() -> None:
    async with serving(DIGITS, DigitsEngine(), max_streams=1) as server, listening(server) as port:
        for event in (
            Transcribe(language="tlh").event(),
            Transcribe(name="no-such").event(),
            AudioStart(rate=16_000, width=4, channels=1).event(),
        ):
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(event)
                assert Error.from_event((await until(client, "error"))[-1]).code
                assert await client.read_event() is None


async def test_places_are_those_of_all_streams() -> None:
    async with serving(max_streams=1) as server, listening(server) as port:
        async with AsyncTcpClient("127.0.0.1", port) as first, AsyncTcpClient("127.0.0.1", port) as second:
            await first.write_event(AudioStart(rate=16_000, width=2, channels=1).event())
            await first.write_event(Ping().event())
            await first.read_event()
            await second.write_event(AudioStart(rate=16_000, width=2, channels=1).event())
            assert Error.from_event((await until(second, "error"))[-1]).code == "too_many_streams"
        await server.empty()


@pytest.mark.parametrize("data", [b"no json\n", b"x" * 40_000, b'{"type": "x", "payload_length": 99999999}\n'])
async def test_hostile_bytes_end_their_connection_alone(data: bytes) -> None:
    async with serving() as server, listening(server) as port, AsyncTcpClient("127.0.0.1", port) as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        assert b'"error"' in await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert text_of(await ask(other, TWO_UTTERANCES)) == "zero one two three four five six"
        assert server.services.ended["wyoming"].malformed == 1


async def test_who_says_nothing_is_hung_up_on() -> None:
    async with (
        serving(idle_timeout_s=0.2) as server,
        listening(server) as port,
        AsyncTcpClient("127.0.0.1", port) as client,
    ):
        assert Error.from_event((await until(client, "error"))[-1]).code == "idle_timeout"
        assert await client.read_event() is None


async def test_a_refusal_is_heard_by_a_client_that_goes_on_sending() -> None:
    async with serving() as server, listening(server) as port, AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(name="zork").event())
        await asyncio.sleep(0.2)  # refused by now
        for chunk in chunks(silence(10.0), 2048):
            await client.write_event(AudioChunk(rate=16_000, width=2, channels=1, audio=chunk).event())
        error = Error.from_event((await until(client, "error"))[-1])
        assert (error.code, await client.read_event()) == ("unknown_model", None)


async def test_a_client_that_leaves_midway_leaves_nothing() -> None:
    async with serving(transcriber=ScriptedTranscriber(["one"], delay_s=1.0)) as server, listening(server) as port:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStart(rate=16_000, width=2, channels=1).event())
            audio = silence(0.3) + speech() + silence(1)
            await client.write_event(AudioChunk(rate=16_000, width=2, channels=1, audio=audio).event())
        await server.empty()
        assert server.services.pool.stats().queued == 0


def test_a_public_address_needs_leave() -> None:
    """Refused before the engine's threads start, which nobody would end: `_ends_its_engines` looks for them."""
    with pytest.raises(ConfigError, match="Wyoming knows no keys"):
        build_app(Settings(server=ServerSettings(host="0.0.0.0", wyoming_port=10_300)), ScriptedTranscriber(["x"]))


async def test_the_command_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["serve", "--port", "0", "--wyoming", str(port), "--model", "digits"]
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "fastring", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert "ready on " in await asyncio.to_thread(process.stdout.readline)
            async with AsyncTcpClient("127.0.0.1", port) as client:
                assert text_of(await ask(client, speech("seen_2"))) == recording("seen_2").text
        finally:
            process.terminate()
        assert process.wait(10) == 0
