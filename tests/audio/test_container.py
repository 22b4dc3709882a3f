from __future__ import annotations

import contextlib
import gc
import random
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.audio.container import ContainerDecoder
from fastring.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    MakeContainer = Callable[..., bytes]
    MakeChirp = Callable[..., NDArray[np.float32]]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    gc.collect()
    deadline = time.monotonic() + 5
    while (
        left := [t.name for t in threading.enumerate() if t.name == "fastring-decode"]
    ) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []


def decoded(data: bytes, seed: int | None = None, **options: object) -> NDArray[np.int16]:
    """Through a decoder, whole or cut at random bytes."""
    parts = [data]
    if seed is not None:
        cuts = sorted(random.Random(seed).choices(range(len(data)), k=40))
        parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return pushed(ContainerDecoder(**options), parts)  # type: ignore[arg-type]


def pushed(decoder: ContainerDecoder, parts: list[bytes]) -> NDArray[np.int16]:
    return np.concatenate([*(decoder.push(part) for part in parts), decoder.flush()])


def assert_same_sound(heard: NDArray[np.int16], expected: NDArray[np.float32]) -> None:
    """Codecs are lossy, and AAC and MP3 shift a little: judge by correlation at the best shift of up to 100 ms."""
    signal = heard.astype(np.float64)
    wanted = expected.astype(np.float64)
    spectrum = np.fft.rfft(signal, 1 << 17) * np.conj(np.fft.rfft(wanted, 1 << 17))
    correlation = np.fft.irfft(spectrum) / np.sqrt(np.sum(signal**2) * np.sum(wanted**2))
    best = max(correlation[:1600].max(), correlation[-1600:].max())
    assert best > 0.98
    assert abs(len(heard) - len(expected)) < 2_400


def test_every_container_sounds_as_it_did(
    container_name: str, make_container: MakeContainer, make_chirp: MakeChirp
) -> None:
    assert_same_sound(decoded(make_container(container_name)), make_chirp(16_000, 2.0)[:, 0])


@pytest.mark.parametrize("seed", [1, 2])
def test_cuts_at_random_bytes_change_nothing(container_name: str, make_container: MakeContainer, seed: int) -> None:
    data = make_container(container_name)
    np.testing.assert_array_equal(decoded(data, seed), decoded(data))


@pytest.mark.parametrize("name", ["wav", "flac", "webm", "mp3", "fmp4"])
def test_byte_by_byte_is_fine_too(name: str, make_container: MakeContainer) -> None:
    data = make_container(name, 0.2)
    decoder = ContainerDecoder()
    heard = np.concatenate([*(decoder.push(data[i : i + 1]) for i in range(len(data))), decoder.flush()])
    np.testing.assert_array_equal(heard, decoded(data))


@pytest.mark.parametrize("name", ["wav", "flac", "webm", "ogg", "mp3", "adts", "fmp4", "fmp4-opus", "mp4-faststart"])
def test_audio_comes_while_the_stream_goes_on(name: str, make_container: MakeContainer) -> None:
    """Half of the bytes give most of half of the audio: nobody waits for the end. (FLAC looks 10 frames ahead.)"""
    data = make_container(name, 6.0)
    decoder = ContainerDecoder()
    half = sum(len(decoder.push(data[i : i + 1000])) for i in range(0, len(data) // 2, 1000))
    assert half > (1.8 if name == "flac" else 2.5) * 16_000
    decoder.close()


def test_stereo_is_mixed_kept_or_picked(make_container: MakeContainer, make_chirp: MakeChirp) -> None:
    data, chirp = make_container("flac", channels=2), make_chirp(16_000, 2.0, 2)
    assert_same_sound(decoded(data), chirp.mean(axis=1))
    assert_same_sound(decoded(data, channels=1), chirp[:, 1])
    kept = decoded(data, channels="keep")
    assert kept.shape == (32_000, 2)
    level = np.abs(kept.astype(np.float64)).mean(axis=0)
    assert level[1] / level[0] == pytest.approx(0.5, abs=0.01)


def test_the_rate_asked_for_is_given(make_container: MakeContainer) -> None:
    assert len(decoded(make_container("wav"), sample_rate=44_100)) == 88_200


@pytest.mark.parametrize("data", [b"x" * 5000, bytes(100), b"RIFF....", b"\x00\x00\x00\x18ftypisom", b"{}"])
def test_what_is_no_container_is_a_clear_error(data: bytes) -> None:
    decoder = ContainerDecoder()
    with pytest.raises(DecodeError):
        pushed(decoder, [data] * 3)
    with pytest.raises(DecodeError):
        decoder.push(data)


@pytest.mark.parametrize(
    "data", [b"this is no audio at all ", bytes(24), b"\x01\x00\x02\x00\xfd\xff"], ids=["text", "zeros", "pcm"]
)
def test_what_begins_like_no_container_is_refused_soon(data: bytes) -> None:
    decoder = ContainerDecoder()
    with pytest.raises(DecodeError):
        decoder.push((data * 16_384)[:65_536])


def test_random_bytes_never_hang_or_leak() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        with pytest.raises(DecodeError):
            pushed(ContainerDecoder(), [rng.bytes(3_000) for _ in range(4)])


@pytest.mark.parametrize("seed", range(4))
def test_damage_inside_costs_only_what_is_damaged(
    container_name: str, make_container: MakeContainer, seed: int
) -> None:
    """Whatever happens to the bytes, the answer is audio or `DecodeError`."""
    data = bytearray(make_container(container_name))
    rng = random.Random(seed)
    for _ in range(20):
        data[rng.randrange(200, len(data))] ^= rng.randrange(1, 256)
    with contextlib.suppress(DecodeError):
        assert len(decoded(bytes(data))) < 16_000 * 60


def test_nothing_pushed_is_nothing_heard() -> None:
    decoder = ContainerDecoder()
    assert len(decoder.push(b"")) == 0
    assert len(decoder.flush()) == 0


def test_a_stream_that_breaks_off_gives_what_it_had(make_container: MakeContainer) -> None:
    data = make_container("webm", 4.0)
    assert len(decoded(data[: len(data) // 2])) > 16_000


def test_a_plain_wav_needs_no_thread_and_no_wait(make_container: MakeContainer) -> None:
    data, before = make_container("wav"), decoding_threads()
    decoder = ContainerDecoder()
    heard = [decoder.push(data[i : i + 320]) for i in range(0, 3_200, 320)]
    assert [len(samples) for samples in heard[1:]] == [160] * 9
    assert decoding_threads() == before


def test_what_follows_the_samples_of_a_wav_is_not_heard(make_container: MakeContainer) -> None:
    data = make_container("wav")
    np.testing.assert_array_equal(decoded(data + b"LIST\x04\0\0\0abcd", seed=1), decoded(data))


def test_compressed_silence_is_bounded(make_container: MakeContainer) -> None:
    with pytest.raises(DecodeError, match="more than 16000 samples"):
        decoded(make_container("flac"), max_burst_s=1.0)


@pytest.mark.parametrize("close", [True, False], ids=["closed twice", "dropped"])
def test_a_decoder_that_is_dropped_or_closed_leaves_no_thread(make_container: MakeContainer, close: bool) -> None:
    before = decoding_threads()
    decoder = ContainerDecoder()
    decoder.push(make_container("webm")[:500])
    (mine,) = decoding_threads() - before
    if close:
        decoder.close()
        decoder.close()
    del decoder
    mine.join(5)
    assert not mine.is_alive()


def decoding_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "fastring-decode"}


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"fastring\[files\]"):
        ContainerDecoder()
