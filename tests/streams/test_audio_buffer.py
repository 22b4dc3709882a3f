from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastring
from fastring import AudioBuffer
from fastring.errors import AudioFormatError, BufferClosedError, ConfigError


def test_what_is_written_is_read_in_order() -> None:
    buffer = AudioBuffer(100)
    assert buffer.write(np.arange(5, dtype=np.float32)) == 5
    assert buffer.write(np.arange(5, 8, dtype=np.float32)) == 3
    assert (len(buffer), buffer.available, buffer.usage) == (8, 8, 0.08)
    np.testing.assert_array_equal(buffer.peek(3), [0, 1, 2])
    np.testing.assert_array_equal(buffer.read(3), [0, 1, 2])
    np.testing.assert_array_equal(buffer.read(), [3, 4, 5, 6, 7])
    assert buffer.read().shape == (0,)


def test_int16_and_bytes_come_out_as_float32() -> None:
    buffer = AudioBuffer(100)
    buffer.write(np.array([-32768, 16384], np.int16))
    buffer.write(np.array([0.25], "<f4").tobytes())
    samples = buffer.read()
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, [-1.0, 0.5, 0.25])
    pcm = AudioBuffer(100, encoding="linear16")
    pcm.write(np.array([-32768, 16384], "<i2").tobytes())
    pcm.write(bytearray(b"\x00\x40"))
    np.testing.assert_array_equal(pcm.read(), [-1.0, 0.5, 0.5])


def test_several_channels() -> None:
    buffer = AudioBuffer(10, channels=2)
    assert buffer.write(np.arange(6, dtype=np.float32)) == 3
    assert buffer.write(np.arange(4, dtype=np.float32).reshape(2, 2)) == 2
    assert buffer.read(1).tolist() == [[0, 1]]
    assert buffer.read().shape == (4, 2)


@given(st.integers(1, 50), st.lists(st.integers(0, 80), max_size=30))
def test_full_means_that_the_oldest_goes(size: int, lengths: list[int]) -> None:
    buffer = AudioBuffer(size)
    written = 0
    for length in lengths:
        buffer.write(np.arange(written, written + length, dtype=np.float32))
        written += length
    held = min(written, size)
    assert (buffer.available, buffer.dropped) == (held, written - held)
    np.testing.assert_array_equal(buffer.read(), np.arange(written - held, written, dtype=np.float32))


def test_clear_is_not_a_loss() -> None:
    buffer = AudioBuffer(10)
    buffer.write(np.ones(7, np.float32))
    buffer.clear()
    assert (len(buffer), buffer.dropped) == (0, 0)
    assert buffer


@pytest.mark.parametrize("frames", [11, 16, 35])
def test_clear_leaves_nothing_after_an_overflow(frames: int) -> None:
    buffer = AudioBuffer(10)
    buffer.write(np.ones(frames, np.float32))
    buffer.clear()
    assert (len(buffer), buffer.dropped, buffer.ring.position) == (0, frames - 10, frames)


def test_close_keeps_what_is_held() -> None:
    buffer = AudioBuffer(10)
    buffer.write(np.ones(7, np.float32))
    buffer.close()
    with pytest.raises(BufferClosedError):
        buffer.write(np.ones(1, np.float32))
    assert len(buffer.read()) == 7


@pytest.mark.parametrize("bad", [b"abc", np.ones(3, np.float64), np.ones((3, 2), np.float32), [0.1, 0.2], "text", None])
def test_bad_audio_is_refused_and_changes_nothing(bad: object) -> None:
    buffer = AudioBuffer(10)
    with pytest.raises(AudioFormatError):
        buffer.write(bad)  # type: ignore[arg-type]
    assert len(buffer) == 0


@pytest.mark.parametrize(
    "arguments", [{"max_size": 0}, {"max_size": 1, "channels": 0}, {"max_size": 1, "encoding": "mp3"}]
)
def test_bad_arguments_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        AudioBuffer(**arguments)  # type: ignore[arg-type]


def test_stats_and_repr() -> None:
    buffer = AudioBuffer(max_size=10)
    buffer.write(np.ones(15, np.float32))
    stats = buffer.stats()
    assert (stats["capacity_samples"], stats["used_samples"], stats["usage"], stats["dropped"]) == (10, 10, 1.0, 5)
    assert "10 of 10" in repr(buffer)


def test_one_writes_while_another_reads() -> None:
    buffer = AudioBuffer(1 << 16)
    total = 200 * 441
    got: list[np.ndarray] = []

    def read() -> None:
        while sum(map(len, got)) < total:
            got.append(buffer.read(500))

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, total, 441):
        while buffer.available > 1 << 15:
            pass
        buffer.write(np.arange(start, start + 441, dtype=np.float32))
    reader.join(10)
    np.testing.assert_array_equal(np.concatenate(got), np.arange(total, dtype=np.float32))


def test_a_peek_that_the_writer_overtakes_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = AudioBuffer(1000)
    buffer.write(np.full(1000, 9, np.float32))
    look, left = buffer.ring.read_at, [3, 2, 1]

    def overtaken(start: int, frames: int) -> object:
        if left:
            buffer.write(np.full(300, left.pop(0), np.float32))
        return look(start, frames)

    monkeypatch.setattr(buffer.ring, "read_at", overtaken)
    np.testing.assert_array_equal(buffer.peek(), np.repeat(np.float32([9, 3, 2, 1]), [100, 300, 300, 300]))


def test_it_is_public() -> None:
    assert fastring.AudioBuffer is AudioBuffer
