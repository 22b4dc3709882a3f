"""The digits model, loaded once for all tests that need it, the recordings as samples, and pools that end clean."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gated_engine import Engine, Outcomes, pool_threads

from fastring.asr.pool import TranscriberPool
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings
from fastring.recordings import recording_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


@pytest.fixture(scope="session")
def whisper() -> WhisperTranscriber:
    return WhisperTranscriber(AsrSettings(model="digits", device="cpu", workers=2))


@pytest.fixture(scope="session")
def speech() -> Callable[[str], NDArray[np.float32]]:
    """A bundled recording as float32."""

    def read(name: str) -> NDArray[np.float32]:
        with wave.open(str(recording_path(name))) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768

    return read


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


@pytest.fixture
def new_pool() -> Iterator[Callable[..., TranscriberPool]]:
    pools: list[tuple[TranscriberPool, Engine]] = []
    others = pool_threads()

    def build(engine: Engine, **options: Any) -> TranscriberPool:
        pools.append((TranscriberPool(engine, **options), engine))
        return pools[-1][0]

    yield build
    for pool, engine in pools:
        engine.open()
        assert pool.close()
    assert pool_threads() <= others
