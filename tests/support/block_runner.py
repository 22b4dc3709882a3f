"""A voice session of a simpler world: speech is where the samples are not zero, and its text is what was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastring.events import Closed, Final, Latency, Partial, SpeechEnded, SpeechStarted
from fastring.server.decoding import PlainDecoder
from fastring.server.progress import Progress
from fastring.server.sessions.journal import Journal
from fastring.server.sessions.resumable import Identity, ResumableSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.events import Event

NO_TIME = Latency(0, 0, 0, 0)
QUIET = 2  # zeros that end an utterance
RATE = 16_000


@dataclass
class Stats:
    """Of such a session."""

    waiting_samples: int = 0


class BlockRunner:
    """Takes the place of `VoiceRunner`. What it has to say about an utterance that ended, it says when it is told to.

    An utterance is a run of samples that are not zero; its final's text lists them, so that a sample that is lost, sent
    twice or put in another place changes it.
    """

    def __init__(self) -> None:
        self.listener: Any = None
        self.congested = False
        self.away = False
        self.stopped = False
        self.heard: list[int] = []
        self._start: int | None = None
        self._utterances = 0
        self._seq = 0
        self._late: list[Callable[[], None]] = []
        self._beginnings: set[Callable[[], None]] = set()

    @property
    def busy(self) -> bool:
        """Whether there is something to say yet."""
        return bool(self._late)

    waiting_samples = 0

    def stats(self) -> Stats:
        """Everything is heard at once."""
        return Stats()

    def note_absence(self, away: bool, now: float) -> None:
        self.away = away

    def receive_audio(self, samples: np.ndarray, now: float) -> None:
        for sample in samples.tolist():
            self.heard.append(sample)
            if sample and self._start is None:
                self._start = len(self.heard) - 1
                self._begin(self._utterances, self._start)
            elif self._start is not None and not any(self.heard[-QUIET:]):
                self._end(len(self.heard) - QUIET)

    def finalize(self, now: float) -> None:
        if self._start is None:
            self._begin(self._utterances, len(self.heard))
            self._start = len(self.heard)
        self._end(len(self.heard))

    def close(self, now: float, reason: str) -> None:
        if self._start is not None:
            self._end(len(self.heard))
        self._late.append(lambda: self._say(Closed(reason)))

    def stop(self) -> None:
        self.stopped = True
        self.listener = None
        self._late.clear()

    def work(self) -> None:
        """Say the next thing that is due; as in a real session, the utterance behind it comes forward at once."""
        if self._late:
            self._late.pop(0)()
        while self._late and self._late[0] in self._beginnings:
            self._beginnings.remove(self._late[0])
            self._late.pop(0)()

    def _begin(self, utterance: int, start: int) -> None:
        self._when_idle(lambda: self._say(SpeechStarted(self._number(), utterance, start)))

    def _end(self, end: int) -> None:
        utterance, start = self._utterances, self._start or 0
        text = " ".join(map(str, self.heard[start:end]))
        self._utterances += 1
        self._start = None
        self._late.append(lambda: self._finish(utterance, text, start, end))

    def _finish(self, utterance: int, text: str, start: int, end: int) -> None:
        self._say(Final(self._number(), utterance, text, (), 0.9, start, end, NO_TIME))
        self._say(SpeechEnded(self._number(), utterance, end))

    def partial(self) -> None:
        """Say what is heard so far, if somebody is speaking and it is his turn."""
        if self._start is not None and not self._late:
            text = " ".join(map(str, self.heard[self._start :]))
            end = len(self.heard)
            self._say(Partial(self._utterances, text, "", (), 0.9, self._start, end, -20.0, 0.0, 0, NO_TIME))

    def _when_idle(self, act: Callable[[], None]) -> None:
        if self._late:
            self._late.append(act)
            self._beginnings.add(act)
        else:
            act()

    def _number(self) -> int:
        self._seq += 1
        return self._seq - 1

    def _say(self, event: Event) -> None:
        if self.listener is not None:
            self.listener.hear(event)


def block_session(
    identity: Identity, *, max_events: int = 100, ring_bytes: int = 1000, frame_bytes: int = 2
) -> ResumableSession:
    """A session of that world; utterances reach two samples back, and speech counts from where it starts."""
    return ResumableSession(
        identity,
        runner=BlockRunner(),  # type: ignore[arg-type]
        decoder=PlainDecoder("<i2"),
        frame_bytes=frame_bytes,
        progress=Progress(input_rate=RATE, session_rate=RATE, reach_samples=QUIET, lead_samples=0),
        journal=Journal(max_events),
        ring_bytes=ring_bytes,
    )


def runner_of(session: ResumableSession) -> BlockRunner:
    """Its runner."""
    runner = session._runner
    assert isinstance(runner, BlockRunner)
    return runner


def pcm(*samples: int) -> bytes:
    """Little-endian PCM16."""
    return np.array(samples, "<i2").tobytes()
