"""The digits model, loaded once for all tests that need it, and the recordings as samples."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings
from fastring.recordings import recording_path

if TYPE_CHECKING:
    from collections.abc import Callable

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
