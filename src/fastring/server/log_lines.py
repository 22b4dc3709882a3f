"""Log lines on their way to stderr, written in a thread of their own.

So a terminal that is gone, a full disk or a collector that does not read stops no audio. Lines that find no room are
counted, and the count is told.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["LogLines"]

_MOST_WAITING: Final = 10_000
_IDLE_S: Final = 5.0  # after which the thread ends, until there is a line again
_LAST_WORDS_S: Final = 1.0
"""How long the end of the process may wait for lines that are not yet written."""


class LogLines:
    """A text file to loggers. `write` never waits and never fails.

    Args:
        stream: where the lines go; its descriptor is written to, so that no buffer keeps what could not be written. One
            without a descriptor is in memory, and written to at once.
        most: lines that may wait.
    """

    def __init__(self, stream: TextIO, *, most: int = _MOST_WAITING) -> None:
        self.lost = 0
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        self._most = most
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._writing = False
        self._thread: threading.Thread | None = None
        atexit.register(self.drain)

    def write(self, text: str) -> int:
        """Queue a line, or a part of one."""
        if self._descriptor is None:
            return self._stream.write(text)
        with self._changed:
            if len(self._lines) >= self._most:
                self.lost += 1
                return len(text)
            self._lines.append(text)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, args=(self._descriptor,), name="log", daemon=True)
                self._thread.start()
            self._changed.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing: lines are written as soon as they can be."""

    def drain(self, within_s: float = _LAST_WORDS_S) -> bool:
        """Wait until everything is written, but no longer than that; whether it is."""
        until_s = time.monotonic() + within_s
        with self._changed:
            while self._lines or self._writing:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
        return True

    def _run(self, descriptor: int) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._lines, _IDLE_S):
                    self._thread = None
                    return
                text = "".join(self._lines)
                self._lines.clear()
                lost, self.lost, self._writing = self.lost, 0, True
            if lost:
                text += f"({lost} lines of the log were lost: nobody took them)\n"
            with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is full: the next may be taken
                self._put(descriptor, text)
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _put(self, descriptor: int, text: str) -> None:
        data = memoryview(text.encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(descriptor, data) :]


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
