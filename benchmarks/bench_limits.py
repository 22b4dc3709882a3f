"""The user's own limits: every buffer operation under 1 ms, the full analysis of 1024 samples under 10 ms.

They are the floor, not the goal: the goals are thousands of times tighter and stand in `table.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastring import Analyzer, AudioBuffer, RealtimeAudioAnalyzer, RingBuffer, float32_to_pcm16, pcm16_to_float32

BUFFER_LIMIT_MS = 1.0
ANALYSIS_LIMIT_MS = 10.0
CHUNK = 1024
RATE = 44_100

pytestmark = pytest.mark.benchmark(group="limits")
AUDIO = (10_000 * np.sin(2 * np.pi * 440 * np.arange(64 * CHUNK) / RATE)).astype(np.int16)


@pytest.mark.parametrize("n", [CHUNK, 16 * CHUNK])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize(
    "operation", ["write", "read", "read_into", "read_at", "reserve + publish", "peek + commit", "stats"]
)
def test_every_ring_operation(assert_below: Callable[..., Any], operation: str, dtype: str, n: int) -> None:
    ring = RingBuffer(4 * n, dtype=dtype)  # type: ignore[arg-type]
    audio = AUDIO[:n].astype(dtype)
    out = np.empty(n, dtype)
    calls: dict[str, Callable[[], Any]] = {
        "write": lambda: ring.write(audio),
        "read": lambda: ring.read(n),
        "read_into": lambda: (ring.read_into(out), out)[1],
        "read_at": lambda: ring.read_at(ring.write_index - n, n),
        "peek + commit": lambda: (ring.peek(n).copy(), ring.commit(n))[0],
        "reserve + publish": lambda: (np.copyto(ring.reserve(n), audio), ring.publish(n)),
        "stats": ring.stats,
    }
    setup = None if operation in ("write", "reserve + publish") else (lambda: ring.write(audio) and None)
    answer = assert_below(BUFFER_LIMIT_MS, calls[operation], setup)
    if setup is None:
        np.testing.assert_array_equal(ring.read_at(ring.write_index - n, n), audio)
    elif operation == "stats":
        assert answer.total_written % n == 0
    else:
        np.testing.assert_array_equal(answer, audio)


def test_wrapping_write(assert_below: Callable[..., Any]) -> None:
    """Every second write of this ring wraps."""
    ring = RingBuffer(CHUNK + CHUNK // 2)
    assert_below(BUFFER_LIMIT_MS, lambda: ring.write(AUDIO[:CHUNK]))
    np.testing.assert_array_equal(ring.read_at(ring.write_index - CHUNK, CHUNK), AUDIO[:CHUNK])


def test_audio_buffer_write(assert_below: Callable[..., Any]) -> None:
    buffer = AudioBuffer(8 * CHUNK)
    audio = pcm16_to_float32(AUDIO[:CHUNK])
    assert_below(BUFFER_LIMIT_MS, lambda: buffer.write(audio))
    np.testing.assert_array_equal(buffer.read(8 * CHUNK)[-CHUNK:], audio)


@pytest.mark.parametrize("direction", ["int16 to float32", "float32 to int16"])
def test_conversion(assert_below: Callable[..., Any], direction: str) -> None:
    floats = AUDIO[: 16 * CHUNK] / np.float32(32768)
    if direction == "int16 to float32":
        answer = assert_below(BUFFER_LIMIT_MS, lambda: pcm16_to_float32(AUDIO[: 16 * CHUNK]))
        np.testing.assert_array_equal(answer, floats)
    else:
        answer = assert_below(BUFFER_LIMIT_MS, lambda: float32_to_pcm16(floats))
        np.testing.assert_array_equal(answer, AUDIO[: 16 * CHUNK])


@pytest.mark.parametrize("face", ["Analyzer", "RealtimeAudioAnalyzer"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_full_analysis_of_1024_samples(assert_below: Callable[..., Any], face: str, dtype: str) -> None:
    audio = AUDIO if dtype == "int16" else pcm16_to_float32(AUDIO)
    chunks = [audio[i : i + CHUNK] for i in range(0, len(audio), CHUNK)]
    position = iter(range(10**9))
    if face == "Analyzer":
        analyzer = Analyzer(RATE)
        result = assert_below(ANALYSIS_LIMIT_MS, lambda: analyzer.push(chunks[next(position) % len(chunks)]))
    else:
        realtime = RealtimeAudioAnalyzer(RATE)
        result = assert_below(ANALYSIS_LIMIT_MS, lambda: realtime.analyze(chunks[next(position) % len(chunks)], 0.0))
    assert result.pitch == pytest.approx(440, abs=2)
    assert result.rms == pytest.approx(10_000 / 32768 / np.sqrt(2), rel=0.02)
