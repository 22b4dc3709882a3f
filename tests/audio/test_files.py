from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.audio.files import read_audio, stream_audio
from fastring.errors import ConfigError, DecodeError
from fastring.recordings import recording, recording_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def container_file(container_name: str, make_container: Callable[..., bytes], tmp_path: Path) -> Path:
    path = tmp_path / f"sound.{container_name}"
    path.write_bytes(make_container(container_name))
    return path


def pcm(name: str) -> NDArray[np.int16]:
    with wave.open(str(recording_path(name))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def test_a_wav_is_read_exactly() -> None:
    samples, sample_rate = read_audio(recording_path("seen_2"))
    assert sample_rate == 16_000
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples * 32768, pcm("seen_2"))


def test_a_file_may_be_given_open() -> None:
    data = io.BytesIO(recording_path("seen_2").read_bytes())
    file = stream_audio(data)
    assert (file.duration_s, file.file_channels) == (pytest.approx(2.779, abs=0.01), 1)
    for _ in range(2):  # from the beginning each time
        np.testing.assert_array_equal(np.concatenate(list(file)), pcm("seen_2"))


def test_every_container_has_its_length_and_rate(container_file: Path) -> None:
    samples, sample_rate = read_audio(container_file)
    assert sample_rate in (16_000, 44_100, 48_000)
    assert len(samples) / sample_rate == pytest.approx(2.0, abs=0.15)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_the_rate_asked_for_is_given(container_file: Path) -> None:
    samples, sample_rate = read_audio(container_file, sample_rate=22_050)
    assert sample_rate == 22_050
    assert len(samples) / 22_050 == pytest.approx(2.0, abs=0.15)


def test_stereo_is_mixed_or_kept(make_container: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "stereo.flac"
    path.write_bytes(make_container("flac", channels=2))
    kept, _ = read_audio(path, channels="keep")
    mixed, _ = read_audio(path)
    assert kept.shape == (88_200, 2)
    np.testing.assert_allclose(mixed, kept.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("chunk_s", [1 / 16_000, 0.02, 0.1, 0.33, 60.0])
def test_a_stream_is_the_file_in_chunks(chunk_s: float) -> None:
    file = stream_audio(recording_path("seen_0"), chunk_s)
    chunks = list(file)
    assert {len(chunk) for chunk in chunks[:-1]} <= {round(chunk_s * 16_000)}
    assert 0 < len(chunks[-1]) <= round(chunk_s * 16_000)
    np.testing.assert_array_equal(np.concatenate(chunks), pcm("seen_0"))
    np.testing.assert_array_equal(np.concatenate(list(file)), pcm("seen_0"))


def test_a_stream_knows_its_duration(container_file: Path) -> None:
    file = stream_audio(container_file)
    total = sum(len(chunk) for chunk in file) / 16_000
    assert total == pytest.approx(2.0, abs=0.15)
    if file.duration_s is not None:
        assert file.duration_s == pytest.approx(total, abs=0.15)


def test_the_duration_of_a_recording_is_known() -> None:
    assert stream_audio(recording_path("seen_8")).duration_s == pytest.approx(recording("seen_8").duration_s, abs=0.001)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    for read in (read_audio, stream_audio):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing.wav")
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not audio at all", bytes(1000)], ids=["empty", "text", "zeros"])
def test_what_is_no_audio_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    for read in (read_audio, stream_audio):
        with pytest.raises(DecodeError, match=r"notes\.txt"):
            read(path)


def test_a_picture_holds_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "picture.pgm"
    path.write_bytes(b"P5 8 8 255\n" + bytes(64))
    with pytest.raises(DecodeError, match="no audio"):
        read_audio(path)


def test_chunks_have_at_least_a_sample() -> None:
    with pytest.raises(ConfigError, match="chunk_s"):
        stream_audio(recording_path("seen_0"), 0.0)
