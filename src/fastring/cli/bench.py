"""`fastring bench`: what the core takes on this machine, beside Python's own ways, and whether it keeps the limits."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from fastring import Analyzer, EnergyGate, RingBuffer, float32_to_pcm16, pcm16_to_float32
from fastring.audio.native_core import instruction_set
from fastring.cli.terminal import out

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["bench"]

_BUFFER_LIMIT_S = 1e-3
_ANALYSIS_LIMIT_S = 10e-3
_ROUNDS = 15
_CHUNK = 1024
_RATE = 44_100
_VOICE_RATE = 16_000
_VOICE_CHUNK = 320  # 20 ms


@dataclass(frozen=True, slots=True)
class Figure:
    """One operation.

    Attributes:
        name: of the operation.
        seconds: the best of several rounds.
        limit_s: it must take less.
        beside: what else would do it.
        times: how many times as long that takes, in the same rounds; None if there is nothing like it.
    """

    name: str
    seconds: float
    limit_s: float
    beside: str = ""
    times: float | None = None


def bench(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Time the native core on this machine, in a few seconds.

    Exit code 1 if a buffer operation takes 1 ms, or the full analysis of 1024 samples 10 ms. For figures with every
    peer, use `make bench` in a checkout.
    """
    figures = _measure()
    kept = all(figure.seconds < figure.limit_s for figure in figures)
    if as_json:
        rows = [asdict(figure) for figure in figures]
        typer.echo(json.dumps({"instruction_set": instruction_set(), "ok": kept, "figures": rows}, indent=2))
    else:
        out.print(_table(figures))
        analysis = figures[-1]
        streams = int(_VOICE_CHUNK / _VOICE_RATE / analysis.seconds)
        out.print(Text(f"{streams:,} live streams of 20 ms at 16 kHz keep one core busy ({instruction_set()})", "bold"))
    raise typer.Exit(0 if kept else 1)


def _measure() -> list[Figure]:
    audio = (10_000 * np.sin(2 * np.pi * 440 * np.arange(4 * _CHUNK) / _RATE)).astype(np.int16)
    chunk = audio[:_CHUNK]
    floats, taken, heard = pcm16_to_float32(chunk), np.empty(_CHUNK, np.int16), np.empty(_CHUNK, np.float32)
    ring, held = RingBuffer(8 * _CHUNK), deque[bytes]()

    def through_ring() -> None:
        ring.write(chunk)
        ring.read_into(taken)

    def through_deque() -> None:
        held.append(chunk.tobytes())
        np.copyto(taken, np.frombuffer(held.popleft(), np.int16))

    analyzer, gate, voice = Analyzer(_RATE), EnergyGate(_VOICE_RATE), Analyzer(_VOICE_RATE)
    frame = floats[:_VOICE_CHUNK]
    figures = [
        _figure("ring write + read, 1024", _BUFFER_LIMIT_S, through_ring, "deque", through_deque),
        _figure(
            "int16 to float32, 1024",
            _BUFFER_LIMIT_S,
            lambda: pcm16_to_float32(chunk, out=heard),
            "NumPy",
            lambda: chunk.astype(np.float32) / np.float32(32768),
        ),
        _figure(
            "float32 to int16, 1024",
            _BUFFER_LIMIT_S,
            lambda: float32_to_pcm16(floats, out=taken),
            "NumPy",
            lambda: np.clip(np.rint(floats * 32768), -32768, 32767).astype(np.int16),
        ),
        _figure("energy gate, 20 ms at 16 kHz", _BUFFER_LIMIT_S, lambda: gate.push(frame)),
        _figure("analysis, 1024 at 44.1 kHz", _ANALYSIS_LIMIT_S, lambda: analyzer.push(floats)),
        _figure("analysis, 20 ms at 16 kHz", _ANALYSIS_LIMIT_S, lambda: voice.push(frame)),
    ]
    np.testing.assert_array_equal(taken, chunk)
    np.testing.assert_array_equal(heard, floats)
    return figures


def _figure(
    name: str, limit_s: float, call: Callable[[], Any], beside: str = "", other: Callable[[], Any] | None = None
) -> Figure:
    """The best of several rounds, in which both take turns, so that both meet the same noise."""
    number = _calls_of_a_round(call)
    ours, theirs = float("inf"), float("inf")
    for _ in range(_ROUNDS):
        ours = min(ours, _time(call, number))
        if other is not None:
            theirs = min(theirs, _time(other, number))
    return Figure(name, ours, limit_s, beside, None if other is None else theirs / ours)


def _calls_of_a_round(call: Callable[[], Any]) -> int:
    """As many as take 10 ms."""
    number = 1
    while (seconds := _time(call, number) * number) < 0.002:
        number *= 2
    return max(1, round(number * 0.01 / seconds))


def _time(call: Callable[[], Any], number: int) -> float:
    start_s = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start_s) / number


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("operation", header_style="dim", no_wrap=True)
    for column in ("time", "limit"):
        table.add_column(column, header_style="dim", justify="right")
    table.add_column("", header_style="dim")
    for figure in figures:
        beside = "" if figure.times is None else f"{figure.times:.1f} x {figure.beside}"
        style = "green" if figure.seconds < figure.limit_s else "bold red"
        table.add_row(figure.name, Text(_shown(figure.seconds), style), _shown(figure.limit_s), Text(beside, "dim"))
    return table


def _shown(seconds: float) -> str:
    for unit, scale in (("ns", 1e9), ("µs", 1e6)):
        if seconds * scale < 1000:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e3:.3g} ms"
