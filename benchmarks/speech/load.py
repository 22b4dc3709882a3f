"""Speech load: 1 to 32 clients in real time on one model; a table with the goals beside it, and a picture.

make bench-speech            a few N, under four minutes
FULL=1 make bench-speech     every N on every model, about ten minutes; writes the tables of docs/topics/speech_load.md
                             and its picture anew
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import random_whisper
from rich.console import Console
from rich.table import Table
from speech.clients import scripts, speak_together
from speech.figures import notice
from speech.report import Row, Run, draw, markdown, missed, put_into, rows
from speech.server import Engine, Others, scrape, serving

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "build" / "models"
PAGE = ROOT / "docs" / "topics" / "speech_load.md"
PICTURE = ROOT / "docs" / "pictures" / "topics" / "speech_load.svg"
DIGITS = Engine("digits", "digits", "auto", truth=True)
SHORT_COUNTS, FULL_COUNTS = (1, 4, 16), (1, 2, 4, 8, 16, 32)
CALM_S = 2.0  # after it: a server that was late is calm again, and lets everybody in
FEW_COUNTS = (1, 2, 4, 8)  # of an engine that a few clients fill


def random_engine(size: str, short_encode: str, title: str) -> Engine:
    """Random weights of a real model's size, made if they are not there."""
    folder = MODELS / f"{size}-random"
    if not (folder / "preprocessor_config.json").exists():
        random_whisper.make(size, folder)
    return Engine(title, str(folder), short_encode, truth=False)


def measure(engine: Engine, count: int, seconds: float) -> Run:
    """`count` clients on a fresh server."""
    spoken = scripts(count, seconds)
    with serving(engine) as url:
        asyncio.run(speak_together(url, [scripts(1, 4.0)[0]]))  # the first decode of a process is not like the others
        time.sleep(CALM_S)
        before, others = scrape(url), Others()
        clients = asyncio.run(speak_together(url, spoken))
        after = scrape(url)
    memory = {"process_resident_memory_bytes": after.get("process_resident_memory_bytes", float("nan"))}
    counts = {name: value - before.get(name, 0.0) for name, value in after.items()} | memory
    cpu_s = counts.setdefault("process_cpu_seconds_total", float("nan"))
    return Run(count, notice(clients), counts, sum(len(s.samples) for s in spoken) / 16_000, others.cores(cpu_s))


def show(console: Console, title: str, runs: list[Run], table: list[Row]) -> None:
    """The table of one engine."""
    shown = Table("", *(f"N = {run.clients}" for run in runs), "goal", title=title)
    for row in table:
        colours = {True: "[green]{}[/]", False: "[red]{}[/]", None: "{}"}
        cells = [colours[met].format(cell) for cell, met in zip(row.cells, row.met, strict=True)]
        shown.add_row(row.title, *cells, row.goal)
    console.print(shown)
    for line in missed(runs, table):
        console.print(f"[red]missed[/] {line}")


def main() -> None:
    """Measure, print, and with --full draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="every N, every model, and the picture")
    parser.add_argument("--seconds", type=float, default=14.0, help="of speech, each client")
    parser.add_argument("--counts", type=int, nargs="+", help="clients, for example 1 2 4")
    parser.add_argument("--markdown", type=Path, help="write the tables there, too")
    arguments = parser.parse_args()
    counts = FULL_COUNTS if arguments.full else SHORT_COUNTS
    tiny = random_engine("tiny.en", "on", "Random weights of the size of tiny.en, asr.short_encode=on")
    engines = [(DIGITS, counts), (tiny, counts)]
    if arguments.full:
        engines.append((random_engine("tiny.en", "off", "The same with windows of 30 s"), FEW_COUNTS))
    console = Console(width=None if sys.stdout.isatty() else 130)
    measured: dict[str, list[Run]] = {}
    tables: list[str] = []
    for engine, usual in engines:
        runs = measured.setdefault(engine.title, [])
        for count in arguments.counts or usual:
            console.print(f"{engine.title}: {count} …", end="\r")
            runs.append(measure(engine, count, arguments.seconds))
        table = rows(engine, runs)
        show(console, engine.title, runs, table)
        tables.append(markdown(engine.title, runs, table))
        if arguments.markdown:
            arguments.markdown.write_text("\n".join(tables), encoding="utf-8")
    if arguments.full:
        draw(measured, PICTURE)
        put_into(PAGE, tables)


if __name__ == "__main__":
    main()
