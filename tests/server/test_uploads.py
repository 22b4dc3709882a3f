from __future__ import annotations

import asyncio
import io
import time
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from digits import DIGITS, DigitsEngine
from serving import TWO_UTTERANCES, silence, speech

from fastring.asr.scripted import ScriptedTranscriber
from fastring.audio.format import AudioFormat
from fastring.events import Final, Latency, Word
from fastring.recordings import recording, recording_path
from fastring.server.problems import Problem
from fastring.server.uploads import Upload, transcript_of

pytest.importorskip("faster_whisper")

if TYPE_CHECKING:
    from serving import Running, Serve

RATE = 16_000
LINEAR16 = AudioFormat("linear16", RATE)


@dataclass
class Request:
    """As much of a request as a place looks at: its transport, None once the client has left."""

    transport: Any = "there"


class Body:
    """A body that comes in parts."""

    def __init__(self, *parts: bytes, pause_s: float = 0.0) -> None:
        self._parts = [*parts, b""]
        self._pause_s = pause_s

    async def read(self, _n_bytes: int) -> bytes:
        await asyncio.sleep(self._pause_s)
        return self._parts.pop(0)


async def text_of(server: Running, upload: Upload) -> str:
    async with server.services.uploads.place(Request()) as place:  # type: ignore[arg-type]
        return (await place.run(upload).whole()).text


async def refusal(server: Running, upload: Upload) -> Problem:
    with pytest.raises(Problem) as caught:
        await text_of(server, upload)
    return caught.value


async def test_finals_come_in_order_with_times_of_the_recording(server: Running) -> None:
    async with server.services.uploads.place(Request()) as place:  # type: ignore[arg-type]
        run = place.run(Upload(TWO_UTTERANCES, LINEAR16))
        heard = [final.text async for final in run]
    transcript = run.transcript
    assert heard == ["zero one two three", "four five six"]
    assert transcript.text == "zero one two three four five six"
    assert transcript.samples == len(TWO_UTTERANCES) // 2
    first, second = transcript.finals
    assert 0 < first.start < first.end < second.start < second.end < transcript.samples
    assert run.ended.is_set()
    assert server.services.uploads.running == 0


@pytest.mark.parametrize("name", ["seen_8", "unseen_2", "stream", "noise", "silence"])
async def test_what_is_said_is_heard(serve: Serve, name: str) -> None:
    async with serve(DIGITS, DigitsEngine()) as server:
        assert await text_of(server, Upload(recording_path(name).read_bytes())) == recording(name).text


async def test_the_language_is_the_one_heard_or_asked_for(serve: Serve) -> None:
    async with (
        serve() as server,
        server.services.uploads.place(Request()) as place,  # type: ignore[arg-type]
    ):
        transcripts = [await place.run(Upload(speech(), LINEAR16, language=code)).whole() for code in ("de", "")]
    assert [transcript.language for transcript in transcripts] == ["de", ""]
    assert transcripts[0].finals[0].language == "de"


async def test_several_at_once_hear_their_own(serve: Serve) -> None:
    names = ["seen_0", "seen_2", "unseen_0", "unseen_2", "seen_8"]
    async with serve(DIGITS, DigitsEngine()) as server:
        uploads = [Upload(recording_path(name).read_bytes()) for name in names]
        heard = await asyncio.gather(*(text_of(server, upload) for upload in uploads))
    assert heard == [recording(name).text for name in names]


@pytest.mark.parametrize("encoding", ["linear16", "float32", "mulaw", "alaw"])
async def test_raw_samples_of_every_kind_and_rate(serve: Serve, encoding: str) -> None:
    samples = np.frombuffer(speech("seen_2"), "<i2")
    wide = np.repeat(samples, 2)[:, None].repeat(2, axis=1)  # 32 kHz, two channels
    data = {
        "linear16": lambda: wide.tobytes(),
        "float32": lambda: (wide / np.float32(32768)).astype("<f4").tobytes(),
        "mulaw": lambda: mulaw(wide),
        "alaw": lambda: alaw(wide),
    }[encoding]()
    async with serve(DIGITS, DigitsEngine()) as server:
        upload = Upload(data, AudioFormat(encoding, 2 * RATE, 2))  # type: ignore[arg-type]
        assert await text_of(server, upload) == recording("seen_2").text


async def test_one_channel_of_several(serve: Serve) -> None:
    left, right = (np.frombuffer(speech(name), "<i2") for name in ("seen_2", "unseen_2"))
    both = np.zeros((max(len(left), len(right)), 2), "<i2")
    both[: len(left), 0], both[: len(right), 1] = left, right
    wav = io.BytesIO()
    with wave.open(wav, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(both.tobytes())
    async with (
        serve(DIGITS, DigitsEngine()) as server,
        server.services.uploads.place(Request()) as place,  # type: ignore[arg-type]
    ):
        runs = [place.run(Upload(wav.getvalue(), channels=channel)) for channel in (0, 1)]
        texts = [(await run.whole()).text for run in runs]
        assert [run.input_channels for run in runs] == [2, 2]
    assert texts == [recording("seen_2").text, recording("unseen_2").text]


async def test_what_is_no_audio_is_the_clients_fault(server: Running) -> None:
    for data in (b"not audio at all", b"", recording_path("seen_0").read_bytes()[:20]):
        problem = await refusal(server, Upload(data))
        assert (problem.status, problem.code, problem.param) == (400, "invalid_audio", "file")


async def test_longer_audio_than_allowed_is_refused(serve: Serve) -> None:
    async with serve(max_upload_s=1.0) as server:
        problem = await refusal(server, Upload(silence(1.5), LINEAR16))
        assert problem.status == 400
        assert "max_upload_s" in problem.message


async def test_an_engine_that_fails_is_no_text(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one"], fails=lambda job: True)
    async with serve(transcriber=engine) as server:
        problem = await refusal(server, Upload(TWO_UTTERANCES, LINEAR16))
        assert (problem.status, problem.code) == (500, "engine_failed")


async def test_places_are_bounded_and_come_free(serve: Serve) -> None:
    async with serve(max_uploads=1) as server:
        uploads = server.services.uploads
        async with uploads.place(Request()):  # type: ignore[arg-type]
            problem = await refusal(server, Upload(TWO_UTTERANCES, LINEAR16))
            assert (problem.status, problem.headers) == (429, {"Retry-After": "1"})
        assert await text_of(server, Upload(speech(), LINEAR16))
        server.services.registry.draining = True
        assert (await refusal(server, Upload(speech(), LINEAR16))).status == 503


async def test_a_client_that_leaves_frees_the_engine(serve: Serve) -> None:
    """Forty utterances of an engine that takes half a second each are not worked off for nobody."""
    engine = ScriptedTranscriber(["one"], delay_s=0.5, concurrency=1)
    request = Request()
    async with serve(transcriber=engine) as server:
        started = time.monotonic()
        async with server.services.uploads.place(request) as place:  # type: ignore[arg-type]
            run = place.run(Upload(TWO_UTTERANCES * 20, LINEAR16))
            await anext(aiter(run))
            request.transport = None
            with pytest.raises(ConnectionResetError):
                await run.whole()
        assert time.monotonic() - started < 5
        assert run.ended.is_set()
        stats = server.services.pool.stats()
        assert stats.queued == 0
        assert stats.done < 10


async def test_leaving_the_place_early_ends_the_thread(serve: Serve) -> None:
    engine = ScriptedTranscriber(["one"], delay_s=0.2, concurrency=1)
    async with serve(transcriber=engine) as server:
        async with server.services.uploads.place(Request()) as place:  # type: ignore[arg-type]
            run = place.run(Upload(TWO_UTTERANCES * 20, LINEAR16))
        assert run.ended.is_set()
        assert server.services.uploads.running == 0


async def test_the_loop_goes_on_meanwhile(serve: Serve) -> None:
    gaps = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)

    async with serve(DIGITS, DigitsEngine()) as server:
        ticking = asyncio.create_task(tick())
        await text_of(server, Upload(recording_path("stream").read_bytes()))
        ticking.cancel()
    assert sorted(gaps)[len(gaps) // 2] < 0.05
    assert len(gaps) > 10


async def test_bodies_are_read_within_bounds(serve: Serve) -> None:
    async with (
        serve(max_upload_bytes=1024, idle_timeout_s=0.1) as server,
        server.services.uploads.place(Request()) as place,  # type: ignore[arg-type]
    ):
        half = bytes(512)
        assert await place.read(Body(half, half)) == half + half  # type: ignore[arg-type]
        for body, status in ((Body(half, half, b"1"), 413), (Body(b"0", pause_s=1.0), 408)):
            with pytest.raises(Problem) as caught:
                await place.read(body)  # type: ignore[arg-type]
            assert caught.value.status == status


def test_a_transcript_speaks_the_language_of_most_words() -> None:
    def final(text: str, language: str) -> Final:
        words = tuple(Word(word, 0, 1, 1.0) for word in text.split())
        return Final(0, 0, text, words, 1.0, 0, 1, Latency(0, 0, 0, 0), language=language)

    transcript = transcript_of([final("ja", "de"), final("one two", "en"), final("x", "")], 5)
    assert (transcript.text, transcript.language, transcript.samples) == ("ja one two x", "en", 5)
    assert transcript_of([], 0) == transcript_of([], 0)
    assert transcript_of([], 7).language == ""


def mulaw(samples: np.ndarray) -> bytes:
    """G.711 mu-law, by its definition."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def alaw(samples: np.ndarray) -> bytes:
    """G.711 A-law, by its definition."""
    value = samples.astype(np.int32)
    magnitude = np.minimum(np.where(value < 0, -value - 1, value), 32767)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    mantissa = np.where(exponent == 0, magnitude >> 4, magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(value < 0, 0, 0x80)
    return ((sign | (exponent << 4) | mantissa) ^ 0x55).astype(np.uint8).tobytes()
