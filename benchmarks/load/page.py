"""The measured tables of the load benchmark, for the terminal and for docs/topics/capacity.md, with the goals in them.

The page has `<!-- measured NAME -->` and `<!-- end of NAME -->` around each table; what is between is rewritten.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

__all__ = [
    "GOAL_LATENCY_MS",
    "GOAL_STREAMS",
    "MESSAGES_MS",
    "SHARES",
    "per_core",
    "rewrite_page",
    "rewritten",
    "tables",
]

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "topics" / "capacity.md"
BUSY = 0.6
MESSAGES_MS = (20, 100, 250)
SHARES = (0.0, 0.3, 1.0)
GOAL_STREAMS = {20: 600, 100: 1500, 250: 3000}
GOAL_RATIO = 1.5
GOAL_LATENCY_MS = 10.0
GOAL_SCALING = 1.9
GOAL_KIB = {"ours, idle": 16}
LATE_MS = 2.0  # a crowd that is later than this measures itself

NAMES = {
    "bare, idle": "bare server, connected",
    "bare, after 1 s": "bare server, after a second of silence",
    "ours, idle": "connected, nothing sent",
    "ours, after 1 s": "after a second of silence, 31 KiB of it in the ring",
    "ours, after 45 s": "after 45 s of silence",
}
Rows = list[tuple[str, ...]]
TableOf = tuple[str, tuple[str, ...], Rows]


def per_core(data: dict[str, Any], speech: float, message_ms: int) -> int:
    """Streams that keep one core busy for `BUSY` of the time."""
    return int(BUSY * 1e6 / _cell(data, speech, message_ms)["ours"] * message_ms / 1000)


def tables(data: dict[str, Any]) -> list[TableOf]:
    """Title, columns and rows of each."""
    found = [
        (
            "CPU time per message, and streams per core (60 % busy)",
            (
                "speech",
                "message",
                "ours",
                "bare",
                "bare, answering",
                "ours to bare",
                "to answering",
                "streams per core",
            ),
            [_cell_row(data, cell) for cell in data["cells"]],
        ),
        (
            "Streams in real time on one core",
            (
                "speech",
                "message",
                "streams",
                "core",
                "p50",
                "p99",
                "worst",
                "loop over 5 ms late",
                "crowd late, its core",
            ),
            [_real_row(check) for check in data["checks"]],
        ),
        (
            "Memory per voice connection",
            ("connection", "KiB", "goal"),
            [_memory_row(*item) for item in data["memory_kib"].items()],
        ),
    ]
    return [*found, _processes(data["processes"])] if len(data["processes"]) == 2 else found


def _cell_row(data: dict[str, Any], cell: dict[str, Any]) -> tuple[str, ...]:
    speech, message_ms = cell["speech"], cell["message_ms"]
    ratio, told = cell["ours"] / cell["bare"], cell["ours"] / cell["bare, answering"]
    streams = per_core(data, speech, message_ms)
    gated = speech == 0
    goal = GOAL_STREAMS[message_ms]
    return (
        f"{speech:.0%}",
        f"{message_ms} ms",
        *(f"{cell[name]:.0f} µs" for name in ("ours", "bare", "bare, answering")),
        f"{ratio:.2f}" + (f", goal {GOAL_RATIO} {_mark(ratio <= GOAL_RATIO)}" if gated else ""),
        f"{told:.2f}",
        f"{streams}" + (f", goal {goal} {_mark(streams >= goal)}" if gated else ""),
    )


def _real_row(check: dict[str, Any]) -> tuple[str, ...]:
    ticks, over_5, _ = check["lag"]
    message_ms = round(check["message_ms"])
    wanted = not check["speech"] and check["streams"] == GOAL_STREAMS[message_ms]
    met, is_late = check["p99_ms"] < GOAL_LATENCY_MS, check["late_p99_ms"] > LATE_MS
    verdict = f", goal {GOAL_LATENCY_MS:g} {'not shown' if is_late and not met else _mark(met)}" if wanted else ""
    late = " (late)" if is_late else ""
    behind = "; behind at the end" if check["unanswered"] else ""
    return (
        f"{check['speech']:.0%}",
        f"{message_ms} ms",
        f"{check['streams']}",
        f"{check['cores']:.0%}",
        f"{check['p50_ms']:.2f} ms",
        f"{check['p99_ms']:.1f} ms{verdict}{behind}",
        f"{check['worst_ms']:.0f} ms",
        f"{over_5} of {ticks} ticks",
        f"{check['late_p99_ms']:.1f} ms{late}, {check['crowd_cores']:.0%}",
    )


def _memory_row(name: str, kib: float) -> tuple[str, ...]:
    goal = GOAL_KIB.get(name)
    return NAMES[name], f"{kib:.0f}", "" if goal is None else f"{goal} {_mark(kib <= goal)}"


def _processes(found: dict[str, dict[str, float]]) -> TableOf:
    one, two = found["1"], found["2"]
    ratio = 2 * one["cpu_us"] / two["cpu_us"]
    busiest = one["cpu_us"] / two["cpu_us"] / two["busiest"]
    rows = [
        ("1", f"{one['cpu_us']:.0f} µs", "", "", f"{one['crowd_cores']:.0%}"),
        (
            "2",
            f"{two['cpu_us']:.0f} µs",
            f"{ratio:.2f}, goal {GOAL_SCALING} {_mark(ratio >= GOAL_SCALING)}",
            f"{busiest:.2f}",
            f"{two['crowd_cores']:.0%}",
        ),
    ]
    columns = (
        "processes",
        "CPU per message",
        "streams at the same load",
        "until the busier one is full",
        "crowd's core",
    )
    return "Two processes, 100 ms messages", columns, rows


def _cell(data: dict[str, Any], speech: float, message_ms: int) -> dict[str, Any]:
    cell: dict[str, Any] = next(c for c in data["cells"] if (c["speech"], c["message_ms"]) == (speech, message_ms))
    return cell


def _mark(met: bool) -> str:
    return "met" if met else "missed"


def _fleet(data: dict[str, Any]) -> str:
    """What users need, from the streams that a core carries at 30 % speech in messages of 100 ms."""
    streams = per_core(data, 0.3, 100)
    gated = ", ".join(f"{per_core(data, 0.0, ms)}" for ms in MESSAGES_MS)
    talking = ", ".join(f"{per_core(data, 0.3, ms)}" for ms in MESSAGES_MS)
    rows: Rows = [
        (
            f"{users:,}",
            f"{-(-users // streams):,}",
            f"{round(users * 0.3 * 0.15 / 0.8):,}",
            f"{users * (0.1 + 0.3 * 1.3) / 1000:,.1f} GB",
        )
        for users in (1000, 10_000, 100_000)
    ]
    return (
        f"With the figures above, one core carries {gated} gated streams of 20, 100 and 250 ms messages, and at 30 % "
        f"speech\n{talking}. For 30 % speech, 100 ms messages and an engine that takes 0.15 s of CPU time a second of "
        f"speech:\n\n{_markdown(('users', 'cores for streams', 'cores for the engine', 'rings'), rows)}"
    )


def _markdown(columns: tuple[str, ...], rows: Rows) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def rewritten(text: str, data: dict[str, Any]) -> str:
    """The page with these figures.

    Raises:
        ValueError: it lacks the marks of a table.
    """
    names = ("cells", "real", "memory", "processes")
    parts = {name: _markdown(columns, rows) for name, (_, columns, rows) in zip(names, tables(data), strict=False)}
    parts["machine"] = (
        f"This run had {data['cores']} cores, and a load of {data['load']} on them when it began; it took "
        f"{data['minutes']:.0f} minutes."
    )
    parts["fleet"] = _fleet(data)
    for name, part in parts.items():
        pattern = rf"(<!-- measured {name} -->\n).*?(<!-- end of {name} -->)"
        text, count = re.subn(pattern, lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page has {count} places for {name!r}")
    return text


def rewrite_page(data: dict[str, Any]) -> None:
    """Put the figures into docs/topics/capacity.md."""
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")
