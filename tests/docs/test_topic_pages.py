"""What the topic pages say in figures is what the code does."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

import fastring
from fastring.analysis.gate import EnergyGate
from fastring.config import EndpointSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
TOPICS = ROOT / "docs" / "topics"
PICTURES = ROOT / "docs" / "pictures" / "topics"
SETTING_ROW = re.compile(r"^\| `([a-z_.]+)`(?: of `EnergyGate`)? \| ([^|]+) \|", re.MULTILINE)
MEASURED = {"spectrum": "spectrum", "onset": "onsets", "pitch": "pitch", "tempo": "tempo", "gate": "voice"}

sys.path.insert(0, str(ROOT / "scripts"))
from feature_latency import row  # noqa: E402


def page(name: str) -> str:
    return (TOPICS / f"{name}.md").read_text(encoding="utf-8")


def parameters(name: str) -> dict[str, str]:
    """Settings and defaults of a page's table that has such columns."""
    tables = page(name).split("| default | what it trades |")[1:]
    return {key: value for table in tables for key, value in SETTING_ROW.findall(table.split("\n\n")[0])}


@pytest.mark.parametrize(("feature", "name"), MEASURED.items())
def test_the_latency_on_the_page_is_the_one_measured(feature: str, name: str) -> None:
    assert row(feature) in page(name)


@pytest.mark.parametrize("name", ["spectrum", "onsets", "pitch", "tempo", "chunking"])
def test_defaults_of_the_analyzer(name: str) -> None:
    defaults = fastring.Analyzer.defaults()
    assert parameters(name)
    assert {key: f"{defaults[key]}" for key in parameters(name)} == parameters(name)


def test_defaults_of_gate_and_endpointer() -> None:
    said = parameters("voice")
    settings, gate = EndpointSettings(), EnergyGate(16_000)
    assert said.pop("frame_samples") == f"{1000 * gate.frame_samples / 16_000:.0f} ms"
    assert said.pop("hold_frames") == f"{gate.hold_frames}"
    assert said.pop("high_pass_hz") == f"{inspect.signature(EnergyGate.__init__).parameters['high_pass_hz'].default:g}"
    assert said == {key: f"{getattr(settings, key.removeprefix('endpoint.'))}" for key in said}
    assert len(said) == 6


def test_defaults_of_transcription() -> None:
    settings, said = Settings(), parameters("transcription")
    assert len(said) == 7
    for key, value in said.items():
        section, name = key.split(".")
        assert value == f"{getattr(getattr(settings, section), name)}", key


def test_defaults_of_the_ring() -> None:
    parameters_of_init, said = inspect.signature(fastring.RingBuffer.__init__).parameters, parameters("ring")
    assert set(said) == {*parameters_of_init} - {"self"}
    for key, value in said.items():
        default = parameters_of_init[key].default
        assert value == ("none: you choose" if default is inspect.Parameter.empty else f"{default}")


def test_frames_by_sample_rate() -> None:
    rows = re.findall(
        r"^\| (\d+) Hz \| (\d+) samples, ([\d.]+) ms \| (\d+) samples, ([\d.]+) ms \|", page("chunking"), re.MULTILINE
    )
    assert len(rows) == 6
    for rate, hop, hop_ms, latency, latency_ms in rows:
        analyzer = fastring.Analyzer(float(rate))
        assert (analyzer.hop_samples, analyzer.pitch_latency_samples) == (int(hop), int(latency))
        assert f"{1000 * int(hop) / int(rate):.1f}" == hop_ms
        assert f"{1000 * int(latency) / int(rate):.1f}" == latency_ms


def test_every_topic_is_in_the_index_and_every_picture_on_a_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        if path.name != "README.md":
            assert f"({path.relative_to(ROOT / 'docs').as_posix()})" in index
    text = "".join(page(path.stem) for path in TOPICS.glob("*.md"))
    pictures = list(PICTURES.glob("*.svg"))
    assert len(pictures) >= 9
    for picture in pictures:
        assert f"pictures/topics/{picture.name})" in text
        assert picture.stat().st_size < 60_000, f"{picture.name} is {picture.stat().st_size} bytes"


def test_what_the_pages_say_of_silence_and_of_flux() -> None:
    """None for silence; a full-scale sine that starts gives a flux of 2 to 4 at every rate."""
    import numpy as np

    for rate in (8000, 16_000, 44_100, 48_000, 96_000):
        samples = np.zeros(rate, np.float32)
        assert fastring.analyze(samples, rate).tempo is None
        samples[rate // 2 :] = np.sin(2 * np.pi * 1000 * np.arange(rate - rate // 2) / rate)
        assert 2 <= fastring.analyze(samples, rate).spectral_flux.max() < 4.5
