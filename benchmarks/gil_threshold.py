"""From how many bytes on it pays to give up the GIL for a copy: measured with one thread and with two.

One thread alone shows what giving it up costs. Two threads, each with a ring of its own, show what it brings: their
work per second against that of one thread. The threshold of the ring (`kReleaseBytes`, 128 KiB) is where both are
break-even on the machines we have seen; this prints the figures of yours.

    python benchmarks/gil_threshold.py
"""

from __future__ import annotations

import threading
import time

import numpy as np

from fastring import (
    RingBuffer,
    _native,
)

SIZES_KIB = (2, 8, 32, 64, 128, 256, 512, 2048)
NEVER, ALWAYS = 1 << 62, 0
TRIAL_S = 0.006
TRIALS = 100


def writes(ring: RingBuffer, audio: np.ndarray, until: float) -> int:
    """As many writes as go until then."""
    count, write, clock = 0, ring.write, time.perf_counter
    while clock() < until:
        for _ in range(4):
            write(audio)
        count += 4
    return count


def rate(rings: list[RingBuffer], audio: np.ndarray) -> float:
    """Writes per second of a thread for each ring together, in one trial."""
    counts = [0] * len(rings)
    begin = time.perf_counter()

    def work(which: int) -> None:
        counts[which] = writes(rings[which], audio, begin + TRIAL_S)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(rings))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - begin)


def best_rates(audio: np.ndarray) -> dict[tuple[int, int], float]:
    """By release threshold and number of threads: the best of many short trials, as other work disturbs most."""
    rings = [RingBuffer(2 * len(audio)) for _ in range(2)]
    best = {(release, threads): 0.0 for release in (NEVER, ALWAYS) for threads in (1, 2)}
    for _ in range(TRIALS):
        for release, threads in best:
            _native._gil_release_bytes(release)
            best[release, threads] = max(best[release, threads], rate(rings[:threads], audio))
    return best


def main() -> None:
    """Prints a line per size: everything against one thread that holds the GIL."""
    print("bytes     held ns   released, 1 thread   held, 2 threads   released, 2 threads")
    before = _native._gil_release_bytes(NEVER)
    try:
        for size_kib in SIZES_KIB:
            best = best_rates(np.zeros(size_kib * 512, np.int16))
            alone = best[NEVER, 1]
            print(
                f"{size_kib:5} KiB {1e9 / alone:8,.0f}   {best[ALWAYS, 1] / alone:18.2f}   "
                f"{best[NEVER, 2] / alone:15.2f}   {best[ALWAYS, 2] / alone:19.2f}"
            )
    finally:
        _native._gil_release_bytes(before)


if __name__ == "__main__":
    main()
