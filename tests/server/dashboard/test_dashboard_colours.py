"""The palette of the dashboard is readable in the dark and in the light: contrast by WCAG 2.2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fastring.server

PALETTE = (Path(fastring.server.__file__).parent / "dashboard" / "colours.css").read_text(encoding="utf-8")
TEXT = 4.5  # AA
GRAPHICS = 3.0  # AA, for what is no text
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "faint", "accent") for ground in ("ground", "card")),
    *((kind, f"{kind}-soft", TEXT) for kind in ("good", "warn", "bad")),
    *(("ink", f"{kind}-soft", TEXT) for kind in ("accent", "warn", "bad")),
    ("accent-ink", "accent", TEXT),
    ("card", "bad", TEXT),
    ("bad", "card", TEXT),
    ("wave", "card", GRAPHICS),
    ("onset", "card", GRAPHICS),
]


def palette(scheme: str) -> dict[str, str]:
    """Name to `#rrggbb`, of what is opaque."""
    light, _, dark = PALETTE.partition("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([\w-]+): #([0-9a-f]{6});", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS, ids=[f"{ink}-on-{ground}" for ink, ground, _ in PAIRS])
def test_it_can_be_read(scheme: str, ink: str, ground: str, least: float) -> None:
    colours = palette(scheme)
    lighter, darker = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def test_both_palettes_name_the_same_colours() -> None:
    assert set(palette("light")) == set(palette("dark"))
