"""The conversions against NumPy: int16 to float32 and back, with a new array and into a given one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from interleave import Comparison, Contestant

from fastring import float32_to_pcm16, pcm16_to_float32

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SIZES = (320, 1024, 4096, 16384)


def to_float32(n: int) -> list[Contestant]:
    """Int16 / 32768."""
    audio = np.random.default_rng(n).integers(-32768, 32768, n).astype(np.int16)
    names = {
        "audio": audio,
        "out": np.empty(n, np.float32),
        "convert": pcm16_to_float32,
        "float32": np.float32,
        "scale": np.float32(1 / 32768),
        "multiply": np.multiply,
    }
    return [
        Contestant("fastring into", "convert(audio, out)", "convert(audio, out)", names),
        Contestant("fastring new", "convert(audio)", "convert(audio)", names),
        Contestant("astype / 32768", "audio.astype(float32) / 32768", "audio.astype(float32) / 32768", names),
        Contestant("multiply(out=)", "multiply(audio, scale, out=out)", "multiply(audio, scale, out=out)", names),
    ]


def to_pcm16(n: int) -> list[Contestant]:
    """Float32 * 32768, rounded and saturated."""
    audio = np.random.default_rng(n).normal(0, 0.5, n).astype(np.float32)
    names = {
        "audio": audio,
        "out": np.empty(n, np.int16),
        "convert": float32_to_pcm16,
        "int16": np.int16,
        "rint": np.rint,
        "clip": np.clip,
    }
    numpy = "clip(rint(audio * 32768), -32768, 32767).astype(int16)"
    return [
        Contestant("fastring into", "convert(audio, out)", "convert(audio, out)", names),
        Contestant("fastring new", "convert(audio)", "convert(audio)", names),
        Contestant("rint + clip", numpy, numpy, names),
    ]


COMPARISONS = [
    Comparison("int16 to float32 into, 1024", to_float32(1024), "fastring into", "astype / 32768", 8),
    Comparison("int16 to float32 new, 1024", to_float32(1024), "fastring new", "astype / 32768", 6),
    Comparison("float32 to int16 into, 1024", to_pcm16(1024), "fastring into", "rint + clip", 14),
    Comparison("float32 to int16 new, 1024", to_pcm16(1024), "fastring new", "rint + clip", 10),
]


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("which", range(4), ids=[c.name for c in to_float32(1)])
def test_int16_to_float32(benchmark: BenchmarkFixture, n: int, which: int) -> None:
    contestant = to_float32(n)[which]
    benchmark.group = f"int16 to float32, {n}"
    answer = benchmark(eval(f"lambda: {contestant.statement}", contestant.names))
    np.testing.assert_array_equal(answer, contestant.names["audio"] / 32768)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("which", range(3), ids=[c.name for c in to_pcm16(1)])
def test_float32_to_int16(benchmark: BenchmarkFixture, n: int, which: int) -> None:
    contestant = to_pcm16(n)[which]
    benchmark.group = f"float32 to int16, {n}"
    answer = benchmark(eval(f"lambda: {contestant.statement}", contestant.names))
    np.testing.assert_array_equal(answer, to_pcm16(n)[-1].run())


@pytest.mark.parametrize("comparison", COMPARISONS, ids=[c.title for c in COMPARISONS])
def test_ratio(comparison: Comparison) -> None:
    answers = [contestant.run() for contestant in comparison.contestants]
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[-1])
    ratio, figures = comparison.measure()
    assert ratio >= comparison.goal, figures
