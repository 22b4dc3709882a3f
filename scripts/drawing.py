"""How the pictures of the docs are drawn: no background, readable on white and on black, the same file each time."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["BLUE", "FAINT", "GREEN", "INK", "ORANGE", "PICTURES", "RED", "VIOLET", "save", "styled"]

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
INK, FAINT = "#7d8894", "#7d889455"
BLUE, ORANGE, GREEN, VIOLET, RED = "#2f8fc0", "#e08a1e", "#4a9d3f", "#8f6bd8", "#dc5660"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "svg.hashsalt": "fastring",  # the same picture is the same file
}


def styled() -> Any:
    """Within it figures are drawn, and saved, in this style; also a decorator."""
    return mpl.rc_context(STYLE)


def save(figure: Figure, path: Path) -> None:
    """Write it as SVG, small and without a date."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(smaller(out.getvalue()), encoding="utf-8")


def smaller(svg: str) -> str:
    """The same picture with coordinates to a tenth of a point, images of 32 colours, and nothing nobody sees."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(?:d|x|y)="[^"]*"', lambda found: _tenths(found[0]), svg)
    svg = svg.replace("'DejaVu Sans'", "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif")
    svg = re.sub(r"data:image/png;base64,([\w+/=\s]+)", lambda m: f"data:image/png;base64,{_few_colours(m[1])}", svg)
    return re.sub(r"[ ]+$", "", svg, flags=re.MULTILINE)


def _tenths(attribute: str) -> str:
    return re.sub(r"(\.\d)\d+", r"\1", attribute).replace(" \n", " ")


def _few_colours(png: str) -> str:
    out = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        image.convert("RGB").quantize(32).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()
