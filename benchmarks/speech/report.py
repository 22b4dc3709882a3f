"""A run's figures as rows with their goals: for the terminal, for the docs, and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from speech.figures import Noticed
    from speech.server import Counts, Engine

CHUNK_S = 0.04  # what a client sends at once: so much of what was said is not on its way yet
FAIR, FAIR_S = 0.1, 0.01  # so nineteen of twenty clients are within 20 % of the mean
LINEAR = 1.2  # N clients may wait this much longer than N times what one waits
UNNOTICED_S = 0.05
BEGIN, END = "<!-- figures: FULL=1 make bench-speech writes them -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Run:
    """N clients on one engine."""

    clients: int
    noticed: Noticed
    counts: Counts  # what the server's metrics grew by; the resident set is as it was at the end
    audio_s: float
    others: float | None  # cores that other processes kept busy


@dataclass(frozen=True)
class Figure:
    """One line of the table: its value in a run, how it is written, and the goal, if it has one."""

    title: str
    value: Callable[[Run], float]
    style: str = ".2f"
    goal: str = ""
    is_met: Callable[[float, Run, Run], bool] | None = None  # of the value, its run, and the run of the fewest clients
    of_words: bool = False  # only where the engine hears what is said


@dataclass(frozen=True)
class Row:
    """A figure for every N; `met` is None where there is no goal."""

    title: str
    cells: list[str]
    goal: str
    met: list[bool | None]


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95)) if values else float("nan")


def _first_partial_in_time(value: float, run: Run, _alone: Run) -> bool:
    return value <= 0.5 + CHUNK_S + mean(run.noticed.inference_s)


def _grows_linearly(value: float, run: Run, alone: Run) -> bool:
    return value <= max(UNNOTICED_S, LINEAR * mean(alone.noticed.latency_s) * run.clients / alone.clients)


def _is_fair(value: float, run: Run, _alone: Run) -> bool:
    return value <= FAIR or value * mean(run.noticed.client_latency_s) <= FAIR_S


def _at_most(limit: float) -> Callable[[float, Run, Run], bool]:
    return lambda value, _run, _alone: value <= limit


def _retracted(run: Run) -> float:
    return run.noticed.retracted_words + run.counts.get("fastring_retracted_words_total", 0.0)


def _real_time_factor(run: Run) -> float:
    jobs = run.counts["fastring_asr_real_time_factor_count"]
    return run.counts["fastring_asr_real_time_factor_sum"] / jobs if jobs else float("nan")


def _revisions(run: Run) -> float:
    return run.noticed.revised_words / run.noticed.words if run.noticed.words else float("nan")


FIGURES = (
    Figure(
        "fastring_first_partial_seconds, mean",
        lambda r: mean(r.noticed.first_partial_s),
        goal=f"0.5 + a message ({CHUNK_S}) + an inference",
        is_met=_first_partial_in_time,
    ),
    Figure("… p95", lambda r: p95(r.noticed.first_partial_s)),
    Figure(
        "fastring_word_commit_seconds, mean",
        lambda r: mean(r.noticed.word_commit_s),
        goal="0.7",
        is_met=_at_most(0.7),
        of_words=True,
    ),
    Figure("… p95", lambda r: p95(r.noticed.word_commit_s), goal="1.1", is_met=_at_most(1.1), of_words=True),
    Figure("fastring_final_lag_seconds, mean", lambda r: mean(r.noticed.final_lag_s)),
    Figure("… p95", lambda r: p95(r.noticed.final_lag_s)),
    Figure("last partial to final, s, mean", lambda r: mean(r.noticed.partial_to_final_s)),
    Figure(
        "any text, audio received to text sent, s, mean",
        lambda r: mean(r.noticed.latency_s),
        ".3f",
        f"linear in N (x {LINEAR}), or {UNNOTICED_S}",
        _grows_linearly,
    ),
    Figure("… longest", lambda r: max(r.noticed.latency_s, default=float("nan"))),
    Figure(
        "… clients apart, beyond chance (deviation / mean)",
        lambda r: r.noticed.unfairness,
        goal=f"{FAIR}, or {FAIR_S} s",
        is_met=_is_fair,
    ),
    Figure("fastring_asr_queue_seconds, mean", lambda r: mean(r.noticed.queue_s), ".3f"),
    Figure("fastring_asr_inference_seconds, mean", lambda r: mean(r.noticed.inference_s), ".3f"),
    Figure("fastring_asr_real_time_factor, mean", _real_time_factor, ".3f"),
    Figure("fastring_revised_words / fastring_partial_words", _revisions),
    Figure("fastring_retracted_words", _retracted, ".0f", "0", _at_most(0)),
    Figure("fastring_status_messages, server_busy", lambda r: r.noticed.server_busy, ".0f"),
    Figure("fastring_asr_refused_jobs", lambda r: r.counts.get("fastring_asr_refused_jobs_total", 0.0), ".0f"),
    Figure("errors told", lambda r: r.noticed.errors, ".0f", "0", _at_most(0)),
    Figure("clients told to come later", lambda r: r.noticed.refused, ".0f"),
    Figure("clients not answered to the end", lambda r: r.noticed.unanswered, ".0f", "0", _at_most(0)),
    Figure(
        "words wrong, %", lambda r: 100 * r.noticed.wrong_words / max(1, r.noticed.spoken_words), ".1f", of_words=True
    ),
    Figure(
        "process_cpu_seconds, a second of audio",
        lambda r: r.counts["process_cpu_seconds_total"] / r.audio_s,
        ".3f",
        "0.15 (digits)",
        lambda value, run, _alone: value <= 0.15 or not run.noticed.word_commit_s,
    ),
    Figure("process_resident_memory_bytes, MB", lambda r: r.counts["process_resident_memory_bytes"] / 1e6, ".0f"),
    Figure("cores busy with other processes", lambda r: float("nan") if r.others is None else r.others, ".1f"),
)


def rows(engine: Engine, runs: Sequence[Run]) -> list[Row]:
    """All figures of an engine, one column a run, the fewest clients first."""
    return [_row(figure, runs) for figure in FIGURES if engine.truth or not figure.of_words]


def _row(figure: Figure, runs: Sequence[Run]) -> Row:
    values = [figure.value(run) for run in runs]
    cells = ["–" if np.isnan(value) else format(value, figure.style) for value in values]
    met = [
        None if figure.is_met is None or np.isnan(value) else bool(figure.is_met(value, run, runs[0]))
        for value, run in zip(values, runs, strict=True)
    ]
    return Row(figure.title, cells, figure.goal, met)


def markdown(title: str, runs: Sequence[Run], table: Sequence[Row]) -> str:
    """The table as Markdown; what misses its goal is bold."""
    lines = [
        f"**{title}**, N clients:",
        "",
        "| | " + " | ".join(f"{run.clients}" for run in runs) + " | goal |",
        "|---" * (len(runs) + 2) + "|",
    ]
    for row in table:
        cells = [f"**{cell}**" if met is False else cell for cell, met in zip(row.cells, row.met, strict=True)]
        lines.append(f"| {row.title} | {' | '.join(cells)} | {row.goal} |")
    return "\n".join(lines) + "\n"


def put_into(page: Path, tables: Sequence[str]) -> None:
    """Write the tables into a page of the docs, between its marks.

    Raises:
        ValueError: if the page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no {BEGIN} … {END}")
    page.write_text(before + begin + "\n\n" + "\n".join(tables) + "\n" + end + after, encoding="utf-8")


def missed(runs: Sequence[Run], table: Sequence[Row]) -> list[str]:
    """What misses its goal, in words."""
    return [
        f"{row.title}: {cell} with {run.clients}, goal {row.goal}"
        for row in table
        for run, cell, met in zip(runs, row.cells, row.met, strict=True)
        if met is False
    ]


def draw(measured: dict[str, list[Run]], path: Path) -> None:
    """Latency of texts and fairness over N, a panel an engine: the mean of each client is a dot."""
    from drawing import BLUE, ORANGE, save, styled
    from matplotlib.figure import Figure as Canvas

    with styled():
        figure = Canvas(figsize=(8.4, 2.9), layout="constrained")
        panels = figure.subplots(1, len(measured), squeeze=False)[0]
        for axes, (title, runs) in zip(panels, measured.items(), strict=True):
            counts = [run.clients for run in runs]
            means = [1000 * mean(run.noticed.latency_s) for run in runs]
            for run in runs:
                each = [1000 * value for value in run.noticed.client_latency_s]
                axes.plot([run.clients] * len(each), each, ".", color=BLUE, alpha=0.4, markersize=4)
            axes.plot(counts, means, color=BLUE, linewidth=1.4)
            axes.plot(counts, [means[0] * n / counts[0] for n in counts], "--", color=ORANGE, linewidth=1)
            axes.set(title=title, xlabel="clients", xscale="log", yscale="log")
            axes.set_xticks(counts, [str(n) for n in counts])
            axes.minorticks_off()
        panels[0].set_ylabel("audio received to text sent, ms")
        save(figure, path)
