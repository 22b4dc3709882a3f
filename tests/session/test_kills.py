"""Engine calls and clients killed at random moments, 100 of each: who stays loses no word, and nothing is left over."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from scripted_world import RATE, LevelScorer, Speech, hear, speak

from fastring.asr.pool import TranscriberPool
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.config import EndpointSettings, VoiceSettings
from fastring.errors import EngineDiedError
from fastring.events import Final, Partial
from fastring.session.voice import VoiceSession
from fastring.streams.transcription import transcribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

BLOWS = ("raises", "exits", "dies", "miscounts", "hangs")
CLIENTS = 6
PATIENCE_S = 30.0
SPEECH = speak([0.3, "one two three four five", 0.8, "six seven", 0.6, "eight nine zero one two three", 0.5])


class MortalEngine:
    """Hears a world, and is killed in every possible way; a job only once, for it is tried only twice."""

    def __init__(self, speech: Speech, seed: int) -> None:
        self.capabilities = Capabilities("mortal", "world", concurrency=3, max_batch=2)
        self._hear = hear(speech)
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._blow: str | None = None
        self._blows = itertools.cycle(BLOWS)
        self._dead = False
        self._struck: set[tuple[str, int]] = set()
        self.released = threading.Event()
        self.kills: Counter[str] = Counter()
        self.rebuilds = 0
        self.forgotten: Counter[str] = Counter()

    def kill(self) -> None:
        """The next call dies."""
        with self._lock:
            self._blow = self._blow or next(self._blows)

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        names = {(job.stream_id, job.job_id) for job in jobs}
        time.sleep(self._rng.random() * 0.004)
        with self._lock:
            if self._dead and not names & self._struck:
                self._struck |= names
                raise EngineDiedError("dead")
            blow = None if names & self._struck else self._blow
            if blow is not None:
                self._blow = None
                self._struck |= names
                self.kills[blow] += 1
                self._dead = blow == "dies"
        if blow == "raises":
            raise ValueError("killed")
        if blow == "exits":
            raise SystemExit
        if blow == "dies":
            raise EngineDiedError("killed")
        if blow == "hangs":
            self.released.wait(PATIENCE_S)
        return [self._hear(job) for job in jobs][: None if blow != "miscounts" else -1]

    def rebuild(self) -> None:
        self.rebuilds += 1
        self._dead = False

    def forget(self, stream_id: str) -> None:
        self.forgotten[stream_id] += 1

    def close(self) -> None:
        """Nothing to free."""


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def ears(stream_id: str, capabilities: Capabilities) -> VoiceSession:
    return VoiceSession(
        stream_id,
        voice=VoiceSettings(),
        endpoint=EndpointSettings(),
        capabilities=capabilities,
        vad=LevelScorer(),
    )


def chunks(samples: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(samples), RATE // 5):
        time.sleep(0.001)
        yield samples[start : start + RATE // 5]


class Clients:
    """Clients one after another on some threads, each of which stays, or goes at a random moment."""

    def __init__(self, pool: TranscriberPool, capabilities: Capabilities) -> None:
        self._pool = pool
        self._capabilities = capabilities
        self.stop = threading.Event()
        self.told: list[list[Final]] = []
        self.killed: list[str] = []
        self.broken: list[BaseException] = []
        self._threads = [threading.Thread(target=self._live, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _live(self, number: int) -> None:
        rng = random.Random(number)
        try:
            for life in range(10_000):
                if self.stop.is_set():
                    return
                self._visit(f"{number}.{life}", rng.randrange(1, 20) if rng.random() < 0.5 else None)
        except BaseException as error:
            self.broken.append(error)
            raise

    def _visit(self, name: str, leaves_after: int | None) -> None:
        finals: list[Final] = []
        with contextlib.closing(transcribe(chunks(SPEECH.samples), ears(name, self._capabilities), self._pool)) as told:
            for count, event in enumerate(told):
                if isinstance(event, Partial):
                    assert event.text.startswith(event.stable_text)
                if isinstance(event, Final):
                    finals.append(event)
                if count == leaves_after:
                    self._pool.cancel(name)
                    self.killed.append(name)
                    return
        self.told.append(finals)


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.full)])
def test_kills_of_calls_and_of_clients_lose_no_word_and_leave_nothing_behind(kills: int) -> None:
    before = set(threading.enumerate())
    engine = MortalEngine(SPEECH, seed=5)
    pool = TranscriberPool(engine, hang_s=0.5, max_queue_total=64, timeout_s=PATIENCE_S, most_abandoned=1000)
    clients = Clients(pool, engine.capabilities)
    rng = random.Random(7)
    while sum(engine.kills.values()) < kills or len(clients.killed) < kills:
        assert not clients.broken
        time.sleep(rng.random() * 0.02)
        engine.kill()
    clients.join()
    engine.released.set()
    assert clients.broken == []
    assert set(engine.kills) == set(BLOWS)
    for finals in clients.told:
        assert " ".join(final.text for final in finals) == SPEECH.text
    assert len(clients.told) > kills / 10
    until(lambda: pool.stats().running == pool.stats().abandoned == 0)
    stats = pool.stats()
    assert (stats.queued, stats.running, stats.failed, stats.expired) == (0, 0, 0, 0)
    assert stats.accepted == stats.done + stats.dropped
    assert stats.hung > 0  # those that hung last were let go before they were given up
    assert engine.rebuilds >= engine.kills["dies"]
    assert pool.close(PATIENCE_S)
    assert engine.forgotten == Counter(clients.killed)
    assert set(threading.enumerate()) <= before
