"""How a live stream looks in a terminal: level, pitch and onsets over time, and the words as they settle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fastring.cli.live_state import COLUMN_S, LiveState

__all__ = ["latency_table", "live_view", "note_name", "sparkline", "transcript", "word_table"]

_BLOCKS = " ▁▂▃▄▅▆▇█"
_LEVEL_COLOURS = ("#1a9850", "#66bd63", "#a6d96a", "#fee08b", "#f46d43")
_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_LEVEL_RANGE_DB = (-66.0, -18.0)  # speech into a microphone
_PITCH_RANGE_HZ = (60.0, 500.0)


def sparkline(values: Sequence[float | None], rows: int) -> list[str]:
    """Values 0..1 as columns of block characters, `rows` lines high, top line first; None leaves its column empty."""
    lines = []
    for row in reversed(range(rows)):
        steps = (0 if value is None else round((value * rows - row) * 8) for value in values)
        lines.append("".join(_BLOCKS[min(max(step, 0), 8)] for step in steps))
    return lines


def transcript(state: LiveState) -> Text:
    """Finals in white, the stable words of the open utterance in green, the unstable ones dim."""
    text = Text(state.text, "bold")
    if state.partial is not None:
        stable = state.partial["stable_text"]
        gap = " " if text else ""
        text.append(gap + stable, "bold green")
        text.append(state.partial["text"][len(stable) :], "italic dim")
    return text


def live_view(state: LiveState, *, title: str, now: float, duration_s: float, width: int) -> RenderableType:
    """The whole view at `now`."""
    elapsed_s = min(max(state.elapsed_s(now), 0.0), duration_s)
    columns = max(20, width - 32)
    last = int(elapsed_s / COLUMN_S)
    shown = range(max(0, last - columns + 1), max(0, last - columns + 1) + columns)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=6, style="dim")
    grid.add_column(width=columns)
    grid.add_column(no_wrap=True)
    _add_level(grid, state, shown)
    _add_pitch(grid, state, shown)
    _add_onsets(grid, state, shown)
    header = Table.grid(expand=True)
    header.add_column()
    header.add_column(justify="right", style="dim")
    header.add_row(Text(title, "bold"), f"{elapsed_s:4.1f} of {duration_s:.1f} s")
    footer = Text(f"ring {100 * state.buffer_usage:.0f} % full, {state.dropped} samples dropped", "dim")
    if state.latencies.analysis:
        footer.append(f"   analysis {median(state.latencies.analysis):.1f} ms behind the sound", "dim")
    words = transcript(state) if state.finals or state.partial else Text("listening ...", "dim italic")
    body = Group(header, "", grid, "", words, "", footer)
    return Panel(body, title="fastring", border_style="cyan", padding=(0, 2), width=width)


def word_table(words: Sequence[Mapping[str, Any]]) -> Table:
    """Each word with its times and confidence."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("word", "start", "end", "confidence"):
        table.add_column(name, justify="left" if name == "word" else "right")
    for word in words:
        sure = word["confidence"]
        table.add_row(
            Text(word["word"], "bold"),
            f"{word['start']:.2f} s",
            f"{word['end']:.2f} s",
            Text(f"{100 * sure:.0f} %", "green" if sure >= 0.8 else "yellow"),
        )
    return table


def latency_table(state: LiveState) -> Table:
    """What was measured between the sound and the answers."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("latency", "median", "worst"):
        table.add_column(name, justify="left" if name == "latency" else "right")
    measured = state.latencies
    for name, values in (
        ("sound to its analysis", measured.analysis),
        ("start of speech to first partial", measured.first_partial),
        ("last partial to final", measured.partial_to_final),
        ("end of last word to final", measured.last_word_to_final),
    ):
        if values:
            table.add_row(name, f"{median(values):.0f} ms", f"{max(values):.0f} ms")
    return table


def _add_level(grid: Table, state: LiveState, shown: range) -> None:
    levels = [state.level_db.get(column) for column in shown]
    low, high = _LEVEL_RANGE_DB
    heights = [None if level is None else min(max((level - low) / (high - low), 0.0), 1.0) for level in levels]
    rows = 3
    for row, line in enumerate(sparkline(heights, rows)):
        text = Text()
        for character, height in zip(line, heights, strict=True):
            text.append(character, _LEVEL_COLOURS[min(int((height or 0) * 5), 4)])
        newest = next((level for level in reversed(levels) if level is not None), None)
        grid.add_row("level" if row == rows - 1 else "", text, _number(newest, "dBFS") if row == rows - 1 else "")


def _add_pitch(grid: Table, state: LiveState, shown: range) -> None:
    low, high = (math.log2(hz) for hz in _PITCH_RANGE_HZ)
    pitches = [state.pitch_hz.get(column) for column in shown]
    heights = [None if hz is None else min(max((math.log2(hz) - low) / (high - low), 0.05), 1.0) for hz in pitches]
    newest = next((hz for hz in reversed(pitches) if hz is not None), None)
    for row, line in enumerate(sparkline(heights, 2)):
        label = _number(newest, f"Hz  {note_name(newest)}" if newest else "") if row else ""
        grid.add_row("pitch" if row else "", Text(line, "#74add1"), label)


def _add_onsets(grid: Table, state: LiveState, shown: range) -> None:
    marked = {int(onset / COLUMN_S) for onset in state.onsets_s}
    line = "".join("╿" if column in marked else "·" for column in shown)
    tempo = f"   tempo {state.tempo:.0f}" if state.tempo else ""
    grid.add_row("onsets", Text(line, "#fdae61"), f"{len(state.onsets_s)}{tempo}")


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:6.1f} {unit}"


def note_name(hz: float) -> str:
    """The nearest note of the tempered scale, A4 = 440 Hz: 130.8 Hz is C3."""
    midi = round(69 + 12 * math.log2(hz / 440.0))
    return f"{_NOTES[midi % 12]}{midi // 12 - 1}"
