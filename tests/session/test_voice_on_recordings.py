"""Real speech, the real voice detector and the real engine, through a session, chunk by chunk."""

from __future__ import annotations

import itertools
import wave
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from scripted_world import CAPABILITIES, RATE, World, check_order, last_careful
from speech_corpus import at_level, hesitant, nobodys_sounds, word_errors

pytest.importorskip("faster_whisper")

from fastring.analysis.silero import SileroStream
from fastring.asr.transcriber import Hypothesis, Job
from fastring.asr.whisper import WhisperTranscriber
from fastring.config import AsrSettings, EndpointSettings, VoiceSettings
from fastring.recordings import recording, recordings
from fastring.session.voice import VoiceSession

SPEECH = [item.name for item in recordings() if item.text]


@pytest.fixture(scope="module")
def engine() -> WhisperTranscriber:
    return WhisperTranscriber(AsrSettings(model="digits", language="en", workers=1, threads=1))


def pcm(name: str) -> np.ndarray:
    with wave.open(str(recording(name).path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def listen(
    engine: WhisperTranscriber, samples: np.ndarray, chunk: int = 1600, endpoint: EndpointSettings | None = None
) -> World:
    """Send audio in real time to an engine that answers after 0.1 s."""

    def transcribe(job: Job) -> Hypothesis:
        return engine.transcribe([job])[0]

    session = VoiceSession(
        "stream",
        voice=VoiceSettings(),
        endpoint=endpoint or EndpointSettings(),
        capabilities=CAPABILITIES,
        vad=SileroStream(),
        language="en",
    )
    world = World(session, transcribe, lambda job: 0.1)
    world.send(samples, chunk)
    world.close()
    check_order(world.events)
    return world


@pytest.fixture(scope="module")
def heard(engine: WhisperTranscriber) -> dict[str, World]:
    return {name: listen(engine, pcm(name)) for name in SPEECH}


@pytest.mark.parametrize("name", SPEECH)
def test_every_digit_is_heard_once_and_in_its_place(heard: dict[str, World], name: str) -> None:
    truth, world = recording(name), heard[name]
    assert world.text == truth.text
    words = [word for final in world.finals for word in final.words]
    for word, spoken in zip(words, truth.words, strict=True):
        assert word.start < spoken.end_s * RATE, word
        assert word.end > spoken.start_s * RATE, word
        assert abs(word.start / RATE - spoken.start_s) < 0.35, word
        assert 0 < word.confidence <= 1


@pytest.mark.parametrize("name", SPEECH)
def test_no_word_lies_outside_the_audio_that_was_decoded(heard: dict[str, World], name: str) -> None:
    """First and last words are whole: the decoded audio reaches from before each word to after it."""
    world = heard[name]
    decoded = [(job.start, job.start + len(job.samples)) for job in last_careful(world.jobs)]
    for word in recording(name).words:
        start, end = round(word.start_s * RATE), round(word.end_s * RATE)
        assert any(a <= start + 0.05 * RATE and end - 0.12 * RATE <= b for a, b in decoded), word
    for (_, before), (after, _) in itertools.pairwise(decoded):
        assert before <= after


@pytest.mark.parametrize("chunk", [333, 16_000])
def test_chunks_do_not_change_what_is_heard(engine: WhisperTranscriber, heard: dict[str, World], chunk: int) -> None:
    world = listen(engine, pcm("seen_8"), chunk)
    told = [[(f.text, f.start, f.end) for f in each.finals] for each in (world, heard["seen_8"])]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["noise", "silence"])
def test_noise_and_silence_say_nothing(engine: WhisperTranscriber, name: str) -> None:
    world = listen(engine, pcm(name))
    assert world.jobs == []


@pytest.mark.parametrize("level_db", [-50, -25])
@pytest.mark.parametrize("sound", [name for name in nobodys_sounds(0.1) if name != "silence"])
def test_nobodys_words_are_not_sent(engine: WhisperTranscriber, sound: str, level_db: float) -> None:
    world = listen(engine, at_level(nobodys_sounds(8.0)[sound], level_db))
    assert world.text == ""
    assert world.partials == []
    assert sound == "tones" or len(world.jobs) <= 1  # tones pass the voice detector


@pytest.mark.parametrize(
    ("short_encode", "seeds"),
    [
        ("on", range(3)),
        pytest.param("on", range(60), marks=pytest.mark.full),
        pytest.param("off", range(12), marks=pytest.mark.full),
    ],
)
def test_pauses_that_end_no_utterance_repeat_no_words(
    short_encode: Literal["on", "off"], seeds: range, figures: Callable[[str], None]
) -> None:
    """Whisper repeats itself where its window holds long pauses; the session does not let it hear any."""
    settings = AsrSettings(model="digits", language="en", workers=1, threads=1, short_encode=short_encode)
    engine = WhisperTranscriber(settings)
    errors, offline_errors, digits = 0, 0, 0
    for seed in seeds:
        spoken = hesitant(seed)
        world = listen(engine, spoken.samples, endpoint=EndpointSettings(trailing_silence_ms=2000))
        truth = spoken.text.split()
        digits += len(truth)
        errors += word_errors(truth, world.text.split())
        offline = [word.text for job in last_careful(world.jobs) for word in engine.transcribe([job])[0].words]
        offline_errors += word_errors(truth, offline)
    wer, offline_wer = 100 * errors / digits, 100 * offline_errors / digits
    figures(
        f"{len(seeds)} utterances with pauses, short_encode = {short_encode}: {digits} digits, WER {wer:.2f} % "
        f"(offline, on the same segments, {offline_wer:.2f} %)"
    )
    assert wer <= min(offline_wer + 1.0, 2.0)
