"""Score one analyzer setting after another on a folder of recordings with truth, one at a time around the defaults.

    python scripts/sweep_analyzer.py --data DIR --scorer DIR/score.py --kind onset onset_threshold=0.018,0.0232,0.03

Prints one line per value: the figures of the real and the synthetic items of that kind. The defaults in
`csrc/core/analyzer_settings.hpp` were chosen by such sweeps, first at random over all settings of a kind together, then
one by one, and lie inside plateaus: neighbours score within a point.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from accuracy import read_mono

from fastring import Analyzer

FIGURES = {
    "onset": ("F50", "F25", "P", "R", "bias_ms", "lat50_ms", "lat95_ms"),
    "tempo": ("Acc1", "Acc2", "Pscore"),
    "pitch": ("RPA", "VR", "VFA", "GPE20"),
}

# Of the pitch items one is singing: it would count as much as a sentence.
SUBSETS: dict[str, dict[str, str]] = {"onset": {}, "tempo": {}, "pitch": {"real": "speech"}}


def load_scorer(path: Path) -> ModuleType:
    """Import the folder's own scorer from its file."""
    spec = importlib.util.spec_from_file_location("scorer", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def predict(kind: str, samples: np.ndarray, sample_rate: int, tuning: dict[str, float]) -> dict[str, Any]:
    """What the scorer reads of one recording."""
    t = Analyzer(sample_rate, tuning=tuning).push_tracks(samples)
    if kind == "onset":
        onsets, reports = t["onset_sample_index"] / sample_rate, t["onset_report_index"] / sample_rate
        return {"onsets": onsets.tolist(), "emit": reports.tolist()}
    if kind == "tempo":
        known = t["tempo"][t["tempo"] > 0]
        return {"tempo": float(known[-1]) if len(known) else 0.0}
    f0 = np.where(t["pitch"] > 0, t["pitch"], -t["pitch_candidate"])
    return {"time": (t["pitch_centre_index"] / sample_rate).tolist(), "f0": f0.tolist()}


def main() -> int:
    """Print a line per value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--kind", choices=FIGURES, required=True)
    parser.add_argument("--halves", action="store_true", help="every other item apart: does a choice hold on both?")
    parser.add_argument("setting", nargs="+", help="name=value,value,...")
    arguments = parser.parse_args()
    scorer = load_scorer(arguments.scorer)
    manifest = json.loads((arguments.data / arguments.split / "manifest.json").read_text(encoding="utf-8"))
    items = [item for item in manifest if item["kind"] == arguments.kind]
    audio = [read_mono(arguments.data / item["path"]) for item in items]
    for setting in arguments.setting:
        name, _, values = setting.partition("=")
        for value in map(float, values.split(",")):
            kept = Analyzer.defaults().get(name, 0.0)
            tuning = {name: int(value) if isinstance(kept, int) else value}
            predictions = {
                item["id"]: predict(arguments.kind, *a, tuning) for item, a in zip(items, audio, strict=True)
            }
            cells = []
            for part, chosen in (
                {"even ": items[::2], "odd ": items[1::2]}.items() if arguments.halves else [("", items)]
            ):
                rows = scorer.score({"items": predictions}, chosen, str(arguments.data))
                totals = {
                    row["data"]: row for row in rows if row["sub"] == SUBSETS[arguments.kind].get(row["data"], "all")
                }
                cells += [
                    f"{part}{data} " + " ".join(f"{f} {row.get(f, float('nan')):.3f}" for f in FIGURES[arguments.kind])
                    for data, row in sorted(totals.items())
                ]
            print(f"{name}={value:g}: " + " | ".join(cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
