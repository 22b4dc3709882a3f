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

from fastring.audio.ffmpeg import decoded_frames, import_av, open_container
from fastring.audio.pcm import float32_to_pcm16
from fastring.audio.raw import PcmDecoder
from fastring.audio.resample import StreamConverter
from fastring.audio.wav import is_wav, read_wav_head
from fastring.errors import DecodeError, FastringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastring.audio.resample import Channels

__all__ = ["ContainerDecoder"]

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

_MAX_BOXES_BYTES = 1 << 16  # of an MP4 before its index or its audio

MAX_RETAINED_BYTES = 64 << 20  # of an MP4 that says only at its end what it holds


class ContainerDecoder:
    """Decodes a container from bytes as they arrive: MP3, Ogg, WebM, FLAC, WAV, MP4 and others (`ffmpeg.FORMATS`).

    `push` takes the time that decoding takes (an Opus second takes about 1 ms). One owner at a time. Call `close` when
    the stream ends early; an object that is dropped closes itself.

    Args:
        sample_rate: of what goes out, in Hz.
        channels: what becomes of several channels.
        max_burst_s: no single message may hold more audio than this; compressed silence is endless.

    Raises:
        ConfigError: if PyAV or soxr is not installed.
    """

    def __init__(self, sample_rate: int = 16_000, channels: Channels = "mix", *, max_burst_s: float = 600.0) -> None:
        import_av()
        self.sample_rate = sample_rate
        self._channels = channels
        self._max_burst_samples = round(max_burst_s * sample_rate)
        self._head = b""
        self._inner: _PlainWav | _Ffmpeg | None = None

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

    def _choose(self) -> _PlainWav | _Ffmpeg | None:
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

    def _ffmpeg(self) -> _Ffmpeg:
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
        self._feed = _Feed(max_burst_samples)
        # The thread must not hold this object, or it would never be dropped.
        self._thread = threading.Thread(
            target=_decode_feed, args=(self._feed, sample_rate, channels), name="fastring-decode", daemon=True
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


class _Feed:
    """Where the two sides of a decoder meet: a file to FFmpeg, a mailbox to its owner."""

    def __init__(self, max_burst_samples: int) -> None:
        self._changed = threading.Condition()
        self._pending = bytearray()
        self._hungry = False  # FFmpeg waits for bytes
        self._ended = False
        self._finished = False  # the thread has nothing more to say
        self._failure: FastringError | None = None
        self._decoded: list[NDArray[np.float32]] = []
        self._decoded_samples = 0
        self._max_burst_samples = max_burst_samples

    # --- the owner's side

    def give(self, data: bytes) -> None:
        """Hand bytes over, and wait until FFmpeg has made of them what it can."""
        with self._changed:
            if self._finished or self._ended:
                return
            self._pending += data
            self._hungry = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hungry or self._finished)

    def take(self) -> NDArray[np.float32]:
        """What is decoded. A failure is told when there is nothing else to give."""
        with self._changed:
            decoded, self._decoded, self._decoded_samples = self._decoded, [], 0
            if not decoded and self._failure is not None:
                raise type(self._failure)(*self._failure.args) from self._failure
        return np.concatenate(decoded) if decoded else np.zeros(0, np.float32)

    def end(self) -> None:
        """No more bytes come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # --- FFmpeg's side

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes`; waits for the first. Nothing at the end."""
        with self._changed:
            while not self._pending and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            data = bytes(self._pending[:n_bytes])
            del self._pending[:n_bytes]
            return data

    def put(self, samples: NDArray[np.float32]) -> None:
        """Leave decoded samples for the owner."""
        with self._changed:
            self._decoded_samples += len(samples)
            if self._decoded_samples > self._max_burst_samples:
                raise DecodeError(f"one message holds more than {self._max_burst_samples} samples of audio")
            if len(samples):
                self._decoded.append(samples)

    def finish(self, failure: FastringError | None) -> None:
        """The thread is done; with what came before a failure."""
        with self._changed:
            self._failure = failure
            self._finished = True
            self._changed.notify_all()


class _SeekableFeed:
    """A feed that keeps what it has read, for MP4, which may tell at its end where things are.

    Seeking ahead waits for the bytes to come.
    """

    def __init__(self, feed: _Feed, begun: bytes) -> None:
        self._feed = feed
        self._kept = bytearray(begun)
        self._at = 0

    def read(self, n_bytes: int) -> bytes:
        while len(self._kept) <= self._at and self._more():
            pass
        data = bytes(self._kept[self._at : self._at + n_bytes])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            while self._more():
                pass
        base = (0, self._at, len(self._kept))[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def _more(self) -> bool:
        data = self._feed.read(1 << 16)
        if len(self._kept) + len(data) > MAX_RETAINED_BYTES:
            raise DecodeError(f"an MP4 of more than {MAX_RETAINED_BYTES} bytes must have its index (moov) in front")
        self._kept += data
        return bool(data)


class _ForwardFeed:
    """A feed that cannot be sought, beginning with bytes that were looked at already."""

    def __init__(self, feed: _Feed, begun: bytes) -> None:
        self._feed = feed
        self._begun = begun

    def read(self, n_bytes: int) -> bytes:
        if not self._begun:
            return self._feed.read(n_bytes)
        data, self._begun = self._begun[:n_bytes], self._begun[n_bytes:]
        return data


def _read_to(feed: _Feed, begun: bytes, n_bytes: int) -> bytes:
    """So many bytes from the beginning, or all if there are not so many."""
    while len(begun) < n_bytes and (data := feed.read(n_bytes - len(begun))):
        begun += data
    return begun


def _look_for_index(feed: _Feed, begun: bytes) -> tuple[bytes, bool]:
    """What was read of an MP4 for it, and whether its index stands before its audio.

    Then it is read forward only, as it comes: in a file that it can seek, FFmpeg looks for more index at the end first,
    which a browser's recording reaches when it is over.
    """
    at = 0
    while at < _MAX_BOXES_BYTES:
        begun = _read_to(feed, begun, at + 8)
        size, kind = int.from_bytes(begun[at : at + 4], "big"), begun[at + 4 : at + 8]
        if kind in (b"moov", b"moof"):
            return begun, True
        if kind == b"mdat" or size < 8:  # the audio, or a size that tells nothing
            return begun, False
        at += size
    return begun, False


def _decode_feed(feed: _Feed, sample_rate: int, channels: Channels) -> None:
    """The thread: everything the feed gives, decoded and converted, goes back into it."""
    try:
        begun = _read_to(feed, b"", 12)
        kind: type[_ForwardFeed | _SeekableFeed] = _ForwardFeed
        if begun[4:8] == b"ftyp":
            begun, indexed = _look_for_index(feed, begun)
            kind = _ForwardFeed if indexed else _SeekableFeed
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
