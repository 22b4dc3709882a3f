from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from fastring import RealtimeAnalysisResult, RealtimeAudioAnalyzer
from fastring.errors import AudioFormatError

FIRST_FIELDS = [
    "timestamp",
    "tempo",
    "pitch",
    "energy",
    "rms",
    "spectral_centroid",
    "spectral_rolloff",
    "zero_crossing_rate",
    "onset_detected",
]


def chunks(seconds: float = 1.0, n: int = 1024) -> list[np.ndarray]:
    t = np.arange(int(44100 * seconds)) / 44100
    x = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    return [x[i : i + n] for i in range(0, len(x), n)]


def test_fields_come_in_the_promised_order() -> None:
    names = [f.name for f in dataclasses.fields(RealtimeAnalysisResult)]
    assert names[: len(FIRST_FIELDS)] == FIRST_FIELDS
    result = RealtimeAudioAnalyzer().analyze(chunks()[0], 1.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.rms = 1.0  # type: ignore[misc]


async def test_awaited_and_not_are_the_same() -> None:
    awaited, plain = RealtimeAudioAnalyzer(sample_rate=44100), RealtimeAudioAnalyzer(sample_rate=44100)
    for i, chunk in enumerate(chunks()):
        assert await awaited.analyze_chunk(chunk, i * 0.1) == plain.analyze(chunk, i * 0.1)


def test_a_tone_is_measured() -> None:
    analyzer = RealtimeAudioAnalyzer(44100)
    results = [analyzer.analyze(c, float(i)) for i, c in enumerate(chunks())]
    last = results[-2]
    assert last.timestamp == len(results) - 2
    assert last.pitch == pytest.approx(440, rel=1e-3)
    assert last.rms == pytest.approx(0.5 / math.sqrt(2), rel=0.01)
    assert last.spectral_centroid == pytest.approx(440, rel=0.2)
    assert last.tempo is None
    assert not any(r.onset_detected for r in results)  # the stream begins in the middle of it


def test_reset_starts_over() -> None:
    analyzer = RealtimeAudioAnalyzer(44100)
    first = [analyzer.analyze(c, 0.0) for c in chunks(0.2)]
    analyzer.reset()
    assert [analyzer.analyze(c, 0.0) for c in chunks(0.2)] == first
    assert analyzer.sample_rate == 44100


def test_wrong_dtype_is_refused() -> None:
    with pytest.raises(AudioFormatError, match="float64"):
        RealtimeAudioAnalyzer().analyze(np.zeros(10), 0.0)  # type: ignore[arg-type]


def test_it_shows_what_it_is() -> None:
    analyzer = RealtimeAudioAnalyzer()
    analyzer.analyze(np.zeros(100, np.float32))
    assert repr(analyzer) == "<RealtimeAudioAnalyzer 1 x 44100 Hz, 100 samples analysed>"
