from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import tone_language
from deepgram_peer import DeepgramPeer, Fault, settings_for
from tone_language import say

from fastring.asr.deepgram.stream import DeepgramTranscriber
from fastring.asr.transcriber import Hypothesis, Job
from fastring.errors import EngineUnavailableError, QueueFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

TEXT = "bana bapo bari base kina kipo kiri kise mutu"
SPEECH = say([0.1, TEXT, 0.2]).astype(np.float32) / 32768
LONG = "bana bapo bari base " * 8
START = 123_456
HOP = 4_000


@pytest.fixture
def peer() -> Iterator[DeepgramPeer]:
    with DeepgramPeer(tone_language.hear) as running:
        yield running


@pytest.fixture
def engine(peer: DeepgramPeer) -> Iterator[DeepgramTranscriber]:
    running = DeepgramTranscriber(settings_for(peer))
    yield running
    running.close()


def job(
    samples: NDArray[np.float32],
    kind: Literal["partial", "final"] = "final",
    *,
    stream: str = "s",
    utterance: int = 0,
    start: int = START,
    language: str = "",
) -> Job:
    return Job(0, stream, utterance, kind, start, samples, language)


def converse(engine: DeepgramTranscriber, samples: NDArray[np.float32], **who: Any) -> list[Hypothesis]:
    """An utterance as a session sends it: growing partials, then the final."""
    ends = range(HOP, len(samples), HOP)
    partials = [engine.transcribe([job(samples[:end], "partial", **who)])[0] for end in ends]
    return [*partials, engine.transcribe([job(samples, **who)])[0]]


def eventually(condition: Callable[[], bool], within_s: float = 3.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_it_says_what_it_is(engine: DeepgramTranscriber) -> None:
    able = engine.capabilities
    assert (able.engine, able.model, able.progressive, able.hop_ms) == ("deepgram", "nova-3", True, 250)


def test_words_appear_while_they_are_spoken(engine: DeepgramTranscriber, peer: DeepgramPeer) -> None:
    heard = converse(engine, SPEECH)
    assert heard[-1].text == TEXT
    counts = [len(each.words) for each in heard if each.is_new]
    assert counts == sorted(counts)
    assert len(set(counts)) > 4
    assert peer.samples == len(SPEECH)  # each sample was sent once


def test_word_times_are_the_stream_s(engine: DeepgramTranscriber) -> None:
    heard = converse(engine, SPEECH)[-1]
    truth = tone_language.hear(SPEECH)
    assert [(w.start, w.end) for w in heard.words] == [(START + w.start, START + w.end) for w in truth]


def test_one_connection_hears_one_utterance_after_the_other(engine: DeepgramTranscriber, peer: DeepgramPeer) -> None:
    for utterance in range(3):
        start = START + 100_000 * utterance
        heard = converse(engine, SPEECH, utterance=utterance, start=start)[-1]
        assert heard.text == TEXT
        assert heard.words[0].start == start + tone_language.hear(SPEECH)[0].start
    assert len(peer.handshakes) == 1
    engine.close()
    assert peer.commands == ["Finalize"] * 3 + ["CloseStream"]
    eventually(lambda: peer.closes == [1000])


def test_signs_of_life_between_utterances(peer: DeepgramPeer) -> None:
    peer.idle_s = 0.4
    engine = DeepgramTranscriber(settings_for(peer, keepalive_s=0.1))
    converse(engine, SPEECH)
    time.sleep(0.7)
    assert converse(engine, SPEECH, utterance=1)[-1].text == TEXT
    assert "KeepAlive" in peer.commands
    assert len(peer.handshakes) == 1
    engine.close()


def test_a_cut_segment_goes_on_with_the_next_one(engine: DeepgramTranscriber) -> None:
    """A session cuts long speech at a sample that has been sent already."""
    samples = say([LONG]).astype(np.float32) / 32768
    cut, overlap = 40_000, 36_000
    first = converse(engine, samples[:cut])[-1]
    second = converse(engine, samples[overlap:], start=START + overlap)[-1]
    whole = [(w.text, START + w.start, START + w.end) for w in tone_language.hear(samples)]
    kept = [(w.text, w.start, w.end) for w in first.words if w.end <= START + overlap]
    assert kept + [(w.text, w.start, w.end) for w in second.words] == whole


def test_a_final_alone_is_enough(engine: DeepgramTranscriber) -> None:
    assert engine.transcribe([job(SPEECH)])[0].text == TEXT


def test_without_audio_there_is_nothing(engine: DeepgramTranscriber) -> None:
    assert engine.transcribe([job(SPEECH[:0])])[0].words == ()
    assert engine.transcribe([job(SPEECH[:0], utterance=1)])[0].words == ()


def test_silence_has_no_words(engine: DeepgramTranscriber) -> None:
    assert converse(engine, np.zeros(16_000, np.float32))[-1].words == ()


def test_the_language_is_asked_for(engine: DeepgramTranscriber, peer: DeepgramPeer) -> None:
    engine.transcribe([job(SPEECH, language="de")])
    assert peer.handshakes[0]["language"] == "de"


@pytest.mark.parametrize("fault", ["late", "repeat", "noise", "no_answer"])
def test_odd_services_are_understood(peer: DeepgramPeer, engine: DeepgramTranscriber, fault: str) -> None:
    peer.late_s = 0.03 if fault == "late" else 0.0
    peer.repeat = fault == "repeat"
    peer.noise = fault == "noise"
    peer.answer_empty_finalize = fault != "no_answer"
    for utterance in range(2):
        assert converse(engine, SPEECH, utterance=utterance)[-1].text == TEXT


def test_a_finalize_with_nothing_left_need_not_be_answered(peer: DeepgramPeer) -> None:
    peer.answer_empty_finalize = False
    engine = DeepgramTranscriber(settings_for(peer, options=("endpointing=10",), timeout_s=3.0))
    padded = np.concatenate([SPEECH, np.zeros(400, np.float32)])
    begun = time.monotonic()
    assert converse(engine, padded)[-1].text == TEXT
    assert time.monotonic() - begun < 2.0
    engine.close()


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, ""), (1011, "NET-0000"), (1011, "NET-0001"), (1011, ""), (1012, "bye")]
)
@pytest.mark.parametrize("at", [0, 9, 18])
def test_whatever_closes_it_another_connection_goes_on(
    peer: DeepgramPeer, engine: DeepgramTranscriber, code: int, reason: str, at: int
) -> None:
    peer.fault = Fault("close", at, code=code, reason=reason)
    heard = converse(engine, SPEECH)
    assert heard[-1].text == TEXT
    assert len(peer.handshakes) == 2


def test_audio_that_cannot_be_heard_is_not_sent_again(peer: DeepgramPeer, engine: DeepgramTranscriber) -> None:
    peer.fault = Fault("close", 0, code=1008, reason="DATA-0000")
    with pytest.raises(EngineUnavailableError, match="DATA-0000"):
        engine.transcribe([job(SPEECH)])
    assert len(peer.handshakes) == 1


def test_what_is_final_is_not_sent_again(peer: DeepgramPeer, engine: DeepgramTranscriber) -> None:
    speech = np.concatenate([SPEECH, np.zeros(8_000, np.float32), SPEECH])
    pause = len(SPEECH) + 8_000
    for end in range(HOP, pause + 1, HOP):
        engine.transcribe([job(speech[:end], "partial")])
    peer.fault = Fault("cut", 0)
    assert converse(engine, speech)[-1].text == f"{TEXT} {TEXT}"
    again = peer.samples - len(speech)
    assert 0 <= again < 12_000  # the pause and what was under way, not the words before it


def test_a_service_that_falls_silent_fails_in_time(peer: DeepgramPeer) -> None:
    engine = DeepgramTranscriber(settings_for(peer, timeout_s=0.3))
    peer.fault = Fault("stall", 5)
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="not answered") as caught:
        converse(engine, SPEECH)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 3.0
    assert engine.transcribe([job(SPEECH)])[0].text == TEXT  # and is heard from nothing once it is back
    engine.close()


@pytest.mark.parametrize(("status", "tries"), [(401, 1), (402, 1), (400, 1), (503, 3), (500, 3)])
def test_only_what_may_pass_is_tried_again(peer: DeepgramPeer, status: int, tries: int) -> None:
    peer.live = status
    engine = DeepgramTranscriber(settings_for(peer, retries=2))
    with pytest.raises(EngineUnavailableError, match=f"HTTP {status}"):
        engine.transcribe([job(SPEECH)])
    assert len(peer.handshakes) == tries
    engine.close()


def test_a_busy_service_is_not_asked_before_it_wants_to_be(peer: DeepgramPeer, engine: DeepgramTranscriber) -> None:
    peer.live, peer.retry_after = 429, "20"
    for _ in range(3):
        with pytest.raises(EngineUnavailableError, match="HTTP 429") as caught:
            engine.transcribe([job(SPEECH)])
        assert caught.value.reason == "busy"
        assert caught.value.retry_after_s > 19
    assert len(peer.handshakes) == 1


def test_callbacks_hear_everything_first_hand(peer: DeepgramPeer) -> None:
    interims: list[tuple[str, str]] = []
    finals: list[tuple[str, str]] = []
    engine = DeepgramTranscriber(
        settings_for(peer),
        on_interim=lambda stream, heard: interims.append((stream, heard.text)),
        on_final=lambda stream, heard: finals.append((stream, heard.text)),
    )
    converse(engine, SPEECH)
    engine.close()
    assert finals == [("s", TEXT)]
    assert [stream for stream, _ in interims] == ["s"] * len(interims)
    assert len({text for _, text in interims}) > 4


def test_a_callback_that_raises_is_alone_with_it(peer: DeepgramPeer, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_stream: str, _heard: Hypothesis) -> None:
        raise ValueError("mine")

    engine = DeepgramTranscriber(settings_for(peer), on_interim=broken, on_final=broken)
    assert converse(engine, SPEECH)[-1].text == TEXT
    engine.close()
    assert "a callback for s raised" in caplog.text


def test_streams_do_not_mix(peer: DeepgramPeer) -> None:
    engine = DeepgramTranscriber(settings_for(peer, connections=8))
    texts = [" ".join(tone_language.WORDS[i : i + 7]) for i in range(8)]
    speeches = [say([0.05 * i, text, 0.2]).astype(np.float32) / 32768 for i, text in enumerate(texts)]
    with ThreadPoolExecutor(8) as threads:
        heard = list(threads.map(lambda i: converse(engine, speeches[i], stream=f"s{i}")[-1].text, range(8)))
    assert heard == texts
    assert engine.counts["open"] == 8
    engine.close()
    assert peer.commands.count("CloseStream") == 8


def test_no_more_connections_than_allowed(peer: DeepgramPeer) -> None:
    engine = DeepgramTranscriber(settings_for(peer, connections=1))
    engine.transcribe([job(SPEECH[:HOP], "partial", stream="a")])
    with pytest.raises(QueueFullError, match="all 1 connections"):
        engine.transcribe([job(SPEECH, stream="b")])
    assert engine.transcribe([job(SPEECH, stream="a")])[0].text == TEXT
    assert engine.transcribe([job(SPEECH, stream="b")])[0].text == TEXT  # between utterances it is anybody's
    assert len(peer.handshakes) == 1
    engine.close()


def test_a_forgotten_stream_leaves_its_connection_or_closes_it(peer: DeepgramPeer, engine: DeepgramTranscriber) -> None:
    converse(engine, SPEECH, stream="a")
    engine.forget("a")
    converse(engine, SPEECH, stream="b")
    assert len(peer.handshakes) == 1
    engine.transcribe([job(SPEECH[:HOP], "partial", stream="b", utterance=1)])
    engine.forget("b")
    eventually(lambda: peer.commands[-1] == "CloseStream")
    engine.forget("never seen")
    assert engine.transcribe([job(SPEECH, stream="b", utterance=1)])[0].text == TEXT


def test_an_utterance_whose_end_never_came_does_not_reach_into_the_next(engine: DeepgramTranscriber) -> None:
    for end in range(HOP, 20_000, HOP):
        engine.transcribe([job(SPEECH[:end], "partial")])
    heard = converse(engine, say(["lona lopo", 0.2]).astype(np.float32) / 32768, utterance=1, start=START + 90_000)
    assert heard[-1].text == "lona lopo"


def test_real_speech(speech: Callable[[str], NDArray[np.float32]], whisper: Any) -> None:
    """The peer hears with the digits model: its word times come back through the wire."""

    def hear(samples: NDArray[np.float32]) -> Any:
        return whisper.transcribe([Job(0, "", 0, "final", 0, samples)])[0].words

    samples = speech("seen_2")
    with DeepgramPeer(hear) as peer:
        engine = DeepgramTranscriber(settings_for(peer, timeout_s=20.0))
        heard = engine.transcribe([job(samples)])[0]
        engine.close()
    truth = hear(samples)
    assert heard.text == " ".join(word.text for word in truth)
    assert len(truth) > 2
    assert max(abs(w.start - START - t.start) for w, t in zip(heard.words, truth, strict=True)) <= 1_600


def test_closed_is_closed(peer: DeepgramPeer) -> None:
    others = set(threading.enumerate())  # of tests before this one, on their way out
    engine = DeepgramTranscriber(settings_for(peer))
    engine.close()
    engine.close()
    with pytest.raises(EngineUnavailableError, match="closed"):
        engine.transcribe([job(SPEECH)])
    mine = set(threading.enumerate()) - others
    assert not [thread for thread in mine if thread.name == "fastring-deepgram"]
