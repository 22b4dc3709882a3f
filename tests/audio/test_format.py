from __future__ import annotations

from typing import Any

import pytest

from fastring.audio.format import AudioFormat
from fastring.errors import AudioFormatError


@pytest.mark.parametrize(
    ("encoding", "channels", "frame_bytes"),
    [
        ("linear16", 1, 2),
        ("linear16", 2, 4),
        ("float32", 3, 12),
        ("mulaw", 1, 1),
        ("alaw", 32, 32),
        ("container", 2, 0),
    ],
)
def test_a_frame_is_one_sample_of_every_channel(encoding: Any, channels: int, frame_bytes: int) -> None:
    assert AudioFormat(encoding, 16_000, channels).frame_bytes == frame_bytes


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("encoding", "opus", "linear16"),
        ("encoding", "", "linear16"),
        *(("sample_rate", value, r"8000\.\.192000") for value in (0, -1, 7999, 192_001, 16_000.0, "16000", True)),
        *(("channels", value, r"1\.\.32") for value in (0, 33, 1.5, None, True)),
    ],
)
def test_what_is_out_of_range_is_named_with_its_limit(name: str, value: Any, limit: str) -> None:
    with pytest.raises(AudioFormatError, match=f"^{name} = .*{limit}"):
        AudioFormat(**{name: value})


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 44_100, 192_000])
def test_the_edges_are_inside(sample_rate: int) -> None:
    assert AudioFormat("float32", sample_rate, 32).sample_rate == sample_rate
