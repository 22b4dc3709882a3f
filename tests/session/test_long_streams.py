"""Minutes of real audio through the real path, on a clock on which each decode takes the CPU time that it really took.

`make test-full` runs the ten minutes of each and prints the figures; what runs always is shorter.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from scripted_world import RATE, World, check_order
from speech_corpus import Spoken, at_level, nobodys_sounds, phrases, word_errors

pytest.importorskip("faster_whisper")

from fastring.analysis.silero import SileroStream
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings, EndpointSettings, VoiceSettings
from fastring.events import Final, Partial
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.transcriber import Hypothesis, Job

CHUNK = 320


@dataclass
class Listener:
    """A session with the real engine. `told` holds what was said and when, on the clock of the stream.

    `whole` is what the engine hears in whole segments; it keeps no audio, for its memory is measured.
    """

    engine: WhisperTranscriber
    whole: dict[tuple[int, int], list[str]] = field(default_factory=dict)  # of an utterance, from a sample on
    told: list[tuple[float, Partial | Final]] = field(default_factory=list)
    cost_s: list[tuple[float, float]] = field(default_factory=list)  # when, and CPU time

    def __post_init__(self) -> None:
        session = VoiceSession(
            "stream",
            voice=VoiceSettings(),
            endpoint=EndpointSettings(),
            capabilities=self.engine.capabilities,
            vad=SileroStream(),
            language="en",
        )
        self._heard: dict[int, Hypothesis] = {}
        self._noted = 0
        self.world = World(session, lambda job: self._heard.pop(job.job_id), self._decode)

    def _decode(self, job: Job) -> float:
        before = time.process_time()
        (self._heard[job.job_id],) = self.engine.transcribe([job])
        if job.is_careful:  # one in a pause is taken back by the next of the segment
            self.whole[job.utterance, job.start] = [word.text for word in self._heard[job.job_id].words]
        took_s = time.process_time() - before
        self.cost_s.append((self.world.now, took_s))
        return took_s

    def send(self, samples: np.ndarray) -> None:
        for start in range(0, len(samples), CHUNK):
            self.world.send(samples[start : start + CHUNK], CHUNK)
            self._note()

    def close(self) -> None:
        self.world.close()
        self._note()
        check_order(self.world.events)  # which says that nothing stable was retracted

    def _note(self) -> None:
        fresh = self.world.events[self._noted :]
        self._noted += len(fresh)
        self.told += [(self.world.now, event) for event in fresh if isinstance(event, Partial | Final)]
        self.world.jobs.clear()


def new_engine(short_encode: Literal["on", "off"]) -> WhisperTranscriber:
    return WhisperTranscriber(
        AsrSettings(model="digits", device="cpu", language="en", workers=1, threads=1, short_encode=short_encode)
    )


def resident_mib() -> float:
    """Memory of this process; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * 4096 / 2**20 if statm.exists() else 0.0


def latencies(spoken: Spoken, told: list[tuple[float, Partial | Final]]) -> tuple[list[float], list[float]]:
    """From the end of each word that was heard until it was stable; from each onset to the first partial."""
    committed: dict[tuple[int, int], float] = {}
    first: dict[int, float] = {}
    begins = [begin for _, begin, _ in spoken.words]
    for now, event in told:
        if isinstance(event, Partial):
            first.setdefault(event.utterance, now - event.start / RATE)
        for index, word in enumerate(event.words):
            if word.stable or isinstance(event, Final):
                committed.setdefault(
                    (event.utterance, index), now - _true_end(spoken, begins, word.start, word.end) / RATE
                )
    return sorted(committed.values()), sorted(first.values())


def _true_end(spoken: Spoken, begins: list[int], start: int, end: int) -> int:
    """The end of the word that was spoken there: of those around, the one that it covers most."""
    at = int(np.searchsorted(begins, (start + end) // 2))
    around = spoken.words[max(0, at - 2) : at + 2]
    return max(around, key=lambda word: min(word[2], end) - max(word[1], start))[2]


@pytest.mark.parametrize(
    ("short_encode", "seconds"),
    [
        ("on", 20.0),
        pytest.param("on", 600.0, marks=pytest.mark.full),
        pytest.param("off", 600.0, marks=pytest.mark.full),
    ],
)
def test_a_stream_of_digits(short_encode: Literal["on", "off"], seconds: float, figures: Callable[[str], None]) -> None:
    engine = new_engine(short_encode)
    spoken = phrases(seconds, seed=21)
    listener, memory = Listener(engine), []
    for part in np.array_split(spoken.samples, 4):
        memory.append(resident_mib())
        listener.send(part)
    memory.append(resident_mib())
    listener.close()

    world = listener.world
    offline = [text for texts in listener.whole.values() for text in texts]
    streamed = [word.text for final in world.finals for word in final.words]
    truth = [text for text, _, _ in spoken.words]
    against_offline = word_errors(offline, streamed)
    wer, offline_wer = (100 * word_errors(truth, heard) / len(truth) for heard in (streamed, offline))

    minutes = len(spoken.samples) / RATE / 60
    per_quarter = np.histogram(
        [at for at, _ in listener.cost_s], 4, (0, minutes * 60), weights=[s for _, s in listener.cost_s]
    )[0]
    cpu = sum(s for _, s in listener.cost_s) / (minutes * 60)
    commit, first = latencies(spoken, listener.told)
    partials = sum(isinstance(event, Partial) for _, event in listener.told)
    longest_s = max(took for _, took in listener.cost_s)
    figures(
        f"{minutes:.1f} min, short_encode = {engine.short_encode}: {len(truth)} digits, WER {wer:.2f} % "
        f"(offline {offline_wer:.2f} %), {against_offline} differ from offline, {partials} partials, 0 retractions\n"
        f"commit mean {np.mean(commit):.3f} p95 {np.percentile(commit, 95):.3f} s; "
        f"first partial p50 {np.median(first):.3f} p95 {np.percentile(first, 95):.3f} s; "
        f"engine {cpu:.4f} CPU s per s, quarters {np.round(per_quarter, 2)}; "
        f"memory {' '.join(f'{m:.0f}' for m in memory)} MiB; gated {world.session.stats().gated_share:.2f}"
    )
    assert against_offline <= 0.01 * len(truth)
    assert wer <= offline_wer + 1.0
    assert np.mean(commit) <= 0.7
    assert np.percentile(commit, 95) <= 1.1
    # A frame, a message of 20 ms, and an inference.
    assert np.median(first) <= 0.5 + 0.032 + 0.02 + longest_s
    assert cpu <= 0.17  # the goal is 0.15 with 30 s windows; a busy machine takes more
    if seconds > 60:
        assert max(per_quarter) <= 1.35 * min(per_quarter)
        assert memory[-1] - memory[1] < 8


@pytest.mark.parametrize("seconds", [20.0, pytest.param(600.0, marks=pytest.mark.full)])
@pytest.mark.parametrize("sound", list(nobodys_sounds(0.1)))
def test_nobodys_words(
    whisper_short: WhisperTranscriber, sound: str, seconds: float, figures: Callable[[str], None]
) -> None:
    samples = nobodys_sounds(seconds)[sound]
    for level_db in (-50, -25) if sound != "silence" else (-120,):
        listener = Listener(whisper_short)
        listener.send(at_level(samples, level_db))
        listener.close()
        stats = listener.world.session.stats()
        figures(
            f"{sound} at {level_db} dBFS, {seconds:.0f} s: {len(listener.told)} partials and finals, "
            f"{stats.partial_jobs + stats.final_jobs} jobs, {stats.gated_share:.0%} kept from the voice detector"
        )
        assert [word for _, event in listener.told for word in event.words] == []


@pytest.fixture(scope="module")
def whisper_short() -> WhisperTranscriber:
    return new_engine("on")


def test_the_true_end_is_that_of_the_word_most_of_which_is_there() -> None:
    words = [("one", 1000, 5000), ("two", 6000, 9000), ("six", 20_000, 24_000)]
    spoken = Spoken(np.zeros(0, np.int16), words)
    begins = [begin for _, begin, _ in words]
    ends = [_true_end(spoken, begins, *span) for span in ((900, 5600), (5000, 8000), (19_000, 20_500))]
    assert ends == [5000, 9000, 24_000]
