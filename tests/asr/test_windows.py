from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.asr.windows import quiet_cuts

RATE = 1000


@given(st.integers(0, 200_000), st.integers(0, 2**32 - 1))
def test_spans_cover_everything_once_and_fit(n_samples: int, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)
    spans = quiet_cuts(samples, RATE)
    assert spans[0][0] == 0
    assert spans[-1][1] == n_samples
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))
    assert all(end - begin <= 28 * RATE for begin, end in spans)
    assert all(end - begin >= 15 * RATE for begin, end in spans[:-1])


@pytest.mark.parametrize("pause_s", [15.5, 20.0, 27.0])
def test_the_cut_is_in_the_pause(pause_s: float) -> None:
    samples = np.random.default_rng(1).standard_normal(40 * RATE).astype(np.float32)
    samples[int(pause_s * RATE) : int((pause_s + 0.4) * RATE)] *= 0.01
    (_, cut), _ = quiet_cuts(samples, RATE)
    assert pause_s <= cut / RATE <= pause_s + 0.4
