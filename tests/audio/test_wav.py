from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.audio.format import AudioFormat
from fastring.audio.wav import is_wav, read_wav_head
from fastring.recordings import recording_path


def head(
    tag: int, bits: int, *, rate: int = 16_000, channels: int = 1, length: int = 1000, extra: bytes = b""
) -> bytes:
    chunk = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(chunk)) + chunk + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", (len(body) + length) % 2**32) + body


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"), [(1, 16, "linear16"), (3, 32, "float32"), (6, 8, "alaw"), (7, 8, "mulaw")]
)
def test_plain_kinds_are_known(tag: int, bits: int, encoding: str) -> None:
    found = read_wav_head(head(tag, bits, rate=44_100, channels=2))
    assert found is not None
    assert found.format == AudioFormat(encoding, 44_100, 2)  # type: ignore[arg-type]
    assert (found.size, found.data_bytes) == (44, 1000)


def test_the_extensible_tag_says_its_kind_later() -> None:
    extra = struct.pack("<HHIH14x", 22, 16, 0, 1)
    found = read_wav_head(head(0xFFFE, 16, extra=extra))
    assert found is not None
    assert found.format == AudioFormat("linear16", 16_000, 1)


@pytest.mark.parametrize(("tag", "bits", "rate"), [(1, 24, 16_000), (2, 4, 16_000), (1, 16, 4_000), (0x55, 0, 16_000)])
def test_other_kinds_are_ffmpeg_s(tag: int, bits: int, rate: int) -> None:
    found = read_wav_head(head(tag, bits, rate=rate))
    assert found is not None
    assert found.format is None


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000])
def test_a_length_that_nobody_knew_is_none(length: int) -> None:
    found = read_wav_head(head(1, 16, length=length))
    assert found is not None
    assert found.data_bytes is None


def test_chunks_in_between_are_passed_over() -> None:
    plain = head(1, 16)
    noted = plain[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + plain[36:]
    found = read_wav_head(noted)
    assert found is not None
    assert (found.size, found.data_bytes) == (56, 1000)


def test_every_cut_of_the_head_waits_for_the_rest() -> None:
    data = recording_path("seen_0").read_bytes()[:60]
    found = read_wav_head(data)
    assert found is not None
    for n in range(found.size):
        assert is_wav(data[:n]) in (None, True)
        assert read_wav_head(data[:n]) is None


@pytest.mark.parametrize("begun", [b"x", b"RIFX", b"OggS", b"RIFF\0\0\0\0AVI ", b"\x1aE\xdf\xa3"])
def test_other_files_are_no_wav(begun: bytes) -> None:
    assert is_wav(begun) is False


PIECES = [b"fmt ", b"data", b"LIST", struct.pack("<I", 16), head(1, 16)[20:36], head(1, 16)[12:]]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=8).map(b"".join))
def test_any_bytes_may_follow(data: bytes) -> None:
    """Whatever it is: what the first of them say, more of them do not change."""
    begun = b"RIFF\0\0\0\0WAVE" + data
    found = read_wav_head(begun)
    for n in range(len(begun)):
        assert read_wav_head(begun[:n]) in (None, found)
    if found is not None and found.size:
        assert begun[found.size - 8 : found.size - 4] == b"data"


def test_a_head_without_end_is_given_up() -> None:
    found = read_wav_head(b"RIFF\0\0\0\0WAVEjunk" + struct.pack("<I", 0xFFFFFFF0))
    assert found is None or found.format is None
