from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fastring.cli.live_state import LiveState
from fastring.cli.live_view import latency_table, live_view, note_name, sparkline, transcript, word_table


def analysis(timestamp: float, **fields: Any) -> dict[str, Any]:
    message = {"type": "analysis", "timestamp": timestamp, "rms": 0.1, "pitch": None, "onsets": [], "tempo": None}
    return {**message, "buffer_usage": 0.25, "dropped": 0, **fields}


def word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, "confidence": 0.9, "stable": True}


def rendered(renderable: object, width: int = 100) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@given(st.lists(st.none() | st.floats(-2, 2), max_size=50), st.integers(1, 4))
def test_a_sparkline_has_its_size_whatever_the_values(values: list[float | None], rows: int) -> None:
    lines = sparkline(values, rows)
    assert [len(line) for line in lines] == [len(values)] * rows


def test_a_sparkline_grows_from_the_bottom() -> None:
    assert sparkline([0.0, 0.25, 0.5, 0.75, 1.0, None], 2) == ["   ▄█ ", " ▄███ "]


def test_stable_words_stand_apart_from_unstable_ones() -> None:
    state = LiveState(0.0)
    state.receive({"type": "final", "text": "one", "words": []}, 1.0)
    state.receive({"type": "partial", "start": 1.0, "text": "two three", "stable_text": "two"}, 2.0)
    text = transcript(state)
    assert text.plain == "one two three"
    styles = {text.plain[span.start : span.end].strip(): str(span.style) for span in text.spans}
    assert styles["two"] == "bold green"
    assert styles["three"] == "italic dim"


@pytest.mark.parametrize("width", [60, 80, 110])
def test_the_view_shows_everything_and_keeps_its_width(width: int) -> None:
    state = LiveState(0.0)
    for column in range(1, 40):
        onsets = [1.0] if column == 21 else []
        state.receive(analysis(column * 0.05, rms=0.05, pitch=130.8, onsets=onsets, tempo=120.4), column * 0.05 + 0.01)
    state.receive({"type": "final", "text": "seven", "words": [word("seven", 0.1, 0.5)]}, 1.9)
    text = rendered(live_view(state, title="test.wav", now=2.0, duration_s=5.0, width=width), width)
    for part in (
        "test.wav",
        "2.0 of 5.0 s",
        "-26.0 dBFS",
        "130.8 Hz  C3",
        "tempo 120",
        "seven",
        "╿",
        "25 % full",
        "10.0 ms",
    ):
        assert part in text
    assert {len(line) for line in text.splitlines()} == {width}


def test_the_view_of_nothing_yet() -> None:
    assert "listening" in rendered(live_view(LiveState(0.0), title="x", now=-1.0, duration_s=5.0, width=80))


def test_tables() -> None:
    state = LiveState(0.0)
    state.receive({"type": "final", "text": "six", "words": [word("six", 0.1, 0.45)]}, 1.0)
    words = rendered(word_table(state.words))
    for part in ("six", "0.10 s", "0.45 s", "90 %"):
        assert part in words
    latencies = rendered(latency_table(state))
    assert "550 ms" in latencies
    assert "first partial" not in latencies  # there was none


@pytest.mark.parametrize(("hz", "name"), [(440.0, "A4"), (130.81, "C3"), (61.7, "B1"), (466.2, "A♯4")])
def test_note_names(hz: float, name: str) -> None:
    assert note_name(hz) == name
