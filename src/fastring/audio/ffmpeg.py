"""The one door to FFmpeg: a container is opened, and its audio comes out frame by frame.

FFmpeg reads some 300 formats, of which a few name other files or listen on ports (playlists, `concat`, SDP), and many
are of old games. Bytes that came from somebody are read as one of a few (`FORMATS`, `CODECS`), and the video beside the
audio is not decoded at all. A path that the user of this machine typed is read as whatever it is.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastring.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

__all__ = ["CODECS", "FORMATS", "check_av", "decoded_frames", "import_av", "open_container"]

FORMATS: Final = (
    *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "asf", "au", "caf", "eac3", "flac", "flv", "matroska", "mov"),
    *("mp3", "mpeg", "mpegts", "ogg", "w64", "wav", "wv"),
)
"""FFmpeg's names of the containers that are read from bytes."""

CODECS: Final = (
    *("aac", "aac_latm", "ac3", "alac", "amrnb", "amrwb", "eac3", "flac", "g722", "gsm", "gsm_ms", "libspeex"),
    *("libopus", "libvorbis", "libopencore_amrnb", "libopencore_amrwb", "mp2", "mp2float", "mp3", "mp3float", "opus"),
    *("speex", "vorbis", "wavpack", "wmav1", "wmav2", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf"),
    *(f"pcm_{kind}" for kind in ("alaw", "mulaw", "s8", "u8", "f32be", "f32le", "f64be", "f64le", "lpcm", "bluray")),
    *(f"pcm_s{bits}{order}" for bits in (16, 24, 32) for order in ("be", "le")),
)
"""Its names of the codecs."""

_CAREFUL: Final = {"format_whitelist": ",".join(FORMATS), "codec_whitelist": ",".join(CODECS)}

_NO_AV: Final = "containers and files need PyAV: pip install 'fastring[files]'"
_TOO_MANY_PLANES = 8
MAX_BAD_PACKETS = 100  # in a row; a stream that holds nothing else is given up


def import_av() -> ModuleType:
    """PyAV.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ConfigError(_NO_AV) from error
    return av


def check_av() -> None:
    """See that PyAV is there, without loading it.

    Raises:
        ConfigError: if it is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise ConfigError(_NO_AV)


def open_container(file: Any, name: str, options: dict[str, str] | None = None) -> Any:
    """A container that holds audio, open for reading; a context manager.

    Args:
        file: a path, or an object with `read`, and `seek` and `tell` if it can, which is read with care: see above.
        name: what messages call it.
        options: of FFmpeg.

    Raises:
        DecodeError: if it is no container that FFmpeg knows, or one without audio.
    """
    av = import_av()
    careful = not isinstance(file, str)
    try:
        container = av.open(file, mode="r", options={**_CAREFUL, **(options or {})} if careful else options)
    except av.error.FFmpegError as error:
        raise DecodeError(f"{name} is no audio that can be decoded ({error.strerror})") from error
    if not container.streams.audio:
        container.close()
        raise DecodeError(f"{name} holds no audio")
    codec = container.streams.audio[0].codec_context
    if careful and (codec is None or codec.name not in CODECS):
        container.close()
        raise DecodeError(f"{name} holds audio that is not decoded here ({codec.name if codec else 'unknown codec'})")
    return container


def decoded_frames(container: Any) -> Iterator[tuple[NDArray[np.float32], int]]:
    """The first audio stream, frame by frame: float32 of shape (n, channels), and the frame's sample rate.

    Packets that cannot be decoded are passed over.

    Raises:
        DecodeError: if there is nothing else, or the file breaks off in a way that FFmpeg cannot read.
    """
    av = import_av()
    stream = container.streams.audio[0]
    planes = _Planes()
    bad = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                bad += 1
                if bad > MAX_BAD_PACKETS:
                    raise DecodeError(f"{bad} packets in a row cannot be decoded") from error
                continue
            for frame in frames:
                bad = 0
                yield _frame_samples(planes.safe(frame)), frame.sample_rate
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        raise DecodeError(f"decoding failed ({error.strerror})") from error
    if bad:
        raise DecodeError(f"the last {bad} packets cannot be decoded")


class _Planes:
    """Keeps PyAV from frames with a plane for each of eight channels or more.

    It looks for a null pointer after the last plane, but FFmpeg keeps eight pointers and then other things: an ordinary
    file with 7.1 channels of AAC or Opus would end the process. FFmpeg itself puts such channels into one plane.
    """

    def __init__(self) -> None:
        self._like: tuple[object, ...] = ()
        self._resampler: Any = None

    def safe(self, frame: Any) -> Any:
        """The frame, with its channels in turns in one plane if they are too many.

        Raises:
            DecodeError: FFmpeg does not do it with these.
        """
        if not frame.format.is_planar or frame.layout.nb_channels < _TOO_MANY_PLANES:
            return frame
        like = (frame.format.name, frame.layout.name, frame.sample_rate)
        try:
            if like != self._like:
                self._resampler = import_av().AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
                self._like = like
            frame.pts = None
            (packed,) = self._resampler.resample(frame)
        except ValueError as error:
            raise DecodeError(f"{frame.layout.nb_channels} channels cannot be decoded: {error}") from error
        return packed


def _frame_samples(frame: Any) -> NDArray[np.float32]:
    """Float32 in [-1, 1] of shape (n, channels), from any of FFmpeg's sample formats."""
    raw = frame.to_ndarray()
    channels = len(frame.layout.channels)
    planes = raw.T if frame.format.is_planar else raw.reshape(-1, channels)
    if planes.dtype == np.uint8:
        planes = planes.astype(np.int16) - 128
        full_scale = 128.0
    elif np.issubdtype(planes.dtype, np.integer):
        full_scale = -float(np.iinfo(planes.dtype).min)
    else:
        full_scale = 1.0
    return np.ascontiguousarray(planes / full_scale, np.float32)
