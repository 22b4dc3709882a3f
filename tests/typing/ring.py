"""Type-checked, never run: the types a user sees."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from fastring import LostRange, RingBuffer, RingStats, float32_to_pcm16, pcm16_to_float32


async def uses_of_a_ring(audio: NDArray[np.int16], raw: bytes) -> None:
    with RingBuffer(16_000, 2, np.float32, overflow="reject") as ring:
        assert_type(ring.write(audio), int)
        assert_type(ring.write(raw), int)
        assert_type(ring.reserve(10), NDArray[Any])
        assert_type(ring.publish(10), int)
        assert_type(ring.read(), NDArray[Any])
        assert_type(ring.read(10, "float32"), NDArray[np.float32])
        assert_type(ring.read(dtype=np.int16), NDArray[np.int16])
        assert_type(ring.read_at(0, 10, "int16"), NDArray[np.int16])
        assert_type(ring.read_into(bytearray(8)), int)
        assert_type(ring.reader(5).lost(), list[LostRange])
        assert_type(ring.stats(), RingStats)
        assert_type(ring.stats().usage, float)
        async for chunk in ring.chunks(10):
            assert_type(chunk, NDArray[Any])
    assert_type(pcm16_to_float32(audio), NDArray[np.float32])
    assert_type(float32_to_pcm16(pcm16_to_float32(raw)), NDArray[np.int16])
    ring.write("text")  # type: ignore[arg-type]
    RingBuffer(10, dtype="float64")  # type: ignore[arg-type]
