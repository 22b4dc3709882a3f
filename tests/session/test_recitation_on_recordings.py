"""Word feedback on real speech: what is heard of each recording, followed along references that differ from it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scripted_world import CAPABILITIES, NUMBERS, RATE, World
from speech_corpus import pcm

pytest.importorskip("faster_whisper")

from fastring.analysis.silero import SileroStream
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings, EndpointSettings, VoiceSettings
from fastring.events import Event, Recitation, RecitationResult
from fastring.recordings import recordings
from fastring.session.recitation import RecitationSession
from fastring.session.voice import VoiceSession

RESTARTS = (2, 3)  # words said before the speaker begins anew


@pytest.fixture(scope="module")
def engine() -> WhisperTranscriber:
    return WhisperTranscriber(AsrSettings(model="digits", language="en", workers=1, threads=1))


def spoken(samples: np.ndarray, engine: WhisperTranscriber) -> list[Event]:
    """The events of a voice session that hears this."""
    session = VoiceSession(
        "s", voice=VoiceSettings(), endpoint=EndpointSettings(), capabilities=CAPABILITIES, vad=SileroStream()
    )
    world = World(session, lambda job: engine.transcribe([job])[0], lambda job: 0.1)
    world.send(samples, 1600)
    world.close()
    return world.events


@pytest.fixture(scope="module")
def told(engine: WhisperTranscriber) -> list[tuple[list[str], list[Event]]]:
    """Each recording's words, and the events of its voice session."""
    long = [item for item in recordings() if len(item.words) >= 4]
    return [(item.text.split(), spoken(pcm(item.name), engine)) for item in long]


@pytest.fixture(scope="module")
def restarted(engine: WhisperTranscriber) -> list[tuple[list[str], int, list[Event]]]:
    """The words of a recording, how many of them are said first, and the events: its start, a pause, and all of it."""
    found = []
    for item in recordings():
        for count in RESTARTS if 4 <= len(item.words) <= 8 else ():
            after = item.words[count].start_s
            end_s = min(item.words[count - 1].end_s + 0.1, (item.words[count - 1].end_s + after) / 2)
            samples = pcm(item.name)
            quiet = np.zeros(RATE // 2, np.int16)
            both = np.concatenate([samples[: round(end_s * RATE)], quiet, samples])
            found.append((item.text.split(), count, spoken(both, engine)))
    return found


def reference(words: list[str], kind: str, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """A text from which the speaker of `words` strays; the status of each of its words, and the extra ones."""
    at = int(rng.integers(1, len(words) - 1))
    other = str(rng.choice([number for number in NUMBERS if number not in words[at - 1 : at + 2]]))
    fine = ["correct"] * len(words)
    if kind == "wrong":
        return [*words[:at], other, *words[at + 1 :]], [*fine[:at], "wrong", *fine[at + 1 :]], []
    if kind == "skipped":
        return [*words[:at], other, *words[at:]], [*fine[:at], "missing", *fine[at:]], []
    return [*words[:at], *words[at + 1 :]], fine[1:], [words[at]]


def test_a_hundred_references(
    told: list[tuple[list[str], list[Event]]], restarted: list[tuple[list[str], int, list[Event]]]
) -> None:
    rng = np.random.default_rng(4)
    hits, shown, due, flips = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for round_ in range(136):
        kind = ("wrong", "skipped", "extra", "restarted")[round_ % 4]
        if kind == "restarted":  # as it is, or with a wrong word besides
            words, count, events = restarted[round_ // 4 % len(restarted)]
            fine = words, ["correct"] * len(words), list[str]()
            text, expected, extra = reference(words, "wrong", rng) if round_ % 8 > 4 else fine
            extra = [*words[:count], *extra]
        else:
            words, events = told[round_ % len(told)]
            text, expected, extra = reference(words, kind, rng)
        session = RecitationSession(" ".join(text), 0.6)
        history: list[list[str]] = [["pending"] for _ in text]
        for event in events:
            answer = session.receive(event)
            if isinstance(answer, Recitation):
                for seen, word in zip(history, answer.words, strict=True):
                    if seen[-1] != word.status:
                        seen.append(word.status)
        assert isinstance(answer, RecitationResult)
        flips[kind] += sum(len(seen) > 3 for seen in history)
        for word, status in zip(answer.verification.words, expected, strict=True):
            shown[word.status] += 1
            due[status] += 1
            hits[status] += word.status == status
        shown["extra"] += len(answer.verification.extra_words)
        due["extra"] += len(extra)
        hits["extra"] += len(Counter(extra) & Counter(answer.verification.extra_words))
    for status in due:
        precision, recall = hits[status] / max(1, shown[status]), hits[status] / due[status]
        print(f"{status}: {due[status]} due, precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201
        assert min(precision, recall) >= 0.9, status
    print(f"words whose status changed more than twice: {dict(flips)}")  # noqa: T201
    assert set(+flips) <= {"restarted"}, flips
    assert sum(flips.values()) <= 0.01 * sum(due.values())
