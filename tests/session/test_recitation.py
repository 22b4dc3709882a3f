from __future__ import annotations

from fastring.events import (
    Closed,
    Failure,
    Final,
    Latency,
    Partial,
    Pong,
    Recitation,
    RecitationFailed,
    RecitationResult,
    Status,
    Word,
)
from fastring.session.recitation import RecitationSession

LATENCY = Latency(1.0, 2.0, 3.0, 6.0)


def partial(text: str, stable: str = "", utterance: int = 0) -> Partial:
    words = tuple(Word(word, 0, 1, 0.9) for word in text.split())
    return Partial(utterance, text, stable, words, 0.9, 0, 16_000, -20.0, 0.0, 0, LATENCY)


def final(text: str, utterance: int = 0, end: int = 32_000) -> Final:
    return Final(0, utterance, text, (), 0.9, 0, end, LATENCY)


def statuses(told: object) -> str:
    assert isinstance(told, Recitation)
    return " ".join(word.status for word in told.words)


def test_two_utterances_are_one_recitation() -> None:
    session = RecitationSession("one two three four", 0.6)
    assert statuses(session.receive(partial("one"))) == "correct pending pending pending"
    assert statuses(session.receive(final("One two."))) == "correct correct pending pending"
    told = session.receive(partial("three", utterance=1), queue_depth=2)
    assert statuses(told) == "correct correct correct pending"
    assert isinstance(told, Recitation)
    assert (told.transcript, told.queue_depth, told.latency) == ("One two. three", 2, LATENCY)
    session.receive(final("three four", utterance=1, end=64_000))
    result = session.receive(Closed("requested"))
    assert isinstance(result, RecitationResult)
    assert (result.verification.score, result.verification.transcript) == (1.0, "One two. three four")
    assert result.end == 64_000


def test_a_word_that_a_later_window_mends_was_never_called_wrong() -> None:
    session = RecitationSession("one two three", 0.6)
    seen = [statuses(session.receive(partial(text))) for text in ("one", "one six", "one two", "one two three")]
    assert not any("wrong" in line for line in seen)
    assert seen[-1] == "correct correct correct"


def test_busy_and_errors_are_told_with_what_was_heard() -> None:
    session = RecitationSession("one two", 0.6)
    session.receive(partial("one"))
    busy = session.receive(Status("server_busy", queue_depth=3))
    assert isinstance(busy, Recitation)
    assert (busy.server_busy, busy.queue_depth, busy.transcript) == (True, 3, "one")
    failed = session.receive(Failure("engine_failed", "it broke"))
    assert isinstance(failed, Recitation)
    assert failed.error == "it broke; POST /verify takes the whole recording"
    assert session.receive(Pong()) is None


def test_a_failed_partial_costs_nothing_and_a_failed_final_the_result() -> None:
    session = RecitationSession("one two", 0.6)
    session.receive(Failure("engine_failed", "it broke"))
    session.receive(final("one two"))
    assert isinstance(session.receive(Closed("requested")), RecitationResult)
    session = RecitationSession("one two", 0.6)
    session.receive(Failure("engine_failed", "it broke", text_lost=True))
    session.receive(final("one"))
    assert session.receive(Closed("requested")) == RecitationFailed("it broke")


def test_silence_leaves_every_word_missing() -> None:
    session = RecitationSession("one two", 0.6)
    assert session.receive(final("")) is None
    result = session.receive(Closed("requested"))
    assert isinstance(result, RecitationResult)
    assert [word.status for word in result.verification.words] == ["missing", "missing"]
    assert result.verification.score == 0.0


def test_it_is_as_long_as_its_audio_with_the_silence_around_the_words() -> None:
    session = RecitationSession("one", 0.6)
    session.receive(final("one", end=16_000), samples=20_000)
    result = session.receive(Closed("requested"), samples=24_000)
    assert isinstance(result, RecitationResult)
    assert result.end == 24_000
