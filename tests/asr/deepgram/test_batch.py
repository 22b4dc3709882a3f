from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tone_language
from deepgram_peer import KEY, DeepgramPeer, settings_for
from tone_language import say

from fastring.asr.deepgram.batch import DeepgramBatchTranscriber
from fastring.asr.transcriber import Job
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "bana bapo bari base"
SPEECH = say([0.1, TEXT, 0.2]).astype(np.float32) / 32768
JOB = Job(0, "s", 0, "final", 5_000, SPEECH)


@pytest.fixture
def peer() -> Iterator[DeepgramPeer]:
    with DeepgramPeer(tone_language.hear) as running:
        yield running


@pytest.fixture
def engine(peer: DeepgramPeer) -> Iterator[DeepgramBatchTranscriber]:
    running = DeepgramBatchTranscriber(settings_for(peer))
    yield running
    running.close()


def test_one_request_one_utterance(engine: DeepgramBatchTranscriber, peer: DeepgramPeer) -> None:
    (heard,) = engine.transcribe([JOB])
    assert heard.text == TEXT
    assert [(w.start, w.end) for w in heard.words] == [
        (5_000 + w.start, 5_000 + w.end) for w in tone_language.hear(SPEECH)
    ]
    assert peer.posts == [len(SPEECH)]
    assert peer.handshakes == []


def test_it_wants_finals_only(engine: DeepgramBatchTranscriber) -> None:
    able = engine.capabilities
    assert (able.engine, able.partials, able.progressive) == ("deepgram-batch", False, False)


def test_nothing_is_asked_about_nothing(engine: DeepgramBatchTranscriber, peer: DeepgramPeer) -> None:
    assert engine.transcribe([Job(0, "s", 0, "final", 0, SPEECH[:10])])[0].words == ()
    assert peer.posts == []


@pytest.mark.parametrize(
    ("status", "reason", "passing"), [(400, "refused", False), (402, "refused", False), (429, "busy", True)]
)
def test_a_refusal_is_typed(
    engine: DeepgramBatchTranscriber, peer: DeepgramPeer, status: int, reason: str, passing: bool
) -> None:
    peer.batch, peer.retry_after = status, "4"
    with pytest.raises(EngineUnavailableError, match="as the test wants it") as caught:
        engine.transcribe([JOB])
    assert (caught.value.reason, caught.value.passing, caught.value.retry_after_s) == (reason, passing, 4.0)


def test_a_wrong_key_is_refused_and_never_told(peer: DeepgramPeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    wrong = DeepgramBatchTranscriber(settings_for(peer, api_key="wr0ng-key"))
    right = DeepgramBatchTranscriber(settings_for(peer))
    with pytest.raises(EngineUnavailableError, match="DEEPGRAM_API_KEY") as caught:
        wrong.transcribe([JOB])
    right.transcribe([JOB])
    assert "wr0ng-key" not in str(caught.value) + caplog.text
    assert KEY not in caplog.text
    wrong.close()
    right.close()


def test_no_answer_is_a_timeout(peer: DeepgramPeer) -> None:
    peer.batch = "stall"
    engine = DeepgramBatchTranscriber(settings_for(peer, timeout_s=0.2))
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError, match=r"0\.2 s") as caught:
        engine.transcribe([JOB])
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 2.0
    engine.close()


def test_nobody_is_there(peer: DeepgramPeer) -> None:
    engine = DeepgramBatchTranscriber(settings_for(peer, base_url="http://127.0.0.1:9"))
    with pytest.raises(EngineUnavailableError, match="cannot be reached") as caught:
        engine.transcribe([JOB])
    assert caught.value.reason == "unreachable"
    engine.close()
