"""The user's limits on the library's streams: each operation on a buffer under 1 ms, a chunk analysed under 10 ms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring import AudioBuffer, AudioBufferManager, StreamingAudioProcessor
from fastring.session.analysis import AnalysisSession

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER_MS = 1.0
ANALYSIS_MS = 10.0
CHUNK = (np.random.default_rng(4).standard_normal(1024) * 0.1).astype(np.float32)


@pytest.mark.parametrize(
    "audio", [CHUNK, CHUNK.tobytes(), (CHUNK * 32767).astype(np.int16)], ids=["float32", "bytes", "int16"]
)
def test_buffer_write_and_read(assert_below: Callable[..., object], audio: object) -> None:
    buffer = AudioBuffer(1 << 16)

    def turn() -> np.ndarray:
        buffer.write(audio)  # type: ignore[arg-type]
        return buffer.read(1024)

    np.testing.assert_allclose(assert_below(BUFFER_MS, turn), CHUNK, atol=1e-4)


@pytest.mark.parametrize("callbacks", [0, 1, 8])
def test_manager_write(assert_below: Callable[..., object], callbacks: int) -> None:
    heard = [0] * callbacks

    def count(index: int) -> Callable[[np.ndarray, int], None]:
        def callback(chunk: np.ndarray, _sample_rate: int) -> None:
            heard[index] += len(chunk)

        return callback

    with AudioBufferManager(chunk_size=1024) as manager:
        manager.create_stream("s")
        for index in range(callbacks):
            manager.register_callback("s", count(index))
        manager.start_processing()
        assert assert_below(BUFFER_MS, lambda: manager.write("s", CHUNK)) == 1024
        manager.stop_processing()
        stats = manager.stats("s")
    written = stats["buffer"]["written"]
    assert [own + lost["dropped"] for own, lost in zip(heard, stats["callbacks"], strict=True)] == [written] * callbacks


def test_analysis_session(assert_below: Callable[..., object]) -> None:
    session = AnalysisSession("s", sample_rate=44100)
    assert_below(ANALYSIS_MS, lambda: session.receive_audio(CHUNK, 0.0))
    analysis = session.take_pending()
    assert analysis is not None
    assert analysis.rms == pytest.approx(np.sqrt(np.mean(CHUNK**2)), rel=0.01)


def test_processor(assert_below: Callable[..., object]) -> None:
    processor = StreamingAudioProcessor()
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(processor.start_stream("s"))
        data = CHUNK.tobytes()
        result = assert_below(ANALYSIS_MS, lambda: loop.run_until_complete(processor.process_audio("s", data)))
        assert result.rms == pytest.approx(np.sqrt(np.mean(CHUNK**2)), rel=0.01)  # type: ignore[attr-defined]
    finally:
        loop.close()
