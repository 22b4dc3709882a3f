from __future__ import annotations

import asyncio

import numpy as np
import pytest

import fastring
from fastring import RealtimeAnalysisResult, StreamingAudioProcessor
from fastring.errors import AudioFormatError, ConfigError, StreamExistsError, UnknownStreamError
from fastring.recordings import recording_path


def tone(seconds: float, hz: float, rate: int = 44100) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


async def test_bytes_in_analysis_out() -> None:
    processor = StreamingAudioProcessor()
    assert await processor.start_stream("mic") == "mic"
    assert processor.get_latest_analysis("mic") is None
    samples = tone(1.0, 440.0)
    for start in range(0, len(samples), 1024):
        result = await processor.process_audio("mic", samples[start : start + 1024].tobytes())
    assert isinstance(result, RealtimeAnalysisResult)
    assert result is processor.get_latest_analysis("mic")
    assert result.pitch == pytest.approx(440, rel=0.01)
    assert result.timestamp == pytest.approx(start / 44100)
    stats = await processor.stop_stream("mic")
    assert (stats["messages"], stats["bytes"]) == (44, 44100 * 4)
    assert processor.list_streams() == []


async def test_a_chunk_longer_than_the_ring_does_not_fill_it_for_good() -> None:
    processor = StreamingAudioProcessor()
    await processor.start_stream("mic")
    for seconds in (30.0, 0.1):
        await processor.process_audio("mic", tone(seconds, 440.0))
    buffer = processor.get_stats("mic")["buffer"]
    assert (buffer["used_samples"], buffer["overflows"]) == (0, 1)
    assert buffer["read"] + buffer["dropped"] == buffer["written"]


@pytest.mark.parametrize("arguments", [{"sample_rate": 0}, {"channels": 0}, {"encoding": ""}])
async def test_nought_is_no_default(arguments: dict[str, object]) -> None:
    processor = StreamingAudioProcessor()
    with pytest.raises(ConfigError, match=r"0|''"):
        await processor.start_stream("mic", **arguments)  # type: ignore[arg-type]
    assert processor.list_streams() == []


async def test_several_streams_at_once_each_hear_their_own() -> None:
    processor = StreamingAudioProcessor(sample_rate=16000)
    pitches = {"low": 110.0, "middle": 330.0, "high": 880.0}

    async def play(name: str, hz: float) -> None:
        await processor.start_stream(name)
        samples = tone(1.0, hz, 16000)
        for start in range(0, len(samples), 320):
            await processor.process_audio(name, samples[start : start + 320])
            await asyncio.sleep(0)

    await asyncio.gather(*(play(name, hz) for name, hz in pitches.items()))
    assert sorted(processor.list_streams()) == sorted(pitches)
    for name, hz in pitches.items():
        latest = processor.get_latest_analysis(name)
        assert latest is not None
        assert latest.pitch == pytest.approx(hz, rel=0.01)
    assert processor.get_stats()["stream_count"] == 3
    await processor.close()
    assert processor.list_streams() == []


async def test_encodings_and_channels_are_the_streams_own() -> None:
    async with StreamingAudioProcessor() as processor:
        await processor.start_stream("pcm", 16000, encoding="linear16", channels=2)
        pcm = np.round(np.repeat(tone(0.5, 220.0, 16000), 2) * 32767).astype("<i2")
        result = await processor.process_audio("pcm", pcm.tobytes())
        assert result.pitch == pytest.approx(220, rel=0.01)
        assert result.sample_index == 8000
        again = await processor.process_audio("pcm", pcm.reshape(-1, 2))
        assert again.sample_index == 16000
        assert processor.get_audio("pcm", 0.25).shape == (4000, 2)
        for seconds in (-1.0, float("nan")):
            with pytest.raises(ConfigError, match=f"seconds = {seconds}: must be at least 0"):
                processor.get_audio("pcm", seconds)
        assert len(processor.get_audio("pcm", float("inf"))) == len(processor.get_audio("pcm", 1e9)) > 4000


async def test_callbacks_of_one_stream_and_of_all() -> None:
    one: list[RealtimeAnalysisResult] = []
    everything: list[tuple[str, RealtimeAnalysisResult]] = []

    async def keep(result: RealtimeAnalysisResult) -> None:
        one.append(result)

    async with StreamingAudioProcessor() as processor:
        processor.register_callback(None, lambda name, result: everything.append((name, result)))
        await processor.start_stream("a", callback=keep)
        await processor.start_stream("b")
        for _ in range(5):
            for name in ("a", "b"):
                await processor.process_audio(name, tone(0.02, 440.0))
        await processor.stop_stream("a")
    assert [result.sample_index for result in one] == [882 * (index + 1) for index in range(5)]
    assert [name for name, _ in everything] == ["a", "b"] * 5


async def test_a_raising_callback_changes_nothing_for_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    def raising(result: RealtimeAnalysisResult) -> None:
        raise RuntimeError("no")

    async with StreamingAudioProcessor() as processor:
        await processor.start_stream("a", callback=raising)
        for _ in range(3):
            await processor.process_audio("a", tone(0.02, 440.0))
        stats = await processor.stop_stream("a")
    assert stats["callbacks"][0]["errors"] == 3
    assert stats["analysis"]["count"] == 3
    assert "RuntimeError: no" in caplog.text


async def test_a_slow_callback_misses_the_oldest_results_and_holds_nobody_up() -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    got: list[int] = []

    async def slow(result: RealtimeAnalysisResult) -> None:
        got.append(result.sample_index)
        entered.set()
        await release.wait()

    async with StreamingAudioProcessor() as processor:
        await processor.start_stream("a", callback=slow)
        await processor.process_audio("a", np.zeros(1, np.float32))
        await entered.wait()
        for _ in range(300):
            await processor.process_audio("a", np.zeros(1, np.float32))
        release.set()
        stats = await processor.stop_stream("a")
    assert got == [1, *range(46, 302)]
    assert stats["callbacks"][0]["dropped"] == 44


async def test_bad_audio_is_counted_and_the_stream_goes_on() -> None:
    async with StreamingAudioProcessor() as processor:
        await processor.start_stream("a")
        for bad in (b"123", np.zeros(3), np.zeros((2, 2), np.float32), None):
            with pytest.raises(AudioFormatError):
                await processor.process_audio("a", bad)  # type: ignore[arg-type]
        result = await processor.process_audio("a", np.full(4, np.nan, np.float32))
        assert (result.rms, result.non_finite_samples) == (0.0, 4)
        stats = processor.get_stats("a")
    assert (stats["malformed"], stats["messages"], stats["buffer"]["written"]) == (4, 1, 4)


async def test_what_is_not_there_and_what_is_there_twice() -> None:
    async with StreamingAudioProcessor() as processor:
        with pytest.raises(UnknownStreamError, match="start_stream"):
            await processor.process_audio("a", b"")
        with pytest.raises(UnknownStreamError):
            processor.get_latest_analysis("a")
        with pytest.raises(UnknownStreamError):
            await processor.stop_stream("a")
        await processor.start_stream("a")
        with pytest.raises(StreamExistsError):
            await processor.start_stream("a")


@pytest.mark.parametrize(
    "arguments", [{"stream_id": ""}, {"stream_id": "a", "sample_rate": 10}, {"stream_id": "a", "channels": 99}]
)
async def test_bad_arguments_are_refused_and_leave_nothing(arguments: dict[str, object]) -> None:
    async with StreamingAudioProcessor() as processor:
        with pytest.raises(ConfigError, match=r".+"):
            await processor.start_stream(**arguments)  # type: ignore[arg-type]
        assert processor.list_streams() == []
    with pytest.raises(ConfigError):
        StreamingAudioProcessor(encoding="mp3")  # type: ignore[arg-type]


async def test_real_speech_has_pitch_and_onsets() -> None:
    pcm = recording_path("seen_8").read_bytes()[44:]
    onsets, pitches = 0, []
    async with StreamingAudioProcessor(sample_rate=16000, encoding="linear16") as processor:
        await processor.start_stream("speech")
        for start in range(0, len(pcm), 640):
            result = await processor.process_audio("speech", pcm[start : start + 640])
            onsets += len(result.onset_sample_indices)
            pitches.extend([result.pitch] if result.pitch else [])
    assert 8 <= onsets <= 16  # eight words
    assert 80 < np.median(pitches) < 160  # a man's voice


def test_it_is_public() -> None:
    assert fastring.StreamingAudioProcessor is StreamingAudioProcessor


async def test_it_shows_its_streams() -> None:
    async with StreamingAudioProcessor() as processor:
        await processor.start_stream("mic")
        assert repr(processor) == "<StreamingAudioProcessor ['mic']>"
