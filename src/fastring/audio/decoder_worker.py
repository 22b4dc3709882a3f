"""A process in which FFmpeg reads what strangers send: a thread for each stream, bytes in and samples out by a socket.

FFmpeg is a large body of C that parses whatever comes. What makes it crash or hang there ends this process, and not the
one that serves everybody. Run by `decoder_process.DecoderProcess`.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fastring.audio.container import decode_feed
from fastring.audio.ffmpeg import import_av
from fastring.audio.files import stream_audio
from fastring.audio.pcm import float32_to_pcm16
from fastring.errors import DecodeError, FastringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    *("DATA", "END", "FAILED", "OPEN_FILE", "OPEN_STREAM", "READY", "SAMPLES", "TOLD", "SocketFeed"),
    *("receive", "run", "send"),
]

HEADER: Final = struct.Struct("<BHI")
"""Before each message: what it is, channels of its samples (0 for one dimension), bytes."""

OPEN_STREAM, OPEN_FILE, DATA, END = range(4)
"""What the owner says: JSON of what is wanted, the same for a file, bytes (of a file: the next chunk), the end."""

SAMPLES, TOLD, FAILED = range(4, 7)
"""What is answered: int16 samples, JSON about a file (then that it is over), JSON of an error."""

READY: Final = b"r"
_JOINED_BYTES = 1 << 16
_SWITCH_S = 0.0005  # streams wait for each other, and an event loop for each of them


def send(peer: socket.socket, kind: int, data: bytes = b"", channels: int = 0) -> None:
    """Send one message.

    Raises:
        OSError: nobody is there, or it takes longer than the socket's timeout.
    """
    head = HEADER.pack(kind, channels, len(data))
    if len(data) < _JOINED_BYTES:
        peer.sendall(head + data)
    else:
        peer.sendall(head)
        peer.sendall(data)


def receive(peer: socket.socket) -> tuple[int, int, bytes]:
    """The next message: its kind, channels and bytes.

    Raises:
        EOFError: the other side is gone.
        OSError: the same, or it takes longer than the socket's timeout.
    """
    kind, channels, size = HEADER.unpack(_exactly(peer, HEADER.size))
    return kind, channels, _exactly(peer, size)


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        taken = peer.recv_into(view[at:])
        if not taken:
            raise EOFError("the other side is gone")
        at += taken
    return bytes(data)


class SocketFeed:
    """A `Feed` whose owner is at the other end of a socket: it gets an answer when FFmpeg asks for more.

    An owner that leaves is the end of the stream to FFmpeg, through which no exception should pass.

    Args:
        peer: of the owner.
        max_burst_samples: that one message may hold.
    """

    def __init__(self, peer: socket.socket, max_burst_samples: int) -> None:
        self._peer = peer
        self._max_burst_samples = max_burst_samples
        self._pending = bytearray()
        self._ended = False
        self._gone = False
        self._asked = False  # an answer is owed
        self._decoded: list[NDArray[np.float32]] = []
        self._decoded_samples = 0

    def read(self, n_bytes: int) -> bytes:
        """See `Feed.read`."""
        while not self._pending and not self._ended:
            self._answer()
            self._listen()
        data = bytes(self._pending[:n_bytes])
        del self._pending[:n_bytes]
        return data

    def put(self, samples: NDArray[np.float32]) -> None:
        """See `Feed.put`."""
        self._decoded_samples += len(samples)
        if self._decoded_samples > self._max_burst_samples:
            raise DecodeError(f"one message holds more than {self._max_burst_samples} samples of audio")
        if len(samples):
            self._decoded.append(samples)

    def finish(self, failure: FastringError | None) -> None:
        """Tell the rest, and then, as often as the owner asks, what went wrong."""
        while not self._gone:
            self._answer(failure)
            self._listen()
            self._pending.clear()

    def _listen(self) -> None:
        try:
            kind, _, data = receive(self._peer)
        except (EOFError, OSError):
            self._ended = self._gone = True
            return
        self._pending += data
        self._ended = self._ended or kind == END
        self._asked = True

    def _answer(self, failure: FastringError | None = None) -> None:
        if not self._asked:
            return
        self._asked = False
        decoded, self._decoded, self._decoded_samples = self._decoded, [], 0
        try:
            if not decoded and failure is not None:
                send(self._peer, FAILED, _error(failure))
            else:
                samples = np.concatenate(decoded) if decoded else np.zeros(0, np.float32)
                _send_samples(self._peer, float32_to_pcm16(np.ascontiguousarray(samples)))
        except OSError:
            self._ended = self._gone = True


def _send_samples(peer: socket.socket, samples: NDArray[np.int16]) -> None:
    send(peer, SAMPLES, samples.tobytes(), samples.shape[1] if samples.ndim == 2 else 0)


def _error(error: BaseException) -> bytes:
    known = isinstance(error, FastringError)
    text = str(error) if known else f"the audio cannot be decoded: {error}"
    return json.dumps([type(error).__name__ if known else "DecodeError", text]).encode()


def _serve(peer: socket.socket) -> None:
    """One stream, until its owner has enough."""
    with peer, suppress(EOFError, OSError):
        kind, _, data = receive(peer)
        wanted = json.loads(data)
        if kind == OPEN_FILE:
            _serve_file(peer, wanted)
        else:
            feed = SocketFeed(peer, wanted["max_burst_samples"])
            decode_feed(feed, wanted["sample_rate"], wanted["channels"])


def _serve_file(peer: socket.socket, wanted: dict[str, Any]) -> None:
    """A whole file, chunk by chunk as it is asked for."""
    _, _, data = receive(peer)
    try:
        file = stream_audio(io.BytesIO(data), wanted["chunk_s"], wanted["sample_rate"], wanted["channels"])
        send(peer, TOLD, json.dumps({"file_channels": file.file_channels, "duration_s": file.duration_s}).encode())
        for chunk in file:
            receive(peer)
            _send_samples(peer, chunk)
        receive(peer)
        send(peer, TOLD, b"null")
    except (EOFError, OSError):
        raise
    except BaseException as error:
        send(peer, FAILED, _error(error))


def run(number: int) -> None:
    """Serve the sockets that come over the one of that descriptor, until it is closed; then the process is over."""
    control = socket.socket(fileno=number)
    for ignored in (signal.SIGINT, signal.SIGTERM):  # whoever runs this decides when it is over
        signal.signal(ignored, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_S)
    import_av()
    with suppress(OSError):
        control.sendall(READY)
        while True:
            message, handed, _, _ = socket.recv_fds(control, 1, 1)
            if not message:
                break
            for number in handed:
                threading.Thread(target=_serve, args=(socket.socket(fileno=number),), daemon=True).start()
    os._exit(0)  # not waiting for what FFmpeg is at
