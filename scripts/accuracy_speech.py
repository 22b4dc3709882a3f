"""Predictions of the speech detector and endpointer over recordings with truth: for `accuracy.py`, or by itself.

    python scripts/accuracy_speech.py --data DIR --split dev --out FILE

DIR holds SPLIT/manifest.json; items of the kinds `vad` and `sound` are predicted. Audio goes in by 20 ms, as a client
would send it, with the default settings.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fastring.analysis.detector import FRAME_SAMPLES, SpeechDetector
from fastring.analysis.endpoint import Decision, Endpointer, SpeechStart
from fastring.analysis.silero import SileroStream, silero_available
from fastring.config import EndpointSettings

SAMPLE_RATE = 16_000
CHUNK_SAMPLES = 320
KINDS = ("vad", "sound")


def predict_speech(samples: NDArray[np.float32], sample_rate: int, vad: str = "auto") -> dict[str, Any]:
    """Where there is speech in mono float32 audio.

    Returns:
        `prob` per frame of `hop` seconds, the first one centred at `t0`; `segments` [[start, end], …]; and `ends`
        [[end of a segment, time at which it was reported], …]. Seconds.
    """
    if sample_rate != SAMPLE_RATE:
        import soxr

        samples = soxr.resample(samples, sample_rate, SAMPLE_RATE)
    pcm = np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)
    settings = EndpointSettings()
    detector = SpeechDetector(None if vad == "energy" or not silero_available() else SileroStream())
    endpointer = Endpointer(settings)
    probabilities: list[float] = []
    segments: list[list[float]] = []
    ends: list[list[float]] = []
    onset = 0

    def note(decisions: tuple[Decision, ...], emitted: int, live: bool) -> None:
        nonlocal onset
        for decision in decisions:
            if isinstance(decision, SpeechStart):
                onset = decision.onset
                continue
            segments.append([onset / SAMPLE_RATE, decision.end / SAMPLE_RATE])
            if live:
                ends.append([decision.end / SAMPLE_RATE, emitted / SAMPLE_RATE])

    for start in range(0, len(pcm), CHUNK_SAMPLES):
        consumed = min(start + CHUNK_SAMPLES, len(pcm))
        for frame in detector.push(pcm[start:consumed]):
            probabilities.append(frame.probability)
            note(endpointer.push(frame), consumed, live=True)
    note(endpointer.force_end(len(pcm)), len(pcm), live=False)
    hop = FRAME_SAMPLES / SAMPLE_RATE
    return {
        "prob": probabilities,
        "hop": hop,
        "t0": hop / 2,
        "threshold": settings.silence_threshold,
        "segments": segments,
        "ends": ends,
    }


def _read_mono(path: Path) -> tuple[NDArray[np.float32], int]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
        planes = [out.to_ndarray()[0] for frame in container.decode(stream) for out in resampler.resample(frame)]
    return np.concatenate(planes), int(stream.rate)


def main() -> int:
    """Write the predictions of one split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds SPLIT/manifest.json")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--out", type=Path, required=True, help="predictions file to write")
    parser.add_argument("--vad", default="auto", choices=["auto", "energy"])
    arguments = parser.parse_args()
    manifest = json.loads((arguments.data / arguments.split / "manifest.json").read_text(encoding="utf-8"))
    items: dict[str, Any] = {}
    for item in manifest:
        if item["kind"] in KINDS:
            samples, sample_rate = _read_mono(arguments.data / item["path"])
            start = time.process_time()
            prediction = predict_speech(samples, sample_rate, arguments.vad)
            items[item["id"]] = {**prediction, "cost": time.process_time() - start}
    result = {"system": "fastring", "causal": True, "split": arguments.split, "items": items}
    arguments.out.write_text(json.dumps(result), encoding="utf-8")
    print(f"{len(items)} predictions in {arguments.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
