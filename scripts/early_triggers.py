"""How much earlier than its final an early trigger comes, and how often it is taken back, at several thresholds.

    python scripts/early_triggers.py [--picture FILE]
    python scripts/early_triggers.py --fit       the number in session/pauses.py: how often speakers go on after a pause

The recordings and the model of digits that ship with fastring, clean and in white noise of 10 and 5 dB SNR; time is
counted in audio, and the engine is given 0.12 s for each decode, about what it takes on one core. --fit hears the clean
recordings and the read speech of the tests.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastring.analysis.detector import SpeechDetector
from fastring.analysis.endpoint import Endpointer, SpeechEnd
from fastring.analysis.silero import SileroStream
from fastring.asr.agreement import normalise
from fastring.asr.transcriber import Hypothesis, Job, Outcome
from fastring.asr.whisper import WhisperTranscriber
from fastring.audio.files import read_audio
from fastring.config import AsrSettings, EndpointSettings, VoiceSettings
from fastring.events import EarlyTrigger, EarlyTriggerRetracted, Event, Final
from fastring.recordings import recording_path, recordings
from fastring.session.pauses import Pauses
from fastring.session.voice import VoiceSession

RATE = 16_000
DECODE_S = 0.12
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SILENCES_MS = (256, 700)  # that end an utterance: the default, and what an assistant would rather wait for
READ_SPEECH = Path(__file__).resolve().parents[1] / "tests" / "asr" / "austen"
SNRS_DB = (None, 10.0, 5.0)
NAMES = ("stream", "seen_8", "unseen_2", "seen_2", "seen_1")


@dataclass
class Figures:
    """Of one threshold."""

    finals: int = 0
    triggers: int = 0
    retracted: int = 0
    went_on: int = 0  # of the retracted: the speaker only added words
    leads_ms: list[float] = field(default_factory=list)

    def row(self, threshold: float) -> str:
        """A line of the table."""
        lead = f"{np.median(self.leads_ms):.0f} ms" if self.leads_ms else "-"
        share = f"{100 * len(self.leads_ms) / self.finals:.0f} %" if self.finals else "-"
        back = f"{100 * self.retracted / self.triggers:.0f} %" if self.triggers else "-"
        added = f"{self.went_on} of {self.retracted}"
        return f"| {threshold:.2f} | {share} | {lead} | {back} | {added} |"


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


class Engine:
    """The engine of digits; what it has heard once it need not hear again."""

    def __init__(self) -> None:
        self._whisper = WhisperTranscriber(AsrSettings(model="digits", workers=1, threads=1))
        self.capabilities = self._whisper.capabilities
        self._known: dict[tuple[int, bytes], Hypothesis] = {}

    def hear(self, job: Job) -> Hypothesis:
        """The words of a job."""
        key = (job.start, job.samples.tobytes())
        if key not in self._known:
            self._known[key] = self._whisper.transcribe([job])[0]
        return self._known[key]


def events(
    samples: NDArray[np.int16], engine: Engine, threshold: float, silence_ms: int = 256, decode_s: float = DECODE_S
) -> list[tuple[float, Event]]:
    """What a session says, and at which second of the audio."""
    session = VoiceSession(
        "s",
        voice=VoiceSettings(early_processing_threshold=threshold),
        endpoint=EndpointSettings(trailing_silence_ms=silence_ms),
        capabilities=engine.capabilities,
        vad=SileroStream(),
    )
    told: list[tuple[float, Event]] = []
    waiting: list[tuple[float, Job, Hypothesis]] = []
    step = RATE // 50
    now = 0.0

    def pump() -> None:
        waiting.extend((now + decode_s, job, engine.hear(job)) for job in session.jobs_to_run())
        for due in [it for it in waiting if it[0] <= now]:
            waiting.remove(due)
            session.receive_outcome(Outcome(due[1], due[2], None, 0.0, decode_s), now)
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
    live: tuple[float, EarlyTrigger] | None = None
    taken_back: list[EarlyTrigger] = []
    for now, event in told:
        if isinstance(event, EarlyTrigger):
            live, figures.triggers = (now, event), figures.triggers + 1
        elif isinstance(event, EarlyTriggerRetracted):
            figures.retracted += 1
            taken_back += [live[1]] if live is not None else []
            live = None
        elif isinstance(event, Final):
            figures.went_on += sum(_begins(event.text, trigger.text) for trigger in taken_back)
            taken_back = []
            if event.text:
                figures.finals += 1
                figures.leads_ms += [1000 * (now - live[0])] if live is not None else []
            live = None


def _begins(text: str, beginning: str) -> bool:
    words, first = ([normalise(word) for word in each.split()] for each in (text, beginning))
    return words[: len(first)] == first


def fit() -> float:
    """How often speakers go on after a pause: the number that makes the pauses of the recordings likeliest."""
    went_on, grown = 0, 0.0
    paths = [item.path for item in recordings()] + sorted(READ_SPEECH.glob("*.flac"))
    for silence_ms in SILENCES_MS:
        for path in paths:
            heard = np.asarray(read_audio(path, sample_rate=RATE)[0], np.float32).reshape(-1)
            pauses, endpointer = Pauses(), Endpointer(EndpointSettings(trailing_silence_ms=silence_ms))
            for frame in SpeechDetector(SileroStream()).push(np.concatenate([heard, np.zeros(RATE, np.float32)])):
                ends = [it for it in endpointer.push(frame) if isinstance(it, SpeechEnd)]
                if endpointer.in_speech:
                    pauses.observe(endpointer.silence_ms, endpointer.silence_wanted_ms)
                for end in ends:
                    pauses.end(by_silence=end.reason == "silence")
            went_on, grown = went_on + pauses.observed[0], grown + pauses.observed[1]
    print(f"gone on {went_on} times, {went_on / grown:.2f}")
    return went_on / grown


def draw(found: dict[int, dict[float, Figures]], path: Path) -> None:
    """What is had and what it costs, over the threshold; a panel for each silence that ends an utterance."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "fastring"
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(7, 3), layout="constrained", sharey=True)
    for panel, (silence_ms, by_threshold) in zip(panels, found.items(), strict=True):
        thresholds = list(by_threshold)
        hits = [100 * len(f.leads_ms) / max(1, f.finals) for f in by_threshold.values()]
        backs = [100 * f.retracted / max(1, f.triggers) for f in by_threshold.values()]
        panel.plot(thresholds, hits, "o-", color="#2563eb", label="finals with a trigger before them")
        panel.plot(thresholds, backs, "s-", color="#dc2626", label="triggers taken back")
        panel.set(xlabel="voice.early_processing_threshold", ylim=(0, 100), title=f"{silence_ms} ms end an utterance")
        panel.title.set_fontsize(10)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="%")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    if arguments.fit:
        fit()
        return
    engine = Engine()
    found = {silence_ms: {threshold: Figures() for threshold in THRESHOLDS} for silence_ms in SILENCES_MS}
    for snr_db in SNRS_DB:
        samples = audio(snr_db)
        for silence_ms, by_threshold in found.items():
            for threshold, figures in by_threshold.items():
                measure(events(samples, engine, threshold, silence_ms), figures)
    for silence_ms, by_threshold in found.items():
        print(f"\nendpoint.trailing_silence_ms {silence_ms}\n")
        print("| threshold | finals with a trigger before them | earlier by (median) | taken back | only added to |")
        print("|---|---|---|---|---|")
        for threshold, figures in by_threshold.items():
            print(figures.row(threshold))
    if arguments.picture:
        draw(found, arguments.picture)


if __name__ == "__main__":
    main()
