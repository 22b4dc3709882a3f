"""What one core carries: `make bench-load` prints the tables with the goals beside them, and draws the picture.

    python benchmarks/load/run.py [--full] [--picture]

A bare aiohttp server and ours take the same messages from the same crowd, in turns, in one run; of each figure the
least counts, for a neighbour on the machine can only add to it. CPU time is the server process's, all threads.
Streams per core come from CPU per message: a loop that is busy for 60 % of the time still answers in time (beyond
that a pause of the collector or of a neighbour takes too long to make up for), and one real run checks it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from audio import held_share, loop_of
from processes import Figures, Server, bare, crowd, fastring, hold
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results.json"
BUSY = 0.6
MESSAGES_MS = (20, 100, 250)
SHARES = (0.0, 0.3, 1.0)
GOAL_STREAMS = {20: 600, 100: 1500, 250: 3000}
GOAL_RATIO = 1.5
GOAL_LATENCY_MS = 10.0
GOAL_IDLE_KIB, GOAL_ACTIVE_KIB = 16, 20
STREAMS = {20: 100, 100: 400, 250: 800}  # in the cells: some 5000 messages a second
TALKING = {0.0: 1.0, 0.3: 0.25, 1.0: 0.125}  # of those, where people speak and the voice detector works


def rounds(servers: dict[str, Server], audio: Path, streams: int, message_ms: int, times: int) -> dict[str, Figures]:
    """Each server in turn, so often; of each the round with the least CPU time."""
    least: dict[str, Figures] = {}
    for _ in range(times):
        for name, server in servers.items():
            figures = crowd(server, streams, message_ms, audio, warm_up_s=1.0, seconds=2.0)
            if name not in least or figures.cpu_us < least[name].cpu_us:
                least[name] = figures
    return least


def per_core(figures: Figures) -> float:
    """Streams that keep one core busy for `BUSY` of the time."""
    return BUSY * 1e6 / figures.cpu_us / (1000 / figures.message_ms)


def cells(servers: dict[str, Server], folder: Path, times: int) -> Iterator[tuple[float, int, dict[str, Figures]]]:
    """CPU time of a message, by its length and by how much of the audio is speech."""
    for share in SHARES:
        audio = write_audio(folder, share)
        for message_ms in MESSAGES_MS:
            streams = round(STREAMS[message_ms] * TALKING[share])
            yield share, message_ms, rounds(servers, audio, streams, message_ms, times if times > 2 or not share else 1)


def write_audio(folder: Path, share: float) -> Path:
    """The loop with that share of speech, as raw samples."""
    path = folder / f"speech_{round(100 * share)}.raw"
    if not path.exists():
        path.write_bytes(loop_of(share).tobytes())
    return path


def memory(make: dict[str, Server], audio: Path, streams: int = 200) -> dict[str, float]:
    """KiB per connection: that says nothing, that sent a second of silence, that filled its ring of 40 s."""
    figures: dict[str, float] = {}
    for name, server in make.items():
        for what, audio_s in (("idle", 0.0), ("after 1 s", 1.0), *((("ring full", 45.0),) if name == "ours" else ())):
            with hold(server, 20, audio, audio_s=audio_s):  # what the first connections bring about once
                pass
            before = server.rss_bytes()
            count = streams if audio_s < 10 else 40
            with hold(server, count, audio, audio_s=audio_s):
                figures[f"{name}, {what}"] = (server.rss_bytes() - before) / count / 1024
    return figures


def show(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table on the terminal, as wide as it needs."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(width=118).print(table)


def mark(met: bool) -> str:
    """How a goal fared."""
    return "met" if met else "[bold]missed[/bold]"


def cpu_rows(found: list[tuple[float, int, dict[str, Figures]]]) -> list[tuple[str, ...]]:
    """One line a cell."""
    rows = []
    for share, message_ms, least in found:
        ours, only, told = least["ours"], least["bare"], least["bare, answering"]
        ratio, streams = ours.cpu_us / only.cpu_us, per_core(ours)
        gated = share == 0
        verdict = f"{GOAL_STREAMS[message_ms]} {mark(streams >= GOAL_STREAMS[message_ms])}" if gated else ""
        rows.append(
            (
                f"{share:.0%}",
                f"{message_ms} ms",
                f"{ours.cpu_us:.0f}",
                f"{only.cpu_us:.0f}",
                f"{told.cpu_us:.0f}",
                f"{ratio:.2f}" + (f"  {GOAL_RATIO} {mark(ratio <= GOAL_RATIO)}" if gated else ""),
                f"{streams:.0f}",
                verdict,
            )
        )
    return rows


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--full", action="store_true", help="five rounds a cell instead of two, or one where people speak"
    )
    parser.add_argument("--picture", action="store_true", help="keep the figures and draw docs/pictures/load.svg")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: what is not idle shows in the latencies")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held = {share: held_share(loop_of(share)) for share in SHARES}
        print("the gate lets through " + ", ".join(f"{held[s]:.0%} at {s:.0%} speech" for s in SHARES))
        with bare(0) as only, bare(100) as told, fastring() as ours:
            servers = {"bare": only, "bare, answering": told, "ours": ours}
            found = list(cells(servers, folder, 5 if options.full else 2))
            show(
                "CPU time per message, µs, and streams per core (60 % busy)",
                ("speech", "message", "ours", "bare", "answering", "ours/bare, goal", "streams/core", "goal"),
                cpu_rows(found),
            )
            checks = [check(ours, folder, message_ms, found) for message_ms in MESSAGES_MS]
        show(
            "Real runs while gated: the goal's streams, or as many as fit",
            ("message", "streams", "core", "p50 ms", "p99 ms", "worst ms", "crowd late p99", "ticks > 5 ms", "10 ms"),
            [check_row(figures) for figures in checks],
        )
        with bare(0) as only, fastring() as ours:
            kib = memory({"bare": only, "ours": ours}, write_audio(folder, 0.0))
        show("Memory per connection", ("connection", "KiB", "goal"), [memory_row(*item) for item in kib.items()])
        two = two_processes(folder)
    if options.picture:
        keep(found, checks, kib, held, two)
    return 0


def check(ours: Server, folder: Path, message_ms: int, found: list[tuple[float, int, dict[str, Figures]]]) -> Figures:
    """So many streams as the goal asks for, or as the figures say that one core carries, in real time."""
    cell = next(least for share, ms, least in found if share == 0 and ms == message_ms)
    streams = min(GOAL_STREAMS[message_ms], round(per_core(cell["ours"])))
    audio = write_audio(folder, 0.0)
    return crowd(ours, streams, message_ms, audio, warm_up_s=2.0, seconds=4.0)


def check_row(figures: Figures) -> tuple[str, ...]:
    """One line of the real runs."""
    total, over_5, over_10 = figures.lag
    return (
        f"{figures.message_ms:g} ms",
        str(figures.streams),
        f"{figures.cores:.0%}",
        f"{figures.p50_ms:.2f}",
        f"{figures.p99_ms:.1f}  {GOAL_LATENCY_MS:g} {mark(figures.p99_ms < GOAL_LATENCY_MS)}",
        f"{figures.worst_ms:.1f}",
        f"{figures.late_p99_ms:.1f}",
        f"{over_5} of {total}",
        str(over_10),
    )


def memory_row(name: str, kib: float) -> tuple[str, ...]:
    """One line of the memory."""
    goal = {"ours, idle": GOAL_IDLE_KIB}.get(name)
    return name, f"{kib:.1f}", "" if goal is None else f"{goal} {mark(kib <= goal)}"


def two_processes(folder: Path) -> dict[str, float]:
    """CPU time per message of one process and of two, where `fastring serve` has `--processes`."""
    figures = {}
    for processes in (1, 2):
        try:
            with fastring(processes=processes) as ours:
                tries = [crowd(ours, 400, 100, write_audio(folder, 0.0), warm_up_s=1.0, seconds=2.0) for _ in range(2)]
        except RuntimeError as error:
            print(f"{processes} processes: {error}", file=sys.stderr)
            return {}
        figures[str(processes)] = min(item.cpu_us for item in tries)
    ratio = 2 * figures["1"] / figures["2"]
    show(
        "Two processes, 400 streams of 100 ms messages",
        ("processes", "µs per message", "streams at the same load, goal"),
        [("1", f"{figures['1']:.0f}", ""), ("2", f"{figures['2']:.0f}", f"{ratio:.2f}x  1.9x {mark(ratio >= 1.9)}")],
    )
    return figures


def keep(found, checks, kib, held, two) -> None:  # type: ignore[no-untyped-def]
    """The figures for the page, the simulation and the picture."""
    from picture import draw_load

    data = {
        "held_share": {str(share): value for share, value in held.items()},
        "cells": [
            {"speech": share, "message_ms": ms} | {name: round(f.cpu_us, 1) for name, f in least.items()}
            for share, ms, least in found
        ],
        "checks": [asdict(figures) for figures in checks],
        "memory_kib": {name: round(value, 1) for name, value in kib.items()},
        "processes_us": two,
    }
    RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    draw_load(data)


if __name__ == "__main__":
    sys.exit(main())
