"""Containers decoded in another process: what makes FFmpeg crash or hang harms nobody but who decodes there, too."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import fastring.errors
from fastring.audio.decoder_worker import (
    DATA,
    END,
    FAILED,
    OPEN_FILE,
    OPEN_STREAM,
    READY,
    SAMPLES,
    receive,
    send,
)
from fastring.errors import DecodeError, DecoderDiedError, FastringError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from fastring.audio.resample import Channels

__all__ = ["DecoderProcess", "RemoteFile", "RemoteStream"]

_log = logging.getLogger(__name__)

# Not by `-m`, which would look for modules where the server was started, before anywhere else.
_WORKER: Final = """
import os, sys
sys.path[:] = sys.argv[2].split(os.pathsep)
from fastring.audio.decoder_worker import run
run(int(sys.argv[1]))
"""
_STARTS_WITHIN_S: Final = 30.0
_DIES_WITHIN_S: Final = 0.2  # once its sockets are closed


class DecoderProcess:
    """A process that decodes, started when it is first wanted, and again when it has died.

    Thread-safe. `start` takes milliseconds; who opens a stream while it is `starting` waits for it.

    Args:
        patience_s: decoding one message may take that long; then the process is killed, for it hangs.
    """

    def __init__(self, patience_s: float = 5.0) -> None:
        self.deaths = 0
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = threading.Event()  # of this process
        self._waiting = threading.Lock()  # held by the one who listens for that; never with the other one

    @staticmethod
    def possible() -> bool:
        """Whether this system can hand a socket to another process."""
        return hasattr(socket, "send_fds")

    @property
    def starting(self) -> bool:
        """Whether it was started, and does not take streams yet."""
        return self._process is not None and not self._ready.is_set()

    def start(self) -> None:
        """See that it runs."""
        with self._lock:
            self._start()

    def wait(self) -> None:
        """Start it if need be, and wait until it takes streams; meanwhile nobody waits for this but who calls it, too.

        Raises:
            DecoderDiedError: it does not start.
        """
        with self._lock:
            self._start()
            control, ready = self._control, self._ready
        assert control is not None
        with self._waiting:
            if ready.is_set():
                return
            try:
                control.settimeout(_STARTS_WITHIN_S)
                if control.recv(1) != READY:
                    raise EOFError
            except (OSError, EOFError) as error:
                with self._lock:
                    if self._control is control:
                        self._end()
                message = f"the process that decodes did not start ({sys.executable}): {error!r}"
                raise DecoderDiedError(message) from error
            ready.set()

    def open_stream(self, sample_rate: int, channels: Channels, max_burst_samples: int) -> RemoteStream:
        """A container that comes in pieces; see `ContainerDecoder`.

        Raises:
            DecoderDiedError: the process does not start.
        """
        wanted = {"sample_rate": sample_rate, "channels": channels, "max_burst_samples": max_burst_samples}
        return RemoteStream(*self._open(OPEN_STREAM, wanted))

    def open_file(self, data: bytes, chunk_s: float, sample_rate: int, channels: Channels) -> RemoteFile:
        """A whole file; see `AudioFile`.

        Raises:
            DecodeError: it holds no audio that can be decoded.
            DecoderDiedError: the process does not start, or ends over it.
        """
        wanted = {"chunk_s": chunk_s, "sample_rate": sample_rate, "channels": channels}
        return RemoteFile(*self._open(OPEN_FILE, wanted), data)

    def close(self) -> None:
        """End it, and every stream that is open in it."""
        with self._lock:
            self._end()

    # --- with the lock -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.deaths += 1
            _log.error("the process that decodes ended with code %s: starting another", self._process.returncode)
            self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = [sys.executable, "-c", _WORKER, str(theirs.fileno()), os.pathsep.join(sys.path)]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # a Ctrl-C is not meant for it
                )
            except OSError as error:
                ours.close()
                raise DecoderDiedError(f"the process that decodes did not start ({sys.executable}): {error}") from error
        self._control, self._ready = ours, threading.Event()

    def _end(self) -> None:
        """Hang up on it: it ends by itself then, unless it hangs."""
        process, control = self._process, self._control
        self._process = self._control = None
        self._ready = threading.Event()
        if control is not None:
            with suppress(OSError):
                control.shutdown(socket.SHUT_RDWR)  # wakes whoever listens
            control.close()
        if process is not None:
            try:
                process.wait(1.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _replace(self) -> None:
        """Start another where one has died, so that whoever comes next need not wait for it."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                with suppress(DecoderDiedError):
                    self._start()

    def _open(
        self, kind: int, wanted: dict[str, Any]
    ) -> tuple[subprocess.Popen[bytes], socket.socket, Callable[[], None]]:
        self.wait()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.settimeout(self._patience_s)
        try:
            with theirs, self._lock:
                if self._control is None or self._process is None:
                    raise BrokenPipeError("it was closed")
                socket.send_fds(self._control, [READY], [theirs.fileno()])
                process = self._process
            send(ours, kind, json.dumps(wanted).encode())
        except BaseException as error:
            ours.close()
            if isinstance(error, OSError):
                raise DecoderDiedError(f"the process that decodes cannot be reached: {error}") from error
            raise
        return process, ours, self._replace


class _Remote:
    """One conversation with the process."""

    def __init__(self, process: subprocess.Popen[bytes], peer: socket.socket, replace: Callable[[], None]) -> None:
        self._process = process
        self._replace = replace
        self._peer = peer
        self._failure: FastringError | None = None
        weakref.finalize(self, peer.close)  # holds the socket, so that it is closed before it is dropped

    def close(self) -> None:
        """Nothing more is wanted."""
        self._peer.close()

    def _ask(self, kind: int, data: bytes = b"") -> tuple[int, int, bytes]:
        """Say something, and wait for what is answered.

        Raises:
            FastringError: what went wrong there; and on every call after the process ended.
        """
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args) from self._failure
        try:
            send(self._peer, kind, data)
            answered, channels, data = receive(self._peer)
        except (OSError, EOFError) as error:
            self._failure = self._fault(error)
            self._replace()
            raise self._failure from error
        if answered == FAILED:
            name, text = json.loads(data)
            raise getattr(fastring.errors, name, DecodeError)(text)
        return answered, channels, data

    def _fault(self, error: Exception) -> DecoderDiedError:
        """What to tell where no answer comes; a process that hangs is killed."""
        if isinstance(error, TimeoutError):
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_DIES_WITHIN_S)
            return DecoderDiedError(f"decoding took more than {self._peer.gettimeout():g} s and was given up")
        try:
            ended = f"has ended with code {self._process.wait(_DIES_WITHIN_S)}"
        except subprocess.TimeoutExpired:
            ended = "has hung up"
        return DecoderDiedError(f"the process that decodes {ended}, over this stream or another one: begin anew")


class RemoteStream(_Remote):
    """A stream whose bytes are decoded in the process: what `ContainerDecoder` has FFmpeg for."""

    def push(self, data: bytes) -> NDArray[np.int16]:
        """What FFmpeg makes of the bytes.

        Raises:
            DecodeError: no audio.
            DecoderDiedError: the process has ended; and on every call after that.
        """
        return self._samples(DATA, data)

    def flush(self) -> NDArray[np.int16]:
        """All that is left. What is pushed after it is lost."""
        try:
            return self._samples(END)
        finally:
            self.close()

    def _samples(self, kind: int, data: bytes = b"") -> NDArray[np.int16]:
        if self._peer.fileno() < 0:
            return np.zeros(0, np.int16)
        _, channels, samples = self._ask(kind, data)
        return _array(samples, channels)


class RemoteFile(_Remote):
    """A file that is decoded in the process; iterate once, for chunks as `AudioFile` gives them.

    Attributes:
        file_channels: channels in the file.
        duration_s: of the whole file as its header says; None if it does not say.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], peer: socket.socket, replace: Callable[[], None], data: bytes
    ) -> None:
        super().__init__(process, peer, replace)
        _, _, told = self._ask(DATA, data)
        about = json.loads(told)
        self.file_channels: int = about["file_channels"]
        self.duration_s: float | None = about["duration_s"]

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        with self._peer:
            while True:
                answered, channels, data = self._ask(DATA)
                if answered != SAMPLES:
                    return
                yield _array(data, channels)


def _array(data: bytes, channels: int) -> NDArray[np.int16]:
    samples = np.frombuffer(data, np.int16)
    return samples.reshape(-1, channels) if channels else samples
