"""One ring, a writer and three readers on threads of their own, in blocks large enough that the GIL is released.

For ThreadSanitizer (`make tsan-python-test`), but it checks by itself what it reads: every sample follows from its
index, and what is delivered and what is lost add up.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import threading

FRAMES = 70_000  # of int16: above 128 KiB the GIL is released
BLOCKS = 40


def race(library: str) -> None:
    """Two threads in one C function that adds to a plain global without the GIL."""
    add = ctypes.CDLL(library).add
    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stress(overflow: str) -> None:
    """Writes BLOCKS blocks, every other one in place, while three readers read in three ways."""
    import numpy as np

    from fastring import RingBuffer
    from fastring.errors import BufferFullError, RangeLostError

    ring = RingBuffer(3 * FRAMES, overflow=overflow)  # type: ignore[arg-type]
    source = (np.arange((BLOCKS + 1) * FRAMES, dtype=np.uint64) * np.uint64(7919)).astype(np.uint16).view(np.int16)
    wrong: list[str] = []

    def check(chunk: np.ndarray, start: int, how: str) -> None:
        if not np.array_equal(chunk, source[start : start + len(chunk)]):
            wrong.append(f"{how} at {start}")

    def finished(reader: object) -> bool:
        return ring.closed and reader.available == 0  # type: ignore[attr-defined]

    def read() -> None:
        reader, out, delivered = ring.reader(), np.empty(FRAMES, np.int16), 0
        joined = expected = reader.position
        while not finished(reader):
            frames = reader.read_into(out)
            lost = reader.lost()
            if frames and lost and lost[0].start == expected:
                expected += lost.pop(0).frames
            check(out[:frames], expected, "read_into")
            delivered += frames
            expected += frames
            for gap in lost:
                if gap.start != expected:
                    wrong.append(f"{gap} is not what follows {expected}")
                expected += gap.frames
        if joined + delivered + reader.dropped != ring.write_index:
            wrong.append(f"{delivered} delivered and {reader.dropped} dropped of {ring.write_index - joined}")

    def peek() -> None:
        reader = ring.reader()
        while not finished(reader):
            view = reader.peek(FRAMES)
            start = reader.position
            frames = len(view)
            if overflow == "reject":
                check(view, start, "peek")
            reader.commit(min(frames, reader.available))

    def read_at() -> None:
        while not ring.closed:
            start = max(0, ring.write_index - 2 * FRAMES)
            frames = min(FRAMES, ring.write_index - start)
            try:
                check(ring.read_at(start, frames), start, "read_at")
            except RangeLostError:
                continue
            ring.stats()

    threads = [threading.Thread(target=body) for body in (read, peek, read_at)]
    for thread in threads:
        thread.start()
    at = 0
    while at < BLOCKS * FRAMES:
        try:
            if at // FRAMES % 4 == 3 and overflow == "reject":
                view = ring.reserve(FRAMES)
                view[...] = source[at : at + len(view)]
                at += ring.publish(len(view))
            else:
                at += ring.write(source[at : at + FRAMES])
        except BufferFullError:  # noqa: PERF203
            threading.Event().wait(0.001)
    ring.close()
    for thread in threads:
        thread.join()
    if wrong:
        sys.exit(f"{overflow}: {len(wrong)} wrong, first {wrong[0]}")
    print(f"{overflow}: {at} frames, {ring.stats().dropped} dropped, every one right")


def main() -> None:
    """Race on purpose, or stress both policies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--race", help="a library whose add() races")
    parser.add_argument("--site", help="where NumPy is, when Python runs without its site packages")
    arguments = parser.parse_args()
    if arguments.site:
        sys.path.append(arguments.site)
    if arguments.race:
        race(arguments.race)
        return
    for overflow in ("drop_oldest", "reject"):
        stress(overflow)


if __name__ == "__main__":
    main()
