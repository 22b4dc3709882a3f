"""Modules of the dashboard that need no page, run by Node: the spectrum, figures as people read them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_clients import run_module

import fastring.server

FOLDER = Path(fastring.server.__file__).parent / "dashboard"
SIZE = 1024


def evaluate(module: str, expression: str) -> Any:
    """What an expression gives in which `it` is the module."""
    encoded = base64.b64encode((FOLDER / module).read_bytes()).decode()
    code = f"const it = await import('data:text/javascript;base64,{encoded}');"
    return json.loads(run_module(f"{code} console.log(JSON.stringify({expression}));"))


def test_the_spectrum_is_that_of_numpy() -> None:
    rng = np.random.default_rng(7)
    samples = rng.standard_normal(SIZE).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)
    expected = 16 / SIZE**2 * np.abs(np.fft.rfft(samples * window)[:-1]) ** 2
    spectrum = evaluate("fft.js", f"[...new it.PowerSpectrum({SIZE}).of(Float32Array.from({samples.tolist()}))]")
    np.testing.assert_allclose(spectrum, expected, rtol=1e-3, atol=1e-7)


def test_a_sine_of_full_scale_is_one_in_its_bin() -> None:
    sine = f"Float32Array.from({{ length: {SIZE} }}, (_, n) => Math.sin(2 * Math.PI * 100 * n / {SIZE}))"
    spectrum = evaluate("fft.js", f"[...new it.PowerSpectrum({SIZE}).of({sine})]")
    assert int(np.argmax(spectrum)) == 100
    assert spectrum[100] == pytest.approx(1.0, rel=1e-3)


def test_figures_as_people_read_them() -> None:
    calls = {
        "note(440)": "A4 +0 cents",
        "note(103)": "G♯2 −14 cents",
        "note(61)": "B1 −21 cents",
        "clock(7.9)": "0:07",
        "clock(3787)": "1:03:07",
        "span(59)": "59 s",
        "span(7500)": "2 h 5 min",
        "span(260000)": "3 days",
        "milliseconds(null)": "–",
        "milliseconds(41.6)": "42 ms",
        "milliseconds(12345)": "12.3 s",
        "percent(0.0213)": "2.1 %",
        "percent(0.875)": "88 %",
        "megabytes(704000)": "704 kB",
        "megabytes(1.5e6)": "1.5 MB",
    }
    shown = evaluate("format.js", "[" + ", ".join(f"it.{call}" for call in calls) + "]")
    assert dict(zip(calls, shown, strict=True)) == calls
