from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from fastring.asr.pool import TranscriberPool
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.config import EndpointSettings, VoiceSettings
from fastring.events import Closed, Event, Final, SpeechEnded, SpeechStarted, Word
from fastring.recordings import recording_path
from fastring.session.voice import VoiceSession
from fastring.streams.transcription import transcribe

RATE = 16_000


class CountingEngine:
    """Answers each job with the length of its audio, after a while."""

    capabilities = Capabilities(engine="counting", model="none")

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.jobs: list[Job] = []

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        time.sleep(self.delay_s)
        self.jobs.extend(jobs)
        return [Hypothesis((Word("heard", job.start, job.start + len(job.samples), 0.9),)) for job in jobs]

    def forget(self, stream_id: str) -> None: ...

    def close(self) -> None: ...


def session(**voice: float) -> VoiceSession:
    return VoiceSession(
        "file",
        voice=VoiceSettings(**voice),  # type: ignore[arg-type]
        endpoint=EndpointSettings(vad="energy"),
        capabilities=CountingEngine.capabilities,
        interim=False,
    )


def bursts(count: int, seconds: float = 0.6, pause_s: float = 1.0) -> np.ndarray:
    """Something that the energy gate takes for speech, `count` times."""
    rng = np.random.default_rng(5)
    sound = (rng.standard_normal(round(seconds * RATE)) * 3000).astype(np.int16)
    return np.concatenate([np.concatenate([np.zeros(round(pause_s * RATE), np.int16), sound])] * count)


def chunks(samples: np.ndarray, size: int = 1600) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


@pytest.fixture
def pool() -> Iterator[TranscriberPool]:
    pool = TranscriberPool(CountingEngine())
    yield pool
    pool.close()


def run(samples: np.ndarray, pool: TranscriberPool, *, size: int = 1600, **voice: float) -> list[Event]:
    return list(transcribe(chunks(samples, size), session(**voice), pool))


def test_every_utterance_is_answered_in_order_and_closed_is_last(pool: TranscriberPool) -> None:
    events = run(bursts(4), pool)
    assert [type(event) for event in events] == [SpeechStarted, Final, SpeechEnded] * 4 + [Closed]
    finals = [event for event in events if isinstance(event, Final)]
    assert [final.utterance for final in finals] == [0, 1, 2, 3]
    assert all(a.end <= b.start for a, b in itertools.pairwise(finals))


def test_any_chunking_gives_the_same_finals(pool: TranscriberPool) -> None:
    def spans(size: int) -> list[tuple[int, int]]:
        return [(e.start, e.end) for e in run(bursts(3), pool, size=size) if isinstance(e, Final)]

    assert spans(1600) == spans(37) == spans(1 << 20)


def test_nothing_said_is_nothing_but_the_end(pool: TranscriberPool) -> None:
    assert [type(event) for event in run(np.zeros(RATE, np.int16), pool)] == [Closed]
    assert [type(event) for event in run(np.zeros(0, np.int16), pool)] == [Closed]


def test_the_audio_is_taken_no_faster_than_the_engine_allows() -> None:
    """A slow engine and a small ring: reading stops, and nothing is lost."""
    taken_s = 0.0
    ahead: list[float] = []
    engine = CountingEngine(delay_s=0.02)
    pool = TranscriberPool(engine)
    samples = bursts(40)

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken_s
        for chunk in chunks(samples):
            taken_s += len(chunk) / RATE
            ahead.append(taken_s - max((j.start / RATE for j in engine.jobs), default=0.0))
            yield chunk

    events = list(transcribe(counted(), session(ring_seconds=8.0, max_segment_s=2.0), pool))
    pool.close()
    assert len([event for event in events if isinstance(event, Final)]) == 40
    assert max(ahead) < 20.0 < len(samples) / RATE


def test_a_full_pool_is_waited_for() -> None:
    release = threading.Event()

    class Stuck(CountingEngine):
        def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
            release.wait(10)
            return super().transcribe(jobs)

    pool = TranscriberPool(Stuck(), max_queue_per_stream=1, max_queue_total=1)
    threading.Timer(0.3, release.set).start()
    finals = [event for event in run(bursts(5), pool) if isinstance(event, Final)]
    pool.close()
    assert [final.text for final in finals] == ["heard"] * 5


def test_real_speech_by_the_real_model() -> None:
    pytest.importorskip("faster_whisper")
    from fastring.asr.engines import create_transcriber
    from fastring.audio.files import stream_audio
    from fastring.config import AsrSettings

    pool = TranscriberPool(create_transcriber(AsrSettings(model="digits", workers=1, threads=1)))
    heard = {}
    for name in ("seen_2", "unseen_2"):
        finals = [e for e in transcribe(stream_audio(recording_path(name)), session(), pool) if isinstance(e, Final)]
        heard[name] = " ".join(final.text for final in finals)
    pool.close()
    assert heard == {"seen_2": "nine four one three", "unseen_2": "two zero nine four three"}


def test_streaming_costs_no_words_against_the_engine_alone() -> None:
    """Word errors of a stream with partials are at most a point above those of the engine on the same segments."""
    pytest.importorskip("faster_whisper")
    import wave

    from fastring.asr.engines import create_transcriber
    from fastring.config import AsrSettings
    from fastring.recordings import recordings

    pool = TranscriberPool(create_transcriber(AsrSettings(model="digits")))
    streamed = alone = words = 0
    for item in recordings():
        with wave.open(str(item.path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        stream = VoiceSession(
            item.name,
            voice=VoiceSettings(),
            endpoint=EndpointSettings(vad="energy"),
            capabilities=pool.transcriber.capabilities,
        )
        finals = [event for event in transcribe(chunks(samples), stream, pool) if isinstance(event, Final)]
        segments = [samples[max(0, final.start - 5120) : final.end + 1600] / np.float32(32768) for final in finals]
        jobs = [Job(i, "alone", i, "final", 0, segment.astype(np.float32)) for i, segment in enumerate(segments)]
        heard = [pool.transcriber.transcribe([job])[0].text for job in jobs]
        truth = item.text.split()
        streamed += word_errors(truth, " ".join(final.text for final in finals).split())
        alone += word_errors(truth, " ".join(heard).split())
        words += len(truth)
    pool.close()
    assert words > 30
    assert streamed / words <= alone / words + 0.01


def word_errors(truth: list[str], heard: list[str]) -> int:
    """Levenshtein's distance in words."""
    costs = list(range(len(heard) + 1))
    for i, word in enumerate(truth, 1):
        before, costs[0] = costs[0], i
        for j, other in enumerate(heard, 1):
            before, costs[j] = costs[j], min(before + (word != other), costs[j] + 1, costs[j - 1] + 1)
    return costs[-1]
