from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastring
from fastring import AudioBufferManager
from fastring.errors import AudioFormatError, ConfigError, StreamExistsError, UnknownStreamError


def ramp(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)


class Collector:
    """A callback that keeps what it gets."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []
        self.rates: list[int] = []
        self.threads: set[int] = set()

    def __call__(self, chunk: np.ndarray, sample_rate: int) -> None:
        self.chunks.append(chunk)
        self.rates.append(sample_rate)
        self.threads.add(threading.get_ident())

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate(self.chunks) if self.chunks else np.zeros(0, np.float32)


def test_chunks_of_the_chosen_size_reach_a_plain_callback() -> None:
    manager, collector = AudioBufferManager(chunk_size=1024), Collector()
    assert manager.create_stream("mic", sample_rate=48000) == "mic"
    manager.register_callback("mic", collector)
    manager.start_processing()
    for start in range(0, 10_000, 500):
        assert manager.write("mic", ramp(start, 500)) == 500
    manager.stop_processing()
    assert {chunk.shape for chunk in collector.chunks} == {(1024,)}
    assert {chunk.dtype for chunk in collector.chunks} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(collector.samples, ramp(0, 9 * 1024))
    assert set(collector.rates) == {48000}
    assert collector.threads & {threading.get_ident()} == set()


async def test_an_async_callback_runs_in_the_callers_loop() -> None:
    got: list[np.ndarray] = []

    async def callback(chunk: np.ndarray, sample_rate: int) -> None:
        await asyncio.sleep(0)
        got.append(chunk)
        assert sample_rate == 44100
        assert asyncio.get_running_loop() is loop

    loop = asyncio.get_running_loop()
    manager = AudioBufferManager()
    manager.create_stream("mic")
    manager.register_callback("mic", callback)
    await manager.start_processing()
    for start in range(0, 4096, 512):
        manager.write("mic", ramp(start, 512))
        await asyncio.sleep(0)
    await manager.stop_processing()
    np.testing.assert_array_equal(np.concatenate(got), ramp(0, 4096))


def test_an_async_callback_works_in_a_program_without_a_loop() -> None:
    got: list[np.ndarray] = []

    async def callback(chunk: np.ndarray, sample_rate: int) -> None:
        got.append(chunk)

    with AudioBufferManager(chunk_size=100) as manager:
        manager.create_stream("mic")
        manager.register_callback("mic", callback)
        manager.start_processing()
        manager.write("mic", ramp(0, 1000))
        manager.stop_processing()
        np.testing.assert_array_equal(np.concatenate(got), ramp(0, 1000))


async def test_calls_in_a_loop_need_no_await() -> None:
    manager, collector = AudioBufferManager(chunk_size=10), Collector()
    manager.create_stream("mic")
    manager.register_callback("mic", collector)
    manager.start_processing()
    manager.write("mic", ramp(0, 100))
    manager.stop_processing()
    for _ in range(200):
        if not any(listener["pending"] for listener in manager.stats("mic")["callbacks"]):
            break
        await asyncio.sleep(0.01)
    np.testing.assert_array_equal(collector.samples, ramp(0, 100))
    await manager.close()
    assert manager.list_streams() == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 700), st.lists(st.integers(0, 2000), min_size=1, max_size=20))
def test_any_writes_give_the_same_samples_in_whole_chunks(chunk_size: int, lengths: list[int]) -> None:
    collector = Collector()
    with AudioBufferManager(chunk_size) as manager:
        manager.create_stream("s")
        manager.register_callback("s", collector)
        manager.start_processing()
        total = 0
        for length in lengths:
            manager.write("s", ramp(total, length))
            total += length
        manager.stop_processing()
    np.testing.assert_array_equal(collector.samples, ramp(0, total // chunk_size * chunk_size))


def test_int16_bytes_and_channels() -> None:
    collector, wide = Collector(), Collector()
    with AudioBufferManager(chunk_size=2) as manager:
        manager.create_stream("pcm", 16000, encoding="linear16")
        manager.create_stream("stereo", 16000, channels=2)
        manager.register_callback("pcm", collector)
        manager.register_callback("stereo", wide)
        manager.start_processing()
        manager.write("pcm", np.array([-32768, 16384], "<i2").tobytes())
        manager.write("pcm", np.array([8192, 0], np.int16))
        manager.write("stereo", np.array([[0.5, -0.5], [0.25, -0.25]], np.float32))
        manager.write("stereo", np.array([1, 2, 3, 4], "<f4").tobytes())
        manager.stop_processing()
    np.testing.assert_array_equal(collector.samples, [-1.0, 0.5, 0.25, 0.0])
    assert [chunk.tolist() for chunk in wide.chunks] == [[[0.5, -0.5], [0.25, -0.25]], [[1, 2], [3, 4]]]


def test_a_raising_callback_is_logged_and_counted_and_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def raising(chunk: np.ndarray, sample_rate: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("the second one")

    good = Collector()
    with caplog.at_level(logging.ERROR), AudioBufferManager(chunk_size=10) as manager:
        manager.create_stream("s")
        manager.register_callback("s", raising)
        manager.register_callback("s", good)
        manager.start_processing()
        manager.write("s", ramp(0, 50))
        manager.stop_processing()
        stats = manager.stats("s")
    assert calls == 5
    assert (stats["errors"], stats["delivered"]) == (1, 9)
    assert stats["callbacks"][0]["last_error"] == "RuntimeError: the second one"
    assert "the second one" in caplog.text
    np.testing.assert_array_equal(good.samples, ramp(0, 50))


def test_a_slow_callback_loses_its_own_audio_and_nobody_elses() -> None:
    entered, release = threading.Event(), threading.Event()
    got: list[np.ndarray] = []

    def slow(chunk: np.ndarray, sample_rate: int) -> None:
        got.append(chunk)
        entered.set()
        release.wait(10)

    beside, other = Collector(), Collector()
    with AudioBufferManager(chunk_size=10, max_size=100) as manager:
        for name in ("slow", "other"):
            manager.create_stream(name)
        manager.register_callback("slow", slow)
        manager.register_callback("slow", beside)
        manager.register_callback("other", other)
        manager.start_processing()
        for start in range(0, 1000, 10):
            manager.write("slow", ramp(start, 10))
            manager.write("other", ramp(start, 10))
            assert entered.wait(10)
            for keeping_up in (beside, other):  # they are given the time that they need, which is not much
                while len(keeping_up.chunks) * 10 < start + 10:
                    release.wait(0.0005)
        release.set()
        manager.stop_processing()
        stats = manager.stats()
    np.testing.assert_array_equal(beside.samples, ramp(0, 1000))
    np.testing.assert_array_equal(other.samples, ramp(0, 1000))
    np.testing.assert_array_equal(np.concatenate(got), np.concatenate([ramp(0, 10), ramp(900, 100)]))
    slow_one, quick_one = stats["streams"]["slow"]["callbacks"]
    assert (slow_one["dropped"], quick_one["dropped"]) == (890, 0)
    assert (stats["streams"]["other"]["dropped"], stats["dropped"]) == (0, 890)


def test_writes_before_the_start_are_delivered_first_and_after_a_stop_they_wait() -> None:
    collector = Collector()
    with AudioBufferManager(chunk_size=10) as manager:
        manager.create_stream("s")
        manager.register_callback("s", collector)
        manager.write("s", ramp(0, 20))
        manager.start_processing()
        manager.stop_processing()
        np.testing.assert_array_equal(collector.samples, ramp(0, 20))
        manager.write("s", ramp(20, 20))
        manager.start_processing("s")
        manager.stop_processing("s")
        np.testing.assert_array_equal(collector.samples, ramp(0, 40))


def test_streams_and_callbacks_may_come_while_it_runs() -> None:
    early, late = Collector(), Collector()
    with AudioBufferManager(chunk_size=10) as manager:
        manager.start_processing()
        manager.create_stream("s")
        manager.register_callback("s", early)
        manager.write("s", ramp(0, 10))
        manager.register_callback("s", late)
        manager.write("s", ramp(10, 10))
        manager.stop_processing()
    np.testing.assert_array_equal(early.samples, ramp(0, 20))
    np.testing.assert_array_equal(late.samples, ramp(10, 10))


async def test_a_start_right_after_a_stop_goes_on() -> None:
    plain, others = Collector(), []

    async def asynchronous(chunk: np.ndarray, sample_rate: int) -> None:
        others.append(chunk)

    async with AudioBufferManager(chunk_size=10, max_size=100_000) as manager:
        manager.create_stream("s")
        manager.register_callback("s", plain)
        manager.register_callback("s", asynchronous)
        for turn in range(200):
            manager.start_processing()
            manager.write("s", ramp(turn * 10, 10))
            if turn % 3 == 0:
                await asyncio.sleep(0)
            manager.stop_processing()
        manager.start_processing()
        await manager.stop_processing()
    np.testing.assert_array_equal(plain.samples, ramp(0, 2000))
    np.testing.assert_array_equal(np.concatenate(others), ramp(0, 2000))


def test_one_stream_may_be_processed_alone() -> None:
    first, second = Collector(), Collector()
    with AudioBufferManager(chunk_size=10) as manager:
        for name, collector in (("a", first), ("b", second)):
            manager.create_stream(name)
            manager.register_callback(name, collector)
        manager.start_processing("a")
        for name in ("a", "b"):
            manager.write(name, ramp(0, 10))
        manager.stop_processing("a")
        assert (len(first.chunks), len(second.chunks)) == (1, 0)
        assert manager.stats("b")["callbacks"][0]["pending"] == 10


async def test_a_hanging_callback_does_not_hold_up_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    manager = AudioBufferManager(chunk_size=10)
    manager.create_stream("s")
    manager.register_callback("s", lambda chunk, sample_rate: release.wait(10))
    await manager.start_processing()
    manager.write("s", ramp(0, 20))
    await asyncio.wait_for(manager.stop_processing(timeout_s=0.05), 2)
    assert "did not end in time" in caplog.text
    release.set()
    await manager.close()


def test_a_removed_stream_is_gone_and_its_name_is_free() -> None:
    with AudioBufferManager() as manager:
        manager.create_stream("a")
        manager.create_stream("b")
        assert manager.list_streams() == ["a", "b"]
        manager.remove_stream("a")
        assert manager.list_streams() == ["b"]
        for call in (
            lambda: manager.write("a", ramp(0, 1)),
            lambda: manager.stats("a"),
            lambda: manager.register_callback("a", print),
            lambda: manager.remove_stream("a"),
            lambda: manager.start_processing("a"),
        ):
            with pytest.raises(UnknownStreamError, match="'a'"):
                call()
        manager.create_stream("a")
        with pytest.raises(StreamExistsError, match="'a'"):
            manager.create_stream("a")


async def test_a_callback_may_remove_its_own_stream() -> None:
    gone = asyncio.Event()

    async def callback(chunk: np.ndarray, sample_rate: int) -> None:
        await manager.remove_stream("s")
        gone.set()

    manager = AudioBufferManager(chunk_size=10)
    manager.create_stream("s")
    manager.register_callback("s", callback)
    await manager.start_processing()
    manager.write("s", ramp(0, 30))
    await asyncio.wait_for(gone.wait(), 2)
    assert manager.list_streams() == []


def test_bad_audio_is_refused_and_the_stream_is_unchanged() -> None:
    with AudioBufferManager() as manager:
        manager.create_stream("s", channels=2)
        for bad in (b"123", np.ones(3, np.float32), np.ones((2, 3), np.float32), np.ones(2), "text"):
            with pytest.raises(AudioFormatError):
                manager.write("s", bad)  # type: ignore[arg-type]
        assert manager.stats("s")["buffer"]["written"] == 0


@pytest.mark.parametrize("make", [
    lambda manager: AudioBufferManager(chunk_size=0),
    lambda manager: AudioBufferManager(chunk_size=10, max_size=9),
    lambda manager: manager.create_stream(""),
    lambda manager: manager.create_stream("s", 0),
    lambda manager: manager.create_stream("s", channels=0),
    lambda manager: manager.create_stream("s", channels=33),
    lambda manager: manager.create_stream("s", encoding="mp3"),
])  # fmt: skip
def test_bad_arguments_are_refused(make: object) -> None:
    with AudioBufferManager() as manager, pytest.raises(ConfigError):
        make(manager)  # type: ignore[operator]


def test_a_ring_holds_about_a_megabyte() -> None:
    with AudioBufferManager() as manager:
        manager.create_stream("mono")
        manager.create_stream("wide", channels=8)
        assert manager.stats("mono")["buffer"]["capacity_samples"] == (1 << 20) // 4
        assert manager.stats("wide")["buffer"]["capacity_samples"] == (1 << 20) // 32


def test_many_streams_written_from_many_threads() -> None:
    collectors = {f"s{number}": Collector() for number in range(8)}
    with AudioBufferManager(chunk_size=64) as manager:
        for name, collector in collectors.items():
            manager.create_stream(name)
            manager.register_callback(name, collector)
        manager.start_processing()

        def write(name: str) -> None:
            for start in range(0, 64 * 100, 64):
                manager.write(name, ramp(start, 64))

        threads = [threading.Thread(target=write, args=(name,)) for name in collectors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        manager.stop_processing()
    for collector in collectors.values():
        np.testing.assert_array_equal(collector.samples, ramp(0, 64 * 100))


async def test_it_is_a_context_of_either_kind() -> None:
    async with AudioBufferManager() as manager:
        manager.create_stream("s")
    assert manager.list_streams() == []


def test_it_is_public() -> None:
    assert fastring.AudioBufferManager is AudioBufferManager


@pytest.mark.parametrize("sample_rate", [0, -1, float("inf"), float("nan"), "44100"])
def test_a_rate_must_be_a_rate(sample_rate: Any) -> None:
    with pytest.raises(ConfigError, match=r"sample_rate = .*: must be above 0 Hz, and finite"):
        AudioBufferManager().create_stream("mic", sample_rate)


def test_it_shows_its_streams() -> None:
    with AudioBufferManager(chunk_size=10) as manager:
        manager.create_stream("mic")
        assert repr(manager) == "<AudioBufferManager ['mic'] in chunks of 10, at rest>"
        manager.start_processing()
        assert "processing" in repr(manager)
