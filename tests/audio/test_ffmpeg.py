"""The door to FFmpeg: what comes from strangers is read as a few formats, and names no other file."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

import numpy as np
import pytest

av = pytest.importorskip("av")

from fastring.audio.container import ContainerDecoder  # noqa: E402
from fastring.audio.ffmpeg import CODECS, FORMATS, decoded_frames, open_container  # noqa: E402
from fastring.audio.files import read_audio  # noqa: E402
from fastring.errors import DecodeError  # noqa: E402
from fastring.recordings import recording  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

PLAYLIST = b"ffconcat version 1.0\nfile other.wav\n"


def heard_from_bytes(data: bytes) -> int:
    with open_container(io.BytesIO(data), "the audio") as container:
        return sum(len(samples) for samples, _ in decoded_frames(container))


def test_names_are_ffmpegs() -> None:
    known = {part for name in av.formats_available for part in name.split(",")}
    assert set(FORMATS) - known <= {"amrnb", "amrwb"}
    assert {"opus", "vorbis", "flac", "aac", "mp3float", "pcm_s16le"} <= set(CODECS) & av.codecs_available


def test_a_playlist_of_a_stranger_opens_no_file_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.wav").write_bytes(recording("seen_0").path.read_bytes())
    (tmp_path / "list.ffconcat").write_bytes(PLAYLIST)
    monkeypatch.chdir(tmp_path)
    assert len(read_audio("list.ffconcat")[0]) > 8000  # FFmpeg would do it: for a path of one's own, it does
    with pytest.raises(DecodeError):
        heard_from_bytes(PLAYLIST)
    with pytest.raises(DecodeError):
        ContainerDecoder().push(PLAYLIST * 1000)


def test_a_session_description_of_a_stranger_opens_no_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] & ~1
    described = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    with pytest.raises(DecodeError, match="no audio that can be decoded"):
        heard_from_bytes(described.encode())


def test_a_codec_that_is_not_on_the_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("tta", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    assert len(read_audio(path)[0]) == 16_000
    with pytest.raises(DecodeError, match="not decoded here"):
        heard_from_bytes(path.read_bytes())
