"""Draws load.svg, load_latency.svg and capacity.svg in docs/pictures."""

from __future__ import annotations

from typing import Any

from drawing import BLUE, GREEN, INK, ORANGE, PICTURES, RED, VIOLET, save, styled
from matplotlib.figure import Figure

NAMES = {"ours": "fastring", "bare": "bare aiohttp", "bare, answering": "bare, a reply per 100 ms"}
COLOURS = {"ours": BLUE, "bare": INK, "bare, answering": ORANGE}


def draw_load(data: dict[str, Any]) -> None:
    """Both pictures of the measured figures."""
    _draw_cpu(data)
    _draw_latency(data)


def _draw_latency(data: dict[str, Any]) -> None:
    """Latency over the number of gated streams, a line for each length of message, and the goal."""
    with styled():
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        axes = figure.subplots()
        gated = [check for check in data["checks"] if not check["speech"]]
        for ms, colour in zip(sorted({check["message_ms"] for check in gated}), (GREEN, BLUE, VIOLET), strict=False):
            mine = [check for check in gated if check["message_ms"] == ms]
            streams = [check["streams"] for check in mine]
            axes.plot(
                streams, [check["p99_ms"] for check in mine], "o-", color=colour, label=f"{ms:g} ms messages, p99"
            )
            axes.plot(streams, [check["p50_ms"] for check in mine], "o:", color=colour, alpha=0.6, ms=3)
        axes.axhline(10, color=RED, lw=1)
        axes.annotate("goal", (1, 10), xycoords=("axes fraction", "data"), color=RED, va="bottom", ha="right")
        axes.set_yscale("log")
        axes.set_xlabel("gated streams on one core")
        axes.set_ylabel("added latency, ms (dotted: median)")
        axes.legend(frameon=False, fontsize=7)
        save(figure, PICTURES / "load_latency.svg")


def _draw_cpu(data: dict[str, Any]) -> None:
    """CPU time per message beside the bare server's, by share of speech."""
    with styled():
        figure = Figure(figsize=(7.2, 2.8), layout="constrained")
        shares = sorted({cell["speech"] for cell in data["cells"]})
        for axes, share in zip(figure.subplots(1, len(shares)), shares, strict=True):
            cells = [cell for cell in data["cells"] if cell["speech"] == share]
            for k, name in enumerate(("bare", "bare, answering", "ours")):
                at = [i + (k - 1) * 0.27 for i in range(len(cells))]
                bars = axes.bar(at, [c[name] for c in cells], 0.25, color=COLOURS[name], label=NAMES[name])
                axes.bar_label(bars, fmt="%.0f", fontsize=7, color=INK)
            axes.set_xticks(range(len(cells)), [f"{c['message_ms']} ms" for c in cells])
            axes.set_title(f"{share:.0%} speech", fontsize=9)
        figure.axes[0].set_ylabel("CPU time per message, µs")
        figure.axes[0].legend(frameon=False, fontsize=7)
        save(figure, PICTURES / "load.svg")


def draw_capacity(runs: list[dict[str, Any]]) -> None:
    """Median and p95 of the wait for the engine and what users are refused, by size of the worker tier."""
    with styled():
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        waits, refused = figure.subplots(1, 2)
        for users, colour in zip(sorted({run["users"] for run in runs}), (GREEN, BLUE, VIOLET), strict=False):
            mine = [run for run in runs if run["users"] == users]
            load = [100 * run["offered"] for run in mine]
            waits.plot(load, [1000 * run["wait_p95_s"] for run in mine], "o-", color=colour, label=f"{users:,} users")
            refused.plot(load, [100 * run["late_share"] for run in mine], "o-", color=colour, label=f"{users:,} users")
        waits.set_yscale("symlog", linthresh=1)
        waits.set_ylabel("wait of a final for a worker, p95, ms")
        refused.set_ylabel("finals that wait over 1 s, %")
        for axes in (waits, refused):
            axes.set_xlabel("work offered, % of what the workers can do")
            axes.legend(frameon=False, fontsize=7)
        save(figure, PICTURES / "capacity.svg")
