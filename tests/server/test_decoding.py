from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from fastring.audio.decode import ContainerDecoder
from fastring.recordings import recording
from fastring.server.decoding import CONTAINER_SLICE_BYTES, PlainDecoder, close_decoder, slice_bytes


@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_plain_samples_are_what_came(dtype: str) -> None:
    samples = np.arange(8).astype(dtype)
    decoder = PlainDecoder(dtype)
    assert np.array_equal(decoder.push(samples.tobytes()), samples)
    assert decoder.flush().size == 0


def test_slices_are_a_quarter_of_a_second_of_whole_frames() -> None:
    assert slice_bytes(16_000, 2) == 8_000
    assert slice_bytes(44_100, 8) == 88_200
    assert slice_bytes(16_000, 0) == CONTAINER_SLICE_BYTES


def test_closing_a_container_decoder_ends_its_thread() -> None:
    before = threading.active_count()
    decoder = ContainerDecoder()
    decoder.push(Path(recording("seen_0").path).read_bytes()[:4096])
    close_decoder(decoder)
    assert threading.active_count() == before
