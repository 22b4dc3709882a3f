"""A scripted world for sessions: speech whose words are known, an engine that hears them, a clock that is a number."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Outcome
from fastring.config import EndpointSettings, VoiceSettings
from fastring.errors import EngineFailedError, FastringError
from fastring.events import (
    Closed,
    EarlyTrigger,
    EarlyTriggerRetracted,
    Event,
    Failure,
    Final,
    Partial,
    SpeechEnded,
    SpeechStarted,
    Status,
    Word,
)
from fastring.session.voice import VoiceSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RATE = 16_000
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ENDPOINT = EndpointSettings(max_utterance_s=60.0)
CAPABILITIES = Capabilities(engine="scripted", model="world")


class LevelScorer:
    """A voice detector for a world in which whatever is loud is speech."""

    def score(self, frames: np.ndarray) -> np.ndarray:
        return np.where(np.abs(frames).mean(axis=1) > 0.02, 0.95, 0.01).astype(np.float32)

    def skip(self, samples: np.ndarray) -> None:
        pass


@dataclass
class Speech:
    """Audio, and the words in it."""

    samples: np.ndarray
    words: list[Word]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def speak(plan: Sequence[float | str], seed: int = 3) -> Speech:
    """Turn pauses (seconds) and texts (0.25 s a word, a short dip after each) into audio and its words."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    words: list[Word] = []
    at = 0
    for item in plan:
        for text in item.split() if isinstance(item, str) else [None]:
            seconds = 0.25 if text is not None else float(item)
            n = round(seconds * RATE)
            if text is None:
                parts.append(np.zeros(n))
            else:
                loud = rng.standard_normal(n) * 0.1
                loud[-n // 8 :] *= 0.4
                parts.append(loud)
                words.append(Word(text, at, at + n, 0.9))
            at += n
    return Speech((np.concatenate(parts) * 32767).clip(-32768, 32767).astype(np.int16), words)


def hear(speech: Speech) -> Callable[[Job], Hypothesis]:
    """An engine that hears every word of which most is in the job."""

    def transcribe(job: Job) -> Hypothesis:
        end = job.start + len(job.samples)
        heard = [w for w in speech.words if min(w.end, end) - max(w.start, job.start) > 0.5 * (w.end - w.start)]
        return Hypothesis(tuple(Word(w.text, max(w.start, job.start), min(w.end, end), 0.9) for w in heard))

    return transcribe


def last_careful(jobs: Iterable[Job]) -> list[Job]:
    """Of each segment the decode whose words are in a final: the last careful one."""
    return list({(job.utterance, job.start): job for job in jobs if job.is_careful}.values())


@dataclass
class World:
    """A session, its engine and its clock. Every answer takes `delay` seconds; None answers at once."""

    session: VoiceSession
    engine: Callable[[Job], Hypothesis]
    delay: Callable[[Job], float] = lambda job: 0.0
    now: float = 0.0
    events: list[Event] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    waiting: list[tuple[float, Job]] = field(default_factory=list)

    def pump(self) -> None:
        """Move jobs and events until nothing moves any more at this time."""
        while True:
            self.events += self.session.events_to_send()
            new = self.session.jobs_to_run()
            self.jobs += new
            self.waiting += [(self.now + self.delay(job), job) for job in new]
            due = [entry for entry in self.waiting if entry[0] <= self.now]
            deadline = self.session.next_deadline()
            if deadline is not None and deadline <= self.now:
                self.session.handle_deadline(self.now)
            elif due:
                first = min(due, key=lambda entry: entry[0])
                self.waiting.remove(first)
                self.session.receive_outcome(self.outcome(first[1]), self.now)
            else:
                return

    def outcome(self, job: Job) -> Outcome:
        try:
            return Outcome(job, self.engine(job), queue_s=0.001, inference_s=0.01)
        except FastringError as error:
            return Outcome(job, None, error)

    def pass_time(self, until: float) -> None:
        """Let the clock go to `until`, stopping wherever something is due."""
        while True:
            self.pump()
            times = [time for time, _ in self.waiting]
            deadline = self.session.next_deadline()
            times += [deadline] if deadline is not None else []
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
        self.now = max(self.now, until)

    def send(self, samples: np.ndarray, chunk: int = 320) -> None:
        """Send audio in real time."""
        for start in range(0, len(samples), chunk):
            part = samples[start : start + chunk]
            self.pass_time(self.now + len(part) / RATE)
            self.session.receive_audio(part, self.now)
            self.pump()

    def close(self) -> None:
        self.session.receive_close(self.now)
        self.pass_time(self.now + 120)
        assert self.session.closed

    @property
    def finals(self) -> list[Final]:
        return [event for event in self.events if isinstance(event, Final)]

    @property
    def partials(self) -> list[Partial]:
        return [event for event in self.events if isinstance(event, Partial)]

    @property
    def text(self) -> str:
        return " ".join(final.text for final in self.finals if final.text)


def check_order(events: Sequence[Event]) -> None:
    """What the protocol promises about any sequence of events of a stream that is over."""
    told = [event for event in events if not isinstance(event, Failure | Status)]
    assert isinstance(told.pop(), Closed)
    numbered = [event.seq for event in told if not isinstance(event, Partial)]
    assert numbered == list(range(len(numbered)))
    check_triggers(told)
    told = [event for event in told if not isinstance(event, EarlyTrigger | EarlyTriggerRetracted)]
    assert [event.utterance for event in told] == sorted(event.utterance for event in told)
    for number in {event.utterance for event in told}:
        mine = [event for event in told if event.utterance == number]
        kinds = [type(event) for event in mine]
        assert kinds == [SpeechStarted, *[Partial] * (len(mine) - 3), Final, SpeechEnded]
        *_, final, ended = mine
        for event, after in itertools.pairwise(mine[1:-1]):
            assert event.text.startswith(event.stable_text)
            assert after.text.startswith(event.stable_text)
        for event in mine[1:-1]:
            times = [time for word in event.words for time in (word.start, word.end)]
            assert times == sorted(times)
            assert " ".join(word.text for word in event.words) == event.text
        assert final.start <= final.end == ended.end


def check_triggers(events: Sequence[Event]) -> None:
    """At most one early trigger is live, and none that the final contradicts."""
    live: EarlyTrigger | None = None
    for event in events:
        if isinstance(event, EarlyTrigger):
            assert live is None
            live = event
        elif isinstance(event, EarlyTriggerRetracted):
            assert live is not None
            assert live.trigger_id == event.trigger_id
            live = None
        elif isinstance(event, Final):
            assert live is None or live.text == event.text
            live = None
        elif isinstance(event, SpeechStarted | SpeechEnded):
            assert live is None


def make_world(
    speech: Speech,
    *,
    engine: Callable[[Job], Hypothesis] | None = None,
    delay: Callable[[Job], float] = lambda job: 0.0,
    voice: VoiceSettings | None = None,
    endpoint: EndpointSettings | None = None,
    capabilities: Capabilities = CAPABILITIES,
    **options: object,
) -> World:
    """A world in which that is said; `options` go to the session."""
    session = VoiceSession(
        "stream",
        voice=voice or VoiceSettings(),
        endpoint=endpoint or EndpointSettings(),
        capabilities=capabilities,
        vad=LevelScorer(),
        **options,  # type: ignore[arg-type]
    )
    return World(session, engine or hear(speech), delay)


def failing(job: Job) -> Hypothesis:
    """An engine that is broken."""
    raise EngineFailedError("the engine broke")


TWO = speak([0.5, "one two three four five six", 1.0, "seven eight nine", 1.0])
LONG = speak([0.5, " ".join(NUMBERS * 16), 1.0])  # 40 s without a pause
