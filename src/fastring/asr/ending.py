"""The end of a process whose speech engine is still at work."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Final

__all__ = ["THREAD_PREFIX", "end_process_if_at_work", "engine_at_work"]

THREAD_PREFIX: Final = "fastring-asr-"
"""Of the names of a pool's threads."""


def engine_at_work() -> bool:
    """Whether a worker of a pool is still inside its engine, or was given up there."""
    return any(thread.name.startswith(THREAD_PREFIX) for thread in threading.enumerate())


def end_process_if_at_work(code: int) -> None:
    """End this process now if an engine is at work; else return.

    An engine is native code with threads of its own. It cannot be interrupted, and it crashes the process if the
    interpreter takes itself apart around it: so when all else is done, output is written out and the process just ends.

    Args:
        code: what the process ends with.
    """
    if not engine_at_work():
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)
