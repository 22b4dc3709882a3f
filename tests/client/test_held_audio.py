from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.client.held_audio import HeldAudio
from fastring.errors import AudioFormatError


def test_audio_is_read_by_index_as_far_as_it_is_held() -> None:
    held = HeldAudio(2)
    held.append(bytes(range(20)))
    held.forget(4)
    assert (held.oldest, held.end, len(held)) == (4, 10, 6)
    assert held.read(6, 2) == bytes([12, 13, 14, 15])
    assert held.read(9, 100) == bytes([18, 19])
    assert held.read(10, 5) == b""


def test_half_a_sample_is_refused() -> None:
    held = HeldAudio(4)
    with pytest.raises(AudioFormatError, match="6 bytes"):
        held.append(bytes(6))
    assert held.end == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=40))
def test_it_is_a_window_of_the_stream(steps: list[tuple[bool, int]]) -> None:
    held, stream, oldest = HeldAudio(1), b"", 0
    for forgets, amount in steps:
        if forgets:
            held.forget(amount * 4)
            oldest = max(oldest, min(amount * 4, len(stream)))
        else:
            more = bytes((len(stream) + n) % 256 for n in range(amount))
            held.append(more)
            stream += more
        assert (held.oldest, held.end) == (oldest, len(stream))
        assert held.read(oldest, 1000) == stream[oldest:]
