"""Feeds a target with inputs until time is up: mutations of its corpus, guided by atheris where that is installed.

Run by `make fuzz-python`. `python fuzz.py NAME SECONDS` fuzzes one target; an input that breaks it is written down.
`python fuzz.py replay` gives every target its corpus and a few hundred changes of it, the same each time.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOUND = HERE.parent.parent / "build" / "fuzz-python"
LONGEST = 2048
SLOW = ("container", "keys")
GUIDED = ("native", "sources", "deepgram", "flux", "realtime", "vosk", "whisper_live", "wyoming")  # with atheris


def corpus(name: str) -> list[bytes]:
    """The stored inputs of a target."""
    return [path.read_bytes() for path in sorted((HERE / "corpus" / name).iterdir())]


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """One of them with a few changes: bytes flipped, cut out, doubled, spliced in from another."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 4, 16)))
        how = chance.randrange(5)
        if how == 0:
            data[at:end] = chance.randbytes(end - at)
        elif how == 1:
            del data[at:end]
        elif how == 2:
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
        elif how == 3:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:end] = other[start : start + chance.choice((1, 4, 16, 64))]
        else:
            data[at:end] = chance.choice(
                (b"0", b"-1", b"1e999", b"9" * 400, b'"', b"{", b"[" * 40, b"null", b"\0", b"\xff\xff")
            )
    return bytes(data[:LONGEST])


def replay() -> None:
    """What a test runs: quick, and always the same."""
    from targets import TARGETS

    for name, target in TARGETS.items():
        seeds, chance = [*corpus(name), b""], random.Random(1)
        inputs = seeds + [mutated(chance, seeds) for _ in range(20 if name in SLOW else 300)]
        for data in inputs:
            try:
                target(data)
            except BaseException as error:  # noqa: PERF203
                raise SystemExit(f"{name} is broken by {data!r}: {error!r}") from error
        print(f"{name}: {len(inputs)} inputs")  # noqa: T201


def _by_mutation(name: str, seconds: float, seed: int) -> int:
    from targets import TARGETS

    target, seeds, chance = TARGETS[name], [*corpus(name), b""], random.Random(seed)
    until, runs = time.monotonic() + seconds, 0
    FOUND.mkdir(parents=True, exist_ok=True)
    last = FOUND / f"last-{name}-{seed}"  # is left behind by what ends the process
    kept = last.open("w+b", buffering=0)
    while time.monotonic() < until:
        for _ in range(100):
            data = mutated(chance, seeds)
            if name in SLOW:
                kept.seek(0)
                kept.truncate()
                kept.write(data)
            try:
                target(data)
            except BaseException:
                (FOUND / f"crash-{name}").write_bytes(data)
                print(f"{name}: broken by {data[:200]!r}, kept in {FOUND}", file=sys.stderr)  # noqa: T201
                raise
            runs += 1
    kept.close()
    last.unlink()
    return runs


def _by_atheris(name: str, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["fastring.protocols"]):
        from targets import TARGETS
    work = FOUND / name
    work.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds:.0f}", f"-max_len={LONGEST}", "-print_final_stats=1", "-verbosity=0"]
    arguments = ["-timeout=20", "-rss_limit_mb=4096", f"-artifact_prefix={FOUND}/{name}-"]
    atheris.Setup([sys.argv[0], *options, *arguments, str(work), str(HERE / "corpus" / name)], TARGETS[name])
    atheris.Fuzz()


def main() -> None:
    """Fuzz one target."""
    sys.path.insert(0, str(HERE))
    if sys.argv[1] == "replay":
        replay()
        return
    name, seconds = sys.argv[1], float(sys.argv[2])
    if name in GUIDED and importlib.util.find_spec("atheris") is not None:
        _by_atheris(name, seconds)
    else:
        print(f"{name}: {_by_mutation(name, seconds, time.time_ns())} inputs, no finding")  # noqa: T201


if __name__ == "__main__":
    main()
