"""What `asr.short_encode` saves and what it changes: CPU time by length and batch, and transcripts of the digits model.

python scripts/random_whisper.py tiny.en build/models/tiny.en-random
python benchmarks/encode_length.py digits build/models/tiny.en-random
"""

from __future__ import annotations

import sys
import time
from typing import Literal

import numpy as np
from speech_corpus import RATE, Spoken, clips, word_errors

from fastring.asr.transcriber import Job
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings

BATCHES = (1, 2, 4)


def engine(model: str, short: Literal["on", "off"]) -> WhisperTranscriber:
    return WhisperTranscriber(AsrSettings(model=model, device="cpu", workers=1, threads=1, short_encode=short))


def cost_ms(whisper: WhisperTranscriber, seconds: float, batch: int, rounds: int = 4) -> float:
    """CPU time of one job among `batch` alike, least of some rounds."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32) * 0.1
    jobs = [Job(number, "", 0, "partial", 0, noise) for number in range(batch)]
    times = []
    for _ in range(rounds):
        before = time.process_time()
        whisper.transcribe(jobs)
        times.append(time.process_time() - before)
    return 1000 * min(times) / batch


def costs(model: str) -> None:
    print(f"\n| {model}, s of audio | 30 s encoded | short | " + " | ".join(f"{b} at once" for b in BATCHES[1:]) + " |")
    print("|---" * (2 + len(BATCHES)) + "|")
    long, short = engine(model, "off"), engine(model, "on")
    for seconds in (1, 2, 4, 8, 12):
        figures = [cost_ms(long, seconds, 1), *(cost_ms(short, seconds, batch) for batch in BATCHES)]
        print(f"| {seconds} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")


def transcripts() -> None:
    spoken = clips(150, seed=5)
    words = sum(len(clip.words) for clip in spoken)
    heard = {short: hear(engine("digits", short), spoken) for short in ("off", "on")}
    for short, texts in heard.items():
        errors = sum(word_errors(c.text.split(), t.split()) for c, t in zip(spoken, texts, strict=True))
        print(f"short_encode = {short}: {errors} errors in {words} words, WER {100 * errors / words:.1f} %")
    same = sum(a == b for a, b in zip(heard["off"], heard["on"], strict=True))
    print(f"the same transcript: {same} of {len(spoken)} clips")


def hear(whisper: WhisperTranscriber, spoken: list[Spoken]) -> list[str]:
    jobs = [Job(0, "", 0, "final", 0, clip.samples.astype(np.float32) / 32768) for clip in spoken]
    return [whisper.transcribe([job])[0].text for job in jobs]


if __name__ == "__main__":
    for model in sys.argv[1:] or ["digits"]:
        costs(model)
    print()
    transcripts()
