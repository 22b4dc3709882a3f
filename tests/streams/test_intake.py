from __future__ import annotations

import numpy as np
import pytest

from fastring.errors import AudioFormatError, ConfigError
from fastring.streams.intake import check_encoding, check_size, for_float32_ring


def test_float32_is_passed_on_as_it_is() -> None:
    samples = np.ones(3, np.float32)
    assert for_float32_ring(samples, "float32") is samples
    data = samples.tobytes()
    assert for_float32_ring(data, "float32") is data


def test_int16_is_divided_by_32768() -> None:
    pcm = np.array([[-32768, 0], [16384, 32767]], "<i2")
    expected = pcm.astype(np.float32) / 32768
    np.testing.assert_array_equal(for_float32_ring(pcm, "float32"), expected)
    np.testing.assert_array_equal(for_float32_ring(pcm.tobytes(), "linear16"), expected.reshape(-1))


@pytest.mark.parametrize("bad", [np.ones(2), np.ones(2, np.int32), [1.0], "x", None, 3])
def test_anything_else_is_refused(bad: object) -> None:
    with pytest.raises(AudioFormatError, match="must be"):
        for_float32_ring(bad, "float32")


def test_odd_bytes_are_no_samples() -> None:
    with pytest.raises(AudioFormatError, match="3"):
        for_float32_ring(b"abc", "linear16")


def test_encodings() -> None:
    assert check_encoding("linear16") == "linear16"
    with pytest.raises(ConfigError, match=r"mp3.*float32 or linear16"):
        check_encoding("mp3")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [0, -1, 1.5, "8", None, True])
def test_a_size_is_a_whole_number_that_makes_sense(bad: object) -> None:
    with pytest.raises(ConfigError, match=r"chunk_size = .*: must be a whole number of at least 1"):
        check_size("chunk_size", bad)  # type: ignore[arg-type]
    assert check_size("chunk_size", np.int64(8)) == 8  # type: ignore[arg-type]
