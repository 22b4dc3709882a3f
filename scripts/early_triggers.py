"""How much earlier than its final an early trigger comes, and how often it is taken back, at several thresholds.

    python scripts/early_triggers.py [--picture FILE]

The recordings and the model of digits that ship with fastring, clean and in white noise of 10 and 5 dB SNR; time is
counted in audio, and the engine is given 0.12 s for each decode, about what it takes on one core.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastring.analysis.silero import SileroStream
from fastring.asr.transcriber import Hypothesis, Job, Outcome
from fastring.asr.whisper import WhisperTranscriber
from fastring.audio.files import read_audio
from fastring.config import AsrSettings, EndpointSettings, VoiceSettings
from fastring.events import EarlyTrigger, EarlyTriggerRetracted, Event, Final
from fastring.recordings import recording_path
from fastring.session.voice import VoiceSession

RATE = 16_000
DECODE_S = 0.12
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SNRS_DB = (None, 10.0, 5.0)
NAMES = ("stream", "seen_8", "unseen_2", "seen_2", "seen_1")


@dataclass
class Figures:
    """Of one threshold."""

    finals: int = 0
    triggers: int = 0
    retracted: int = 0
    leads_ms: list[float] = field(default_factory=list)

    def row(self, threshold: float) -> str:
        """A line of the table."""
        lead = f"{np.median(self.leads_ms):.0f} ms" if self.leads_ms else "-"
        share = f"{100 * len(self.leads_ms) / self.finals:.0f} %" if self.finals else "-"
        back = f"{100 * self.retracted / self.triggers:.0f} %" if self.triggers else "-"
        return f"| {threshold:.2f} | {share} | {lead} | {back} |"


def audio(snr_db: float | None) -> NDArray[np.int16]:
    """The recordings, a second of silence between them."""
    pause = np.zeros(RATE, np.float32)
    parts = [part for name in NAMES for part in (pause, read_audio(recording_path(name), sample_rate=RATE)[0])]
    clean = np.concatenate([np.asarray(part, np.float32).reshape(-1) for part in (*parts, pause)])
    if snr_db is not None:
        loud = np.sqrt(np.mean(clean[np.abs(clean) > 0.02] ** 2))
        noise = np.random.default_rng(1).standard_normal(len(clean)) * loud * 10 ** (-snr_db / 20)
        clean = clean + noise.astype(np.float32)
    return (clean * 32767).clip(-32768, 32767).astype(np.int16)


def events(samples: NDArray[np.int16], engine: WhisperTranscriber, threshold: float) -> list[tuple[float, Event]]:
    """What a session says, and at which second of the audio."""
    session = VoiceSession(
        "s",
        voice=VoiceSettings(early_processing_threshold=threshold),
        endpoint=EndpointSettings(),
        capabilities=engine.capabilities,
        vad=SileroStream(),
    )
    told: list[tuple[float, Event]] = []
    waiting: list[tuple[float, Job, Hypothesis]] = []
    step = RATE // 50
    now = 0.0

    def pump() -> None:
        waiting.extend((now + DECODE_S, job, engine.transcribe([job])[0]) for job in session.jobs_to_run())
        for due in [it for it in waiting if it[0] <= now]:
            waiting.remove(due)
            session.receive_outcome(Outcome(due[1], due[2], None, 0.0, DECODE_S), now)
        told.extend((now, event) for event in session.events_to_send())

    for start in range(0, len(samples), step):
        now = (start + step) / RATE
        session.receive_audio(samples[start : start + step], now)
        pump()
    session.receive_close(now)
    while not session.closed:
        now += 0.02
        pump()
    return told


def measure(told: list[tuple[float, Event]], figures: Figures) -> None:
    """Count what one run said."""
    live_s: float | None = None
    for now, event in told:
        if isinstance(event, EarlyTrigger):
            live_s, figures.triggers = now, figures.triggers + 1
        elif isinstance(event, EarlyTriggerRetracted):
            live_s, figures.retracted = None, figures.retracted + 1
        elif isinstance(event, Final) and event.text:
            figures.finals += 1
            if live_s is not None:
                figures.leads_ms.append(1000 * (now - live_s))
            live_s = None


def draw(found: dict[float, Figures], path: Path) -> None:
    """Lead and retractions over the threshold."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, left = plt.subplots(figsize=(7, 3.2), layout="constrained")
    thresholds = list(found)
    hits = [100 * len(f.leads_ms) / max(1, f.finals) for f in found.values()]
    backs = [100 * f.retracted / max(1, f.triggers) for f in found.values()]
    left.plot(thresholds, hits, "o-", color="#2563eb", label="finals with a trigger before them")
    left.plot(thresholds, backs, "s-", color="#dc2626", label="triggers taken back")
    left.set(xlabel="voice.early_processing_threshold", ylabel="%", ylim=(0, 100))
    left.legend(frameon=False)
    left.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    engine = WhisperTranscriber(AsrSettings(model="digits", workers=1, threads=1))
    found = {threshold: Figures() for threshold in THRESHOLDS}
    for snr_db in SNRS_DB:
        samples = audio(snr_db)
        for threshold, figures in found.items():
            measure(events(samples, engine, threshold), figures)
    print("| threshold | finals with a trigger before them | earlier by (median) | triggers taken back |")
    print("|---|---|---|---|")
    for threshold, figures in found.items():
        print(figures.row(threshold))
    if arguments.picture:
        draw(found, arguments.picture)


if __name__ == "__main__":
    main()
