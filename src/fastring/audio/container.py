"""Containers (WAV, WebM, Ogg, MP3, FLAC, MP4, …) decoded with PyAV, from a file or from bytes as they arrive.

FFmpeg pulls bytes, and a stream pushes them. So each `ContainerDecoder` has a thread in which FFmpeg reads, and the two
sides take turns: `push` hands bytes over and returns when FFmpeg asks for more. That makes it deterministic, and bounds
what waits on either side.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

from fastring.audio.feed import Feed, ForwardFeed, Mailbox, SeekableFeed, look_for_index, read_to
from fastring.audio.ffmpeg import check_av, decoded_frames, open_container
from fastring.audio.pcm import float32_to_pcm16
from fastring.audio.raw import PcmDecoder
from fastring.audio.resample import StreamConverter
from fastring.audio.wav import is_wav, read_wav_head
from fastring.errors import DecodeError, FastringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastring.audio.decoder_process import DecoderProcess, RemoteStream
    from fastring.audio.resample import Channels

__all__ = ["ContainerDecoder", "decode_feed"]

# A live stream must not wait until seconds of it are there: audio says what it is in its first packets. Microseconds.
_LIVE = {"analyzeduration": "200000"}

# How a container may begin: offset and bytes. What begins in none of these ways is hardly one, and FFmpeg need not read
# a megabyte of it to say so.
_BEGINNINGS = (
    *(
        (0, magic)
        for magic in (b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"RIFF", b"RF64", b"ID3", b"#!AMR", b"FORM", b"caff")
    ),
    *((0, bytes([0xFF, second])) for second in range(0xE0, 0x100)),  # frames of MPEG audio and ADTS
    *((4, kind) for kind in (b"ftyp", b"styp", b"moof", b"sidx")),
)
_DOUBTFUL_BYTES = 16_384


class ContainerDecoder:
    """Decodes a container from bytes as they arrive: MP3, Ogg, WebM, FLAC, WAV, MP4 and others (`ffmpeg.FORMATS`).

    `push` takes the time that decoding takes (an Opus second takes about 1 ms). One owner at a time. Call `close` when
    the stream ends early; an object that is dropped closes itself.

    Args:
        sample_rate: of what goes out, in Hz.
        channels: what becomes of several channels.
        max_burst_s: no single message may hold more audio than this; compressed silence is endless.
        process: where FFmpeg runs; None: in a thread of this process.

    Raises:
        ConfigError: if PyAV or soxr is not installed.
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        channels: Channels = "mix",
        *,
        max_burst_s: float = 600.0,
        process: DecoderProcess | None = None,
    ) -> None:
        check_av()
        self.sample_rate = sample_rate
        self._channels: Channels = channels
        self._process = process
        if process is not None:
            process.start()
        self._max_burst_samples = round(max_burst_s * sample_rate)
        self._head = b""
        self._inner: _PlainWav | _Ffmpeg | RemoteStream | None = None

    def push(self, data: bytes | bytearray | memoryview) -> NDArray[np.int16]:
        """What can be decoded by now: int16 of shape (n,), or (n, channels) if several are kept; (0,) if nothing.

        Raises:
            DecodeError: if the bytes are no audio that FFmpeg knows; and on every call after that.
        """
        if self._inner is not None:
            return self._inner.push(bytes(data))
        self._head += bytes(data)
        self._inner = self._choose()
        return _NOTHING if self._inner is None else self._inner.push(self._rest_of_head())

    def flush(self) -> NDArray[np.int16]:
        """All that is left, after the last byte. The decoder is at its end then.

        Raises:
            DecodeError: if nothing could be made of the bytes.
        """
        if self._inner is None:
            if not self._head:
                return _NOTHING
            self._inner = self._ffmpeg()
            return np.concatenate([self._inner.push(self._rest_of_head()), self._inner.flush()])
        return self._inner.flush()

    def close(self) -> None:
        """End early; what was not taken is lost."""
        if self._inner is not None:
            self._inner.close()

    def _choose(self) -> _PlainWav | _Ffmpeg | RemoteStream | None:
        """Who decodes the stream, or None while too little of it is there to say."""
        wav = is_wav(self._head)
        if wav is None:
            return None
        if not wav:
            return self._ffmpeg()
        head = read_wav_head(self._head)
        if head is None:
            return None
        if head.format is None:
            return self._ffmpeg()
        self._head = self._head[head.size :]
        return _PlainWav(PcmDecoder(head.format, self.sample_rate, self._channels), head.data_bytes)

    def _ffmpeg(self) -> _Ffmpeg | RemoteStream:
        if self._process is not None:
            return self._process.open_stream(self.sample_rate, self._channels, self._max_burst_samples)
        return _Ffmpeg(self.sample_rate, self._channels, self._max_burst_samples)

    def _rest_of_head(self) -> bytes:
        head, self._head = self._head, b""
        return head


_NOTHING = np.zeros(0, np.int16)


class _PlainWav:
    """The samples of a WAV that need no FFmpeg."""

    def __init__(self, decoder: PcmDecoder, data_bytes: int | None) -> None:
        self._decoder = decoder
        self._left = data_bytes  # what follows them is no audio

    def push(self, data: bytes) -> NDArray[np.int16]:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return self._decoder.push(data)

    def flush(self) -> NDArray[np.int16]:
        return self._decoder.flush()

    def close(self) -> None:
        """Nothing to end."""


class _Ffmpeg:
    """A thread in which FFmpeg pulls what the owner pushes."""

    def __init__(self, sample_rate: int, channels: Channels, max_burst_samples: int) -> None:
        self._feed = Feed(max_burst_samples)
        # The thread must not hold this object, or it would never be dropped.
        self._thread = threading.Thread(
            target=decode_feed, args=(self._feed, sample_rate, channels), name="fastring-decode", daemon=True
        )
        self._thread.start()
        weakref.finalize(self, self._feed.end)

    def push(self, data: bytes) -> NDArray[np.int16]:
        if data:
            self._feed.give(data)
        return self._take()

    def flush(self) -> NDArray[np.int16]:
        self.close()
        return self._take()

    def close(self) -> None:
        self._feed.end()
        self._thread.join()

    def _take(self) -> NDArray[np.int16]:
        return float32_to_pcm16(np.ascontiguousarray(self._feed.take()))


def decode_feed(feed: Mailbox, sample_rate: int, channels: Channels) -> None:
    """What runs in a thread: everything the feed gives, decoded and converted, goes back into it."""
    try:
        begun = read_to(feed, b"", 12)
        kind: type[ForwardFeed | SeekableFeed] = ForwardFeed
        if begun[4:8] == b"ftyp":
            begun, indexed = look_for_index(feed, begun)
            kind = ForwardFeed if indexed else SeekableFeed
        file = kind(feed, begun)
        converter = StreamConverter(sample_rate, channels)
        known = any(begun[at:].startswith(magic) for at, magic in _BEGINNINGS)
        options = _LIVE if known else {**_LIVE, "formatprobesize": str(_DOUBTFUL_BYTES)}
        with open_container(file, "the stream", options) as container:
            for samples, rate in decoded_frames(container):
                feed.put(converter.push(samples, rate))
        feed.put(converter.flush())
        feed.finish(None)
    except FastringError as error:
        feed.finish(error)
    except BaseException as error:  # the owner waits for this thread
        failure = DecodeError(f"the stream cannot be decoded: {error}")
        failure.__cause__ = error
        feed.finish(failure)
