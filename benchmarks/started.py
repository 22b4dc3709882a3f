"""A server in a process of its own: started, ready, ended."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Sequence

__all__ = ["started"]


@contextlib.contextmanager
def started(command: Sequence[str], ready: str, *, quiet: bool = True) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `command` and end it with the block.

    Args:
        command: what to run.
        ready: found in a line of its output once it is ready; its group is given, an address for example.
        quiet: whether what it says on stderr is thrown away.

    Raises:
        RuntimeError: it ended before it was ready.
    """
    stderr = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            found = next(filter(None, (re.search(ready, line) for line in process.stdout)), None)
            if found is None:
                raise RuntimeError(f"it did not start: {' '.join(command)}")
            yield process, found[1]
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
