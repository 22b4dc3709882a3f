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


@pytest.mark.parametrize(
    ("codec", "container", "layout"),
    [("libopus", "ogg", "7.1"), ("libopus", "matroska", "7.1"), ("aac", "adts", "7.1"), ("libopus", "ogg", "5.1")],
)
def test_eight_channels_end_no_process(codec: str, container: str, layout: str) -> None:
    """Each comes out in its place, though PyAV looks for a ninth plane past their end."""
    n_channels = len(av.AudioLayout(layout).channels)
    tones = [300 if channel == 3 else 200 + 100 * channel for channel in range(n_channels)]
    n, data = 960 * 20, io.BytesIO()
    tone = np.stack([0.3 * np.sin(2 * np.pi * hz * np.arange(n) / 48_000) for hz in tones], axis=1)
    kind = np.float32 if codec == "aac" else np.int16
    with av.open(data, "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout=layout)
        for start in range(0, n, 960):
            samples = tone[start : start + 960] * (1 if codec == "aac" else 32_767)
            frame = av.AudioFrame.from_ndarray(
                samples.astype(kind).reshape(1, -1), format="flt" if codec == "aac" else "s16", layout=layout
            )
            frame.sample_rate, frame.pts = 48_000, start
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    heard, rate = read_audio(io.BytesIO(data.getvalue()), channels="keep")
    assert (rate, heard.shape[1]) == (48_000, n_channels)
    spectrum = np.abs(np.fft.rfft(heard[4800:14_400], axis=0))
    found = 5 * np.argmax(spectrum, axis=0)
    assert [hz for channel, hz in enumerate(found) if channel != 3] == [
        hz
        for channel, hz in enumerate(tones)
        if channel != 3  # the low-frequency channel keeps low frequencies alone
    ]
    assert len(ContainerDecoder().push(data.getvalue())) > 0


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
