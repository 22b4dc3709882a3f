"""Draws the pictures of the docs from the bundled recordings: `analyze --plot`, `demo`, and those of the topics."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from topic_pictures import draw_topics

from fastring.cli.demo import DEFAULT_RECORDINGS, Script, perform, script_of
from fastring.cli.live_state import LiveState
from fastring.cli.live_view import live_view
from fastring.recordings import recording, recording_path

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
MOMENT_S = 4.75  # in the middle of a word that is not settled yet
WIDTH = 100

_GREY, _RED, _GREEN, _AMBER = (92, 103, 115), (240, 113, 120), (127, 217, 98), (255, 180, 84)
_BLUE, _VIOLET, _CYAN, _INK = (79, 179, 217), (210, 166, 255), (77, 191, 191), (217, 222, 228)
THEME = TerminalTheme((15, 20, 25), _INK, [_GREY, _RED, _GREEN, _AMBER, _BLUE, _VIOLET, _CYAN, _INK])


def draw_analysis() -> None:
    """A recording as `fastring analyze --plot` draws it."""
    path = PICTURES / "analysis.png"
    command = [sys.executable, "-m", "fastring", "analyze", "--plot", str(path), str(recording_path("seen_8"))]
    subprocess.run(command, check=True)
    with Image.open(path) as picture:  # 256 colours are enough, and a third of the size
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)


def draw_demo() -> None:
    """The demo at one moment, from a real run of it."""
    script = script_of([recording(name) for name in DEFAULT_RECORDINGS])
    state = asyncio.run(perform(script, live=False))
    moment = LiveState(state.started_s)
    for now, message in state.history:
        if now - state.started_s <= MOMENT_S:
            moment.receive(message, now)
    console = Console(record=True, width=WIDTH, force_terminal=True, color_system="truecolor", file=io.StringIO())
    console.print(_view(moment, script))
    svg = console.export_svg(title="fastring demo", theme=THEME)
    # No font from the network: a README must not call anybody.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")
    (PICTURES / "demo.svg").write_text(svg, encoding="utf-8")


def _view(state: LiveState, script: Script) -> object:
    now = state.started_s + MOMENT_S
    return live_view(state, title=" + ".join(script.names), now=now, duration_s=script.duration_s, width=WIDTH)


if __name__ == "__main__":
    PICTURES.mkdir(parents=True, exist_ok=True)
    draw_analysis()
    draw_demo()
    draw_topics([])
