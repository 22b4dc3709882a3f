"""Prints every figure with its goal beside it, measured now, on this machine, as ratios from interleaved runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import bench_gate
import bench_pcm
import bench_ring
import growth
import numpy as np
import two_threads
from interleave import interleave
from peers import CHUNK, RATE, full_analysis, tone_with_clicks
from rich.console import Console
from rich.table import Table

from fastring import Analyzer, analyze


@dataclass(frozen=True)
class Row:
    """One figure: what we measured, what the rival took, and whether the goal is met."""

    title: str
    ours: str
    rival: str
    figure: str
    goal: str
    met: bool


def ns(value: float) -> str:
    """Nanoseconds for people."""
    return f"{value:,.0f} ns" if value < 1e4 else f"{value / 1e3:,.1f} µs" if value < 1e7 else f"{value / 1e6:,.1f} ms"


def comparisons() -> Iterator[Row]:
    """The ring, the conversions and the energy gate against what people use now."""
    for comparison in [*bench_ring.COMPARISONS, *bench_pcm.COMPARISONS, *bench_gate.COMPARISONS]:
        ratio, figures = comparison.measure()
        our, rival = figures[comparison.ours].min_ns, figures[comparison.rival].min_ns
        title = comparison.title
        yield Row(
            title,
            ns(our),
            f"{ns(rival)} {comparison.rival}",
            f"{ratio:.1f}x",
            f"{comparison.goal:g}x",
            ratio >= comparison.goal,
        )


def analysis() -> Iterator[Row]:
    """The full analysis of 1024 samples at 44.1 kHz against the peers that are installed."""
    goals = {"aubio": 8.0, "essentia": 6.0, "librosa": 200.0, "librosa without tempo": 60.0}
    figures = interleave(list(full_analysis()), rounds=80, round_ms=3.0)
    our = figures.pop("fastring").min_ns
    yield Row("full analysis, 1024 @ 44.1 kHz", ns(our), "", f"{our / 1e3:.1f} µs", "12 µs", our <= 12e3)
    for name, figure in figures.items():
        ratio = figure.min_ns / our
        yield Row(
            f"  against {name}", ns(our), ns(figure.min_ns), f"{ratio:.1f}x", f"{goals[name]:g}x", ratio >= goals[name]
        )
    for name in goals.keys() - figures.keys():
        yield Row(f"  against {name}", "", "not installed", "", f"{goals[name]:g}x", False)


def many_streams() -> Iterator[Row]:
    """How many live streams one core analyses, and what a stream costs among many."""
    cost = growth.of_streams()
    most = max(cost)
    carried = 0.020e9 / cost[most]
    yield Row("live streams per core, 20 ms chunks", ns(cost[most]), "", f"{carried:,.0f}", "4,000", carried >= 4000)
    for count in list(cost)[1:]:
        ratio = cost[count] / cost[1]
        yield Row(
            f"  a chunk of one of {count:,} streams",
            ns(cost[count]),
            f"{ns(cost[1])} alone",
            f"{ratio:.2f}x",
            f"<= {growth.GROWTH_GOAL}x",
            ratio <= growth.GROWTH_GOAL,
        )


def threads() -> Iterator[Row]:
    """A writer and a reader thread on one buffer: processor time per chunk, and what was lost."""
    runs = two_threads.measure(rounds=5)
    for ours, rival in (
        ("fastring, drop oldest", "deque(maxlen) of bytes"),
        ("fastring, reject", "SimpleQueue of bytes"),
    ):
        our, their = runs[ours], runs[rival]
        ratio = their.cpu_ns_per_chunk / our.cpu_ns_per_chunk
        yield Row(
            f"two threads, {ours}",
            f"{ns(our.cpu_ns_per_chunk)}, {our.lost_share:.1%} lost",
            f"{ns(their.cpu_ns_per_chunk)}, {their.lost_share:.1%} lost, {rival}",
            f"{ratio:.1f}x",
            "1x",
            ratio >= 1,
        )


def files() -> Iterator[Row]:
    """All features of a file as arrays, as a multiple of real time."""
    audio = np.tile(tone_with_clicks(4), 15)
    analyze(audio[:RATE], RATE)
    begin = time.perf_counter()
    tracks = analyze(audio, RATE)
    seconds = time.perf_counter() - begin
    assert tracks is not None
    speed = len(audio) / RATE / seconds
    yield Row(
        "analyze(): a minute of audio", ns(seconds * 1e9), "", f"{speed:,.0f}x real time", "1,000x", speed >= 1000
    )


def hostile_input() -> Iterator[Row]:
    """Denormals and NaN must cost next to nothing."""
    normal = tone_with_clicks(1)
    for title, audio in {"denormals": np.full_like(normal, 1e-40), "NaN": np.full_like(normal, np.nan)}.items():
        best = {}
        for name, samples in {"normal": normal, "hostile": audio}.items():
            analyzer = Analyzer(RATE)
            chunks = [samples[i : i + CHUNK] for i in range(0, len(samples) - CHUNK, CHUNK)]
            times = []
            for _ in range(15):
                begin = time.perf_counter()
                for chunk in chunks:
                    analyzer.push(chunk)
                times.append((time.perf_counter() - begin) / len(chunks))
            best[name] = min(times) * 1e9
        ratio = best["hostile"] / best["normal"]
        yield Row(
            f"analysis of {title}", ns(best["hostile"]), ns(best["normal"]), f"{ratio:.2f}x", "1.2x", ratio <= 1.2
        )


def import_cost() -> Iterator[Row]:
    """What `import fastring` adds to NumPy's own import, in processor time: a busy machine does not lengthen it."""
    code = "import numpy, time; t = time.process_time(); import fastring; print((time.process_time() - t) * 1e3)"
    cost_ms = min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(7))
    yield Row("import fastring, over NumPy", f"{cost_ms:.1f} ms", "", f"{cost_ms:.1f} ms", "30 ms", cost_ms <= 30)


def ring_by_size() -> Table:
    """A write and a read of one chunk, by its length."""
    figures = growth.of_ring()
    names = list(figures[growth.CHUNK_SIZES[0]])
    table = Table("int16 a chunk", *names, title="Write and read of one chunk, ns, in one interleaved run")
    for n, row in figures.items():
        best_rival = min(row[name].min_ns for name in names if not name.startswith("fastring"))
        cells = []
        for name in names:
            beaten = name.startswith("fastring") and row[name].min_ns > best_rival
            cells.append(f"[red]{row[name].min_ns:,.0f}[/]" if beaten else f"{row[name].min_ns:,.0f}")
        table.add_row(f"{n:,}", *cells)
    return table


def analysis_by_size() -> Table:
    """The full analysis of one chunk, by its length."""
    table = Table("samples a chunk", "ns a chunk", "ns a sample", "times real time", title="Full analysis at 44.1 kHz")
    for n, figure in growth.of_analyzer().items():
        per_sample = figure.min_ns / n
        table.add_row(f"{n:,}", f"{figure.min_ns:,.0f}", f"{per_sample:.1f}", f"{1e9 / per_sample / RATE:,.0f}")
    return table


def main() -> None:
    """Measure and print; what is missed is said."""
    table = Table("operation", "fastring", "against", "figure", "goal", "", title="Figures of this machine, now")
    missed: list[Row] = []
    for measure in (comparisons, threads, analysis, many_streams, files, hostile_input, import_cost):
        for row in measure():
            mark = "[green]met[/]" if row.met else "[red]missed[/]"
            if not row.met:
                missed.append(row)
            table.add_row(row.title, row.ours, row.rival, row.figure, row.goal, mark)
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    console.print(ring_by_size(), analysis_by_size())
    for row in missed:
        said = f"{row.figure} where {row.goal} is wanted" if row.figure else f"{row.goal} is wanted, {row.rival}"
        console.print(f"[red]missed[/] {row.title.strip()}: {said}")
    if not missed:
        console.print("every goal met")


if __name__ == "__main__":
    main()
