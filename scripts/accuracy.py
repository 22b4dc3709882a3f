"""Predictions of the analyzer, fed chunk by chunk with its default settings, over a folder of recordings with truth.

    python scripts/accuracy.py --data DIR --split dev --out FILE

DIR holds SPLIT/manifest.json: a list of items with `id`, `kind`, `path` (relative to DIR) and `sample_rate`. FILE gets
one prediction per item whose kind is known here; the scorer that belongs to the folder reads it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastring import Analyzer

Mono = npt.NDArray[np.float32]
Predict = Callable[[Mono, int], dict[str, Any]]

CHUNK_MS = 5.0


def read_mono(path: Path) -> tuple[Mono, int]:
    """Decode a file to mono float32, by soundfile if it is there, else by PyAV."""
    try:
        import soundfile
    except ImportError:
        return _read_by_av(path)
    samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), int(sample_rate)


def _read_by_av(path: Path) -> tuple[Mono, int]:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        sample_rate = int(stream.rate)
        resampler = av.AudioResampler(format="fltp", rate=sample_rate)
        planes = [out.to_ndarray() for frame in container.decode(stream) for out in resampler.resample(frame)]
    return np.ascontiguousarray(np.concatenate(planes, axis=1).mean(axis=0, dtype=np.float32)), sample_rate


def _stream(samples: Mono, sample_rate: int) -> dict[str, npt.NDArray[Any]]:
    """Every track, plus `onset_emit`: stream time at the end of the chunk that reported each onset."""
    analyzer = Analyzer(sample_rate)
    chunk = round(sample_rate * CHUNK_MS / 1000)
    parts = []
    for start in range(0, len(samples), chunk):
        tracks = analyzer.push_tracks(samples[start : start + chunk])
        tracks["onset_emit"] = np.full(len(tracks["onset_sample_index"]), analyzer.samples_pushed / sample_rate)
        parts.append(tracks)
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def predict_onsets(samples: Mono, sample_rate: int) -> dict[str, Any]:
    """Onset times and when each was reported."""
    t = _stream(samples, sample_rate)
    return {"onsets": (t["onset_sample_index"] / sample_rate).tolist(), "emit": t["onset_emit"].tolist()}


def predict_tempo(samples: Mono, sample_rate: int) -> dict[str, Any]:
    """The last estimate of the stream."""
    bpm = _stream(samples, sample_rate)["tempo"]
    known = bpm[bpm > 0]
    return {"tempo": float(known[-1]) if len(known) else 0.0}


def predict_pitch(samples: Mono, sample_rate: int) -> dict[str, Any]:
    """Pitch per frame; the guess of an unvoiced frame is negative."""
    t = _stream(samples, sample_rate)
    f0 = np.where(t["pitch"] > 0, t["pitch"], -t["pitch_candidate"])
    return {"time": (t["pitch_centre_index"] / sample_rate).tolist(), "f0": f0.tolist()}


def predict_voice(samples: Mono, sample_rate: int) -> dict[str, Any]:
    """Speech probabilities, segments and ends."""
    from accuracy_speech import predict_speech  # needs the asr extra, which the analyzer does not

    return predict_speech(samples, sample_rate)


# What is predicted for which kind of item.
PREDICTORS: dict[str, Predict] = {
    "onset": predict_onsets,
    "tempo": predict_tempo,
    "pitch": predict_pitch,
    "vad": predict_voice,
    "sound": predict_voice,
}


def main() -> int:
    """Write the predictions of one split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds SPLIT/manifest.json")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--out", type=Path, required=True, help="predictions file to write")
    parser.add_argument("--kinds", nargs="*", help="only these kinds of item")
    arguments = parser.parse_args()
    manifest = json.loads((arguments.data / arguments.split / "manifest.json").read_text(encoding="utf-8"))
    items: dict[str, Any] = {}
    for item in manifest:
        predict = PREDICTORS.get(item["kind"])
        if predict is None or (arguments.kinds and item["kind"] not in arguments.kinds):
            continue
        samples, sample_rate = read_mono(arguments.data / item["path"])
        start = time.process_time()
        items[item["id"]] = {**predict(samples, sample_rate), "cost": time.process_time() - start}
    result = {"system": "fastring", "causal": True, "split": arguments.split, "items": items}
    arguments.out.write_text(json.dumps(result), encoding="utf-8")
    print(f"{len(items)} predictions in {arguments.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
