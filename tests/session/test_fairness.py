"""Many sessions on one engine, in simulated time: everybody waits as long, in proportion to how many they are."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted_world import CAPABILITIES, RATE, LevelScorer, Speech, hear, speak

from fastring.asr.crew import Worker
from fastring.asr.dispatch import Dispatcher
from fastring.asr.job_queue import Ticket
from fastring.asr.transcriber import Outcome
from fastring.config import EndpointSettings, VoiceSettings
from fastring.errors import QueueFullError
from fastring.events import Failure, Final, Partial, Status
from fastring.session.voice import VoiceSession
from fastring.session.window import AdaptiveWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.asr.transcriber import Job
    from fastring.events import Event

CALL_S = 0.12  # what the engine takes for a job,
WORKERS = 2  # of which it does two at a time
CHUNK = RATE // 10
PHRASES = 30  # that each client says, of as many words, after pauses of other lengths


class Client:
    """One session, and when it was told what."""

    def __init__(self, name: str, speech: Speech, starts_s: float, window: AdaptiveWindow) -> None:
        self.name = name
        self.speech = speech
        self.starts_s = starts_s
        self.hear = hear(speech)
        self.told: list[tuple[float, Event]] = []
        self.session = VoiceSession(
            name,
            voice=VoiceSettings(),
            endpoint=EndpointSettings(),
            capabilities=CAPABILITIES,
            vad=LevelScorer(),
            window=window,
        )

    def latencies_s(self, *kinds: type) -> list[float]:
        """Of every text of these kinds: from its audio being there to the text being told."""
        return [
            e.latency.total_ms / 1000 for _, e in self.told if isinstance(e, kinds) and isinstance(e, Final | Partial)
        ]


class Town:
    """Clients that speak at once, the pool's decisions, and an engine, on a clock that is a number."""

    def __init__(self, clients: int, timeout_s: float = 30.0) -> None:
        self.now = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._idle = [Worker() for _ in range(WORKERS)]
        self._dispatcher = Dispatcher(
            CAPABILITIES,
            max_queue_per_stream=3,
            max_queue_total=64,
            timeout_s=timeout_s,
            hang_s=15.0,
            rebuildable=False,
            forget=lambda _: None,
        )
        window = AdaptiveWindow(VoiceSettings())
        self.clients = [Client(f"c{n}", _talk(n), 0.5 * (n * 0.6180339887 % 1), window) for n in range(clients)]
        for client in self.clients:
            self._at(client.starts_s, lambda client=client: self._speak(client, 0))

    def live(self) -> None:
        """Until nothing is to happen any more."""
        while self._agenda:
            self.now, _, what = heapq.heappop(self._agenda)
            what()

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._number), what))

    def _speak(self, client: Client, start: int) -> None:
        samples = client.speech.samples[start : start + CHUNK]
        if len(samples):
            client.session.receive_audio(samples, self.now)
        else:
            client.session.receive_close(self.now)
        self._serve(client)
        if len(samples):
            self._at(client.starts_s + (start + CHUNK) / RATE, lambda: self._speak(client, start + CHUNK))
        else:
            self._at(self.now + 0.05, lambda: self._wait(client))

    def _wait(self, client: Client) -> None:
        """After its last word: until all is answered."""
        self._serve(client)
        if not client.session.closed:
            self._at(self.now + 0.05, lambda: self._wait(client))

    def _serve(self, client: Client) -> None:
        session = client.session
        deadline = session.next_deadline()
        if deadline is not None and deadline <= self.now:
            session.handle_deadline(self.now)
        while jobs := session.jobs_to_run():
            for job in jobs:
                self._submit(client, job)
        client.told += [(self.now, event) for event in session.events_to_send()]
        self._work()

    def _submit(self, client: Client, job: Job) -> None:
        def done(outcome: Outcome) -> None:
            client.session.receive_outcome(outcome, self.now)
            self._at(self.now, lambda: self._serve(client))

        self._dispatcher.expire(self.now)
        try:
            self._dispatcher.submit(Ticket(job, done, self.now))
        except QueueFullError as error:
            client.session.receive_outcome(Outcome(job, None, error), self.now)

    def _work(self) -> None:
        self._dispatcher.expire(self.now)
        while self._dispatcher.chores:
            self._dispatcher.chores.popleft()()
        while self._idle and (batch := self._dispatcher.take(self._idle[-1], len(self._idle) - 1, self.now)):
            worker = self._idle.pop()
            self._at(self.now + CALL_S, lambda worker=worker, batch=batch: self._answer(worker, batch))

    def _answer(self, worker: Worker, batch: list[Ticket]) -> None:
        heard = [next(c for c in self.clients if c.name == t.job.stream_id).hear(t.job) for t in batch]
        for report in self._dispatcher.succeeded(worker, batch, heard, self.now):
            report()
        self._idle.append(worker)
        self._work()


def _talk(seed: int) -> Speech:
    rng = np.random.default_rng(seed)
    pauses = rng.permutation(np.linspace(0.6, 1.2, PHRASES))
    return speak([it for pause in pauses for it in (float(pause), "one two three")])


def town(clients: int) -> Town:
    """They have lived, and every word was heard, once and in order."""
    town = Town(clients)
    town.live()
    for client in town.clients:
        assert not any(isinstance(event, Failure) for _, event in client.told)
        finals = [event.text for _, event in client.told if isinstance(event, Final) and event.text]
        assert " ".join(finals) == client.speech.text
    return town


def means_s(town: Town, *kinds: type) -> list[float]:
    """The mean latency of each client."""
    return [float(np.mean(client.latencies_s(*kinds))) for client in town.clients]


def busy_messages(client: Client) -> int:
    return sum(isinstance(event, Status) and event.state == "server_busy" for _, event in client.told)


@pytest.fixture(scope="module")
def alone_s() -> float:
    return means_s(town(1), Final, Partial)[0]


@pytest.mark.parametrize("clients", [2, 4, 8])
def test_while_the_engine_has_time_latency_grows_less_than_in_proportion(clients: int, alone_s: float) -> None:
    crowd = town(clients)
    each_s = means_s(crowd, Final, Partial)
    assert np.mean(each_s) <= 1.2 * clients * alone_s
    assert max(each_s) <= 1.2 * min(each_s)
    assert sum(map(busy_messages, crowd.clients)) == 0


def test_partials_make_way_before_finals_are_late() -> None:
    few, many = town(4), town(24)
    partials = [sum(isinstance(event, Partial) for _, event in client.told) for client in (few.clients + many.clients)]
    assert max(partials[4:]) < min(partials[:4]) / 4
    assert np.mean(means_s(many, Final)) < 3 * CALL_S


@pytest.mark.parametrize("clients", [48, *(pytest.param(n, marks=pytest.mark.full) for n in (64, 80))])
def test_of_more_than_the_engine_can_do_everybody_is_told_and_nobody_waits_longer_than_others(clients: int) -> None:
    crowd = town(clients)
    each_s = means_s(crowd, Final)
    assert max(each_s) <= 1.2 * min(each_s)
    assert min(map(busy_messages, crowd.clients)) > 0
