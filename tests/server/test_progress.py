from __future__ import annotations

from fastring.events import Ack, Closed, SpeechEnded, SpeechStarted
from fastring.server.progress import Progress


def progress(input_rate: int = 16_000, reach: int = 1_000) -> Progress:
    return Progress(input_rate=input_rate, session_rate=16_000, reach_samples=reach)


def test_in_silence_all_but_the_reach_is_committed() -> None:
    seen = progress()
    seen.note_audio(16_000, 16_000)
    assert seen.ack(0) == Ack(16_000, 15_000)


def test_unheard_audio_is_received_and_not_committed() -> None:
    seen = progress()
    seen.note_audio(16_000, 16_000)
    assert seen.ack(12_000) == Ack(16_000, 3_000)


def test_an_open_utterance_holds_the_commit_until_it_ends() -> None:
    seen = progress()
    seen.note_audio(32_000, 32_000)
    seen.note_event(SpeechStarted(0, 0, 8_000))
    assert seen.ack(0) == Ack(32_000, 7_000)
    seen.note_audio(32_000, 32_000)
    assert seen.ack(0) == Ack(64_000, 7_000)
    seen.note_event(SpeechEnded(2, 0, 50_000))
    assert seen.ack(0) == Ack(64_000, 63_000)


def test_the_commit_never_goes_back() -> None:
    seen = progress()
    seen.note_audio(16_000, 16_000)
    assert seen.ack(0).committed == 15_000
    seen.note_event(SpeechStarted(0, 0, 15_500))
    assert seen.ack(0).committed == 15_000


def test_counts_are_the_clients_samples() -> None:
    seen = progress(input_rate=48_000)
    seen.note_audio(96_000, 32_000)
    assert seen.ack(0) == Ack(96_000, 93_000)


def test_the_end_commits_everything() -> None:
    seen = progress()
    seen.note_audio(500, 500)
    assert seen.ack(0) == Ack(500, 0)
    seen.note_event(Closed("requested"))
    assert seen.ack(0) == Ack(500, 500)
