"""Score one endpointing setting after another on recordings with known ends, one at a time around the defaults.

    python scripts/sweep_endpoint.py --data DIR --scorer DIR/score.py trailing_silence_ms=224,256,288

A name is a field of `EndpointSettings` or a constant of `fastring.analysis.endpoint`. Every audio is scored by Silero
once. Six mixtures are little to choose by, so `--mixes N` adds N of our own (seeded): the recordings of speech in DIR,
trimmed to where they are loud, with pauses of 0.25 to 1.5 s, over noise or a speech-free recording of DIR at 0 to
30 dB. Prints how long after its end an utterance was reported (median, slowest 5 %), how many were before the next one
began, and how many were reported inside an utterance, per minute; for the folder's mixtures, and for halves of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from accuracy import read_mono
from numpy.typing import NDArray
from sweep_analyzer import load_scorer

from fastring.analysis import endpoint
from fastring.analysis.detector import FRAME_SAMPLES, Frame, SpeechDetector
from fastring.analysis.silero import SileroStream
from fastring.config import EndpointSettings

SAMPLE_RATE = 16_000
CHUNK_SAMPLES = 320
MIX_S = 24.0
PAUSES_S = (0.25, 0.4, 0.6, 0.9, 1.5)
SNRS_DB = (0, 5, 10, 20, 30)


class Take(NamedTuple):
    """A recording: its measured frames, where its utterances begin and end, and how long it is, seconds."""

    frames: list[Frame]
    segments: list[list[float]]
    seconds: float


def at_16k(path: Path) -> NDArray[np.float32]:
    """A recording at 16 kHz."""
    import soxr

    samples, sample_rate = read_mono(path)
    return samples if sample_rate == SAMPLE_RATE else soxr.resample(samples, sample_rate, SAMPLE_RATE)


def trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the first to the last 10 ms within 35 dB of the loudest."""
    power = (samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10**-3.5)
    return samples[loud[0] * 160 : (loud[-1] + 1) * 160]


def mix(
    speech: list[NDArray[np.float32]], sounds: list[NDArray[np.float32]], seed: int
) -> tuple[NDArray[np.float32], list[list[float]]]:
    """A mixture of `MIX_S` seconds and its utterances."""
    rng = np.random.default_rng(seed)
    audio, segments, at = np.zeros(round(MIX_S * SAMPLE_RATE)), [], SAMPLE_RATE
    while True:
        utterance = speech[rng.integers(len(speech))]
        if at + len(utterance) > len(audio) - SAMPLE_RATE // 2:
            break
        loudness = np.sqrt(np.mean(utterance.astype(np.float64) ** 2))
        audio[at : at + len(utterance)] += utterance * (0.06 / loudness)
        segments.append([at / SAMPLE_RATE, (at + len(utterance)) / SAMPLE_RATE])
        at += len(utterance) + round(rng.choice(PAUSES_S) * SAMPLE_RATE)
    sound = sounds[rng.integers(len(sounds))] if rng.random() < 0.5 else rng.standard_normal(len(audio))
    background = np.resize(sound, len(audio)) / np.sqrt(np.mean(sound.astype(np.float64) ** 2))
    return (audio + background * 0.06 * 10 ** (-rng.choice(SNRS_DB) / 20)).clip(-1, 1).astype(np.float32), segments


def take_of(samples: NDArray[np.float32], segments: list[list[float]]) -> Take:
    """The frames of one recording, measured once."""
    pcm = np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)
    return Take(SpeechDetector(SileroStream()).push(pcm), segments, len(samples) / SAMPLE_RATE)


def ends_of(take: Take, settings: EndpointSettings) -> list[list[float]]:
    """[end, time of report] of every utterance found, the audio coming by 20 ms."""
    endpointer, ends = endpoint.Endpointer(settings), []
    for i, frame in enumerate(take.frames):
        emitted = -(-(i + 1) * FRAME_SAMPLES // CHUNK_SAMPLES) * CHUNK_SAMPLES / SAMPLE_RATE
        ends += [[d.end / SAMPLE_RATE, emitted] for d in endpointer.push(frame) if isinstance(d, endpoint.SpeechEnd)]
    return ends


def figures(takes: list[Take], settings: EndpointSettings, scorer: ModuleType) -> str:
    """Latency, share found and false ends per minute."""
    latencies, false, utterances = [], 0, 0
    for take in takes:
        prediction, truth = {"ends": ends_of(take, settings)}, {"segments": take.segments}
        latencies += scorer.end_latency(prediction, truth)
        false += scorer.false_ends(prediction, truth)
        utterances += len(take.segments)
    median, slow = np.percentile(latencies, [50, 95]) * 1000
    per_minute = false * 60 / sum(take.seconds for take in takes)
    return f"{median:3.0f} ms ({slow:3.0f}) found {len(latencies) / utterances:.3f} false {per_minute:.2f}"


def collect(data: Path, split: str, mixes: int) -> dict[str, list[Take]]:
    """Takes by name: the folder's mixtures, and two halves of ours."""
    manifest = json.loads((data / split / "manifest.json").read_text(encoding="utf-8"))
    folder = [i for i in manifest if i["kind"] == "vad" and i["real"] != "real"]
    truths = [json.loads((data / item["truth"]).read_text(encoding="utf-8"))["segments"] for item in folder]
    takes = {"folder": [take_of(at_16k(data / i["path"]), t) for i, t in zip(folder, truths, strict=True)]}
    if mixes:
        spoken = [i for i in manifest if i["kind"] in ("asr", "pitch") and i["real"] == "real"]
        speech = [trimmed(at_16k(data / i["path"])) for i in spoken if 1 < i["duration"] < 12]
        sounds = [at_16k(data / i["path"]) for i in manifest if i["kind"] == "sound"]
        ours = [take_of(*mix(speech, sounds, seed)) for seed in range(mixes)]
        takes |= {"ours, even": ours[::2], "ours, odd": ours[1::2]}
    return takes


def main() -> int:
    """Print a line per value."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--mixes", type=int, default=0)
    parser.add_argument("setting", nargs="*", help="name=value,value,...")
    arguments = parser.parse_args()
    scorer = load_scorer(arguments.scorer)
    takes = collect(arguments.data, arguments.split, arguments.mixes)
    known = {field.name for field in fields(EndpointSettings)}

    def show(title: str, settings: EndpointSettings) -> None:
        print(f"{title:32} " + " | ".join(f"{k}: {figures(t, settings, scorer)}" for k, t in takes.items()), flush=True)

    show("defaults", EndpointSettings())
    for setting in arguments.setting:
        name, _, values = setting.partition("=")
        for value in map(float, values.split(",")):
            chosen: Any = int(value) if name.endswith("_ms") else value
            if name in known:
                show(f"{name}={value:g}", replace(EndpointSettings(), **{name: chosen}))
                continue
            kept = getattr(endpoint, name)
            setattr(endpoint, name, value)
            show(f"{name}={value:g}", EndpointSettings())
            setattr(endpoint, name, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
