"""A town on one engine: sessions, pool and door decide as they do in a server, the clock is a number.

Everybody says something else, of the same kind, at random: phrases of one to eight words after pauses of 0.5 to 1.8 s.
The engine hears every word. What a call of it takes is modelled on the CPU time that real models were measured to take,
a fifth more or less.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scripted_world import RATE, LevelScorer, Speech, speak

from fastring.asr.crew import Worker
from fastring.asr.dispatch import Dispatcher
from fastring.asr.job_queue import Ticket
from fastring.asr.transcriber import Capabilities, Hypothesis, Outcome
from fastring.config import AsrSettings, EndpointSettings, ServerSettings, VoiceSettings
from fastring.errors import QueueFullError
from fastring.events import Failure, Final, Partial, SpeechStarted, Status, Word
from fastring.session.admission import AdmissionControl
from fastring.session.voice import VoiceSession
from fastring.session.window import AdaptiveWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.asr.transcriber import Job
    from fastring.events import Event

CHUNK = RATE // 10
SETTLE_S = 15.0  # after the last one has come in, what they notice begins to count
Figure = Literal["first_partial", "word_commit", "final", "text"]
"""What a client notices: onset to first partial; end of a word to the word stable; end of the utterance decided to its
final; audio received to a text that was made of it."""


@dataclass(frozen=True)
class Engine:
    """What a call takes, on one of its workers: `call_s` of the longest job's seconds and of whether it is careful."""

    call_s: Callable[[float, bool], float]
    workers: int = 2
    max_batch: int = 1
    another: float = 0.5  # what another job in the same call takes, as a share of the first

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(engine="simulated", model="town", concurrency=self.workers, max_batch=self.max_batch)

    def batch_s(self, jobs: Sequence[Job]) -> float:
        longest_s = max(len(job.samples) for job in jobs) / RATE
        first_s = self.call_s(longest_s, any(job.is_careful for job in jobs))
        return first_s * (1 + self.another * (len(jobs) - 1))


def _encode_s(audio_s: float, *milliseconds: float) -> float:
    """By the length of what is encoded; measured at 1, 2, 3, 5, 10, 20 and 30 s, on one thread."""
    return float(np.interp(audio_s, (1, 2, 3, 5, 10, 20, 30), milliseconds)) / 1000


def _tiny_s(audio_s: float, careful: bool) -> float:
    encode_s = _encode_s(audio_s + 1, 4.9, 8.8, 13.1, 22.7, 55.2, 145.8, 386.5)
    return encode_s + (0.063 if careful else 0.043)


ENGINES = {
    "digits": Engine(lambda audio_s, _: _encode_s(audio_s + 1, 0.5, 1.1, 1.7, 4.1, 8.8, 34.0, 94.4) + 0.004, 2, 4),
    "digits-30s": Engine(lambda _, __: 0.100),
    "tiny.en-short": Engine(_tiny_s, 2, 4),
    "tiny.en-30s": Engine(lambda _, careful: 0.45 if careful else 0.43),
}


@dataclass(eq=False)
class Client:
    """One session, what it says, and when it was told what."""

    name: str
    session: VoiceSession
    speech: Speech
    starts_s: float
    speed: float  # times real time
    told: list[tuple[float, Event]]
    refused: bool = False

    def __post_init__(self) -> None:
        self._ends = [word.end for word in self.speech.words]

    def hear(self, job: Job) -> Hypothesis:
        """Every word of which most is in the job; what is heard in a pause is as good as a final, as with Whisper."""
        end = job.start + len(job.samples)
        after = itertools.islice(self.speech.words, bisect_left(self._ends, job.start), None)
        heard = itertools.takewhile(lambda word: word.start < end, after)
        most = [w for w in heard if min(w.end, end) - max(w.start, job.start) > 0.5 * (w.end - w.start)]
        words = tuple(Word(w.text, max(w.start, job.start), min(w.end, end), 0.9) for w in most)
        return Hypothesis(words, as_final=job.in_pause)

    @property
    def heard(self) -> int:
        """Words in finals."""
        return sum(len(event.words) for _, event in self.told if isinstance(event, Final))

    @property
    def failures(self) -> int:
        return sum(isinstance(event, Failure) for _, event in self.told)

    @property
    def busy_messages(self) -> int:
        return sum(isinstance(event, Status) and event.state == "server_busy" for _, event in self.told)

    def noticed_s(self, from_s: float) -> dict[Figure, list[list[float]]]:
        """What it noticed in each utterance that was answered from then on, in seconds."""
        found: dict[Figure, list[list[float]]] = defaultdict(list)
        mine: dict[Figure, list[float]] = defaultdict(list)
        spoken_s = [self.starts_s + word.end / RATE for word in self.speech.words]
        onset_s, before, stable = 0.0, 0, 0
        for at_s, event in self.told:
            if isinstance(event, SpeechStarted):
                onset_s, before, stable = self.starts_s + event.start / RATE, before + stable, 0
                mine.clear()
            elif isinstance(event, Partial | Final):
                if isinstance(event, Partial) and not mine:
                    mine["first_partial"].append(at_s - onset_s)
                now_stable = len(event.words) if isinstance(event, Final) else sum(word.stable for word in event.words)
                mine["word_commit"] += [at_s - s for s in spoken_s[before + stable : before + now_stable]]
                stable = max(stable, now_stable)
                if event.latency.inference_ms:  # a final that was heard in the pause before it took none
                    mine["text"].append(event.latency.total_ms / 1000)
                if isinstance(event, Final):
                    mine["final"].append(event.latency.total_ms / 1000)
                    if at_s >= from_s:
                        for figure, seconds in mine.items():
                            found[figure] += [list(seconds)] if seconds else []
        return found


class Town:
    """Clients that speak at once, the pool's decisions, the door, and an engine.

    Args:
        clients: how many want to come in, each a while after the one before.
        engine: what they share.
        seconds: how long all of them speak.
        seed: of what they say and when, and of what calls take.
        apart_s: between two of them, on average.
        admit: whether the door is closed to newcomers when the engine is full.
        hogs: so many of them send all they have to say at once.
    """

    def __init__(
        self,
        clients: int,
        engine: Engine,
        seconds: float,
        *,
        seed: int = 0,
        apart_s: float = 0.5,
        admit: bool = True,
        hogs: int = 0,
    ) -> None:
        rng = np.random.default_rng([seed, clients])
        self.now = 0.0
        self.busy_s = 0.0
        self._engine = engine
        self._jitter = np.random.default_rng([seed, clients, 1])
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._idle = [Worker() for _ in range(engine.workers)]
        door_s = ServerSettings().admit_lag_ms / 1000 if admit else 0
        self._door = AdmissionControl(door_s, engine.workers * engine.max_batch)
        asr = AsrSettings()
        self.dispatcher = Dispatcher(
            engine.capabilities,
            max_queue_per_stream=asr.max_queue,
            max_queue_total=asr.max_queue_total,
            timeout_s=asr.timeout_s,
            hang_s=asr.hang_s,
            rebuildable=False,
            forget=lambda _: None,
        )
        self.window = AdaptiveWindow(VoiceSettings())
        self.from_s = clients * apart_s + SETTLE_S
        self.until_s = self.from_s + seconds
        self._everybody = [self._client(n, apart_s * (n + float(rng.uniform())), rng, n < hogs) for n in range(clients)]

    @property
    def clients(self) -> list[Client]:
        """Those who were let in."""
        return [client for client in self._everybody if not client.refused]

    @property
    def refused(self) -> int:
        """How many were not."""
        return sum(client.refused for client in self._everybody)

    @property
    def load(self) -> float:
        """Share of the engine's time that was used, to the end."""
        return self.busy_s / self._engine.workers / self.now

    def live(self) -> Town:
        """Until nothing is to happen any more."""
        while self._agenda:
            self.now, _, what = heapq.heappop(self._agenda)
            what()
        return self

    def noticed_s(self) -> dict[Figure, list[list[list[float]]]]:
        """By figure, client and utterance."""
        each = [client.noticed_s(self.from_s) for client in self.clients]
        return {figure: [mine.get(figure, []) for mine in each] for figure in Figure.__args__}  # type: ignore[attr-defined]

    # --- clients -----------------------------------------------------------------------------------------------------

    def _client(self, number: int, starts_s: float, rng: np.random.Generator, hog: bool) -> Client:
        name = f"c{number}"
        session = VoiceSession(
            name,
            voice=VoiceSettings(),
            endpoint=EndpointSettings(),
            capabilities=self._engine.capabilities,
            vad=LevelScorer(),
            window=self.window,
        )
        client = Client(name, session, talk(self.until_s - starts_s, rng), starts_s, 1000.0 if hog else 1.0, [])
        self._at(starts_s, lambda: self._come(client))
        return client

    def _come(self, client: Client) -> None:
        client.refused = bool(self._door.refuses(self.now))
        if not client.refused:
            self._door.enter(self.now)
            self._speak(client, 0)

    def _speak(self, client: Client, start: int) -> None:
        samples = client.speech.samples[start : start + CHUNK]
        if client.session.paused:  # as a server does that reads no further
            self._serve(client)
            self._at(self.now + 0.05, lambda: self._speak(client, start))
        elif len(samples):
            client.session.receive_audio(samples, self.now)
            self._serve(client)
            after_s = client.starts_s + (start + CHUNK) / RATE / client.speed
            self._at(max(after_s, self.now), lambda: self._speak(client, start + CHUNK))
        else:
            client.session.receive_close(self.now)
            self._wait(client)

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

    # --- the engine --------------------------------------------------------------------------------------------------

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._number), what))

    def _submit(self, client: Client, job: Job) -> None:
        def done(outcome: Outcome) -> None:
            if not isinstance(outcome.error, QueueFullError):
                self._door.settle(client.name, job.job_id, self.now, outcome.inference_s)
            client.session.receive_outcome(outcome, self.now)
            self._at(self.now, lambda: self._serve(client))

        if job.kind == "final":
            self._door.owe(client.name, job.job_id, self.now)
        self.dispatcher.expire(self.now)
        try:
            self.dispatcher.submit(Ticket(job, done, self.now))
        except QueueFullError as error:
            client.session.receive_outcome(Outcome(job, None, error), self.now)

    def _work(self) -> None:
        self.dispatcher.expire(self.now)
        while self.dispatcher.chores:
            self.dispatcher.chores.popleft()()
        while self._idle and (batch := self.dispatcher.take(self._idle[-1], len(self._idle) - 1, self.now)):
            worker = self._idle.pop()
            call_s = self._engine.batch_s([ticket.job for ticket in batch]) * float(self._jitter.uniform(0.8, 1.2))
            self.busy_s += call_s
            self._at(self.now + call_s, lambda worker=worker, batch=batch: self._answer(worker, batch))

    def _answer(self, worker: Worker, batch: list[Ticket]) -> None:
        heard = [self._everybody[int(ticket.job.stream_id[1:])].hear(ticket.job) for ticket in batch]
        for report in self.dispatcher.succeeded(worker, batch, heard, self.now):
            report()
        self._idle.append(worker)
        self._work()


def talk(seconds: float, rng: np.random.Generator) -> Speech:
    """Phrases after pauses, all at random."""
    plan: list[float | str] = []
    at_s = 0.0
    while at_s < seconds:
        words, pause_s = int(rng.integers(1, 9)), float(rng.uniform(0.5, 1.8))
        plan += [pause_s, " ".join(["one"] * words)]
        at_s += pause_s + 0.25 * words
    return speak([*plan, 0.5], int(rng.integers(1 << 30)))


def spread(means: Sequence[float]) -> float:
    """How far apart the clients are: the highest less the lowest, as a share of the mean; 0 if nobody waited."""
    mean = float(np.mean(means))
    return (max(means) - min(means)) / mean if mean else 0.0


def means_s(by_client: Sequence[Sequence[Sequence[float]]]) -> list[float]:
    """Each client's mean."""
    return [float(np.mean([s for utterance in mine for s in utterance])) for mine in by_client]


def chance_spread(by_client: Sequence[Sequence[Sequence[float]]], share: float = 50, rounds: int = 200) -> float:
    """How far apart the clients would be, had the utterances been dealt to them at random: a percentile of that."""
    rng = np.random.default_rng(0)
    utterances = [utterance for mine in by_client for utterance in mine]
    sums, counts = np.array([sum(u) for u in utterances]), np.array([len(u) for u in utterances])
    begins = np.cumsum([0, *(len(mine) for mine in by_client[:-1])])
    spreads = []
    for _ in range(rounds):
        order = rng.permutation(len(utterances))
        spreads.append(spread(np.add.reduceat(sums[order], begins) / np.add.reduceat(counts[order], begins)))
    return float(np.percentile(spreads, share))
