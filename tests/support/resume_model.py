"""Both halves of the resume protocol under a lossy scheduler: a client's conversation, a server's keeper and station.

Nothing is real time: a schedule is a series of random steps. Connections are cut with any part of what is under way
lost, servers notice it late or early, answers are lost with the connection that they came over, several connections of
one client are open at once, and servers may be replaced by others that know nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from typing import Any

from block_runner import BlockRunner, block_session, pcm, runner_of

from fastring.client.conversation import Conversation, Limits
from fastring.client.events import Final, SpeechEnded, SpeechStarted
from fastring.config import ResumeSettings
from fastring.events import Closed, Event, Failure, VoiceReady
from fastring.events import Final as ToldFinal
from fastring.events import SpeechEnded as ToldEnded
from fastring.events import SpeechStarted as ToldStarted
from fastring.protocols.native import NativeCodec
from fastring.server.sessions.keeper import SessionKeeper
from fastring.server.sessions.resumable import Identity
from fastring.server.voice_station import VoiceStation

RATE = 31  # so that a frame of the client's arithmetic is one sample


class Link:
    """One connection: what is under way in both directions, and the server's end of it."""

    def __init__(self, keeper: SessionKeeper, sessions: list[Any]) -> None:
        self.up: deque[Any] = deque()
        self.down: deque[str] = deque()
        self.heard_close = False
        self.alive = True  # as far as the server knows
        self.ended = False  # by the server
        self._codec = NativeCodec("mic", sample_rate=RATE)
        identity = Identity(keeper.new_name(), "mic", "key", "linear16", RATE, 1)

        def open_session() -> Any:
            sessions.append(block_session(identity))
            return sessions[-1]

        ready = VoiceReady(RATE, "linear16", 1, 1.0, 1 << 20, 1.0, "e", "m", True, keeper.token(identity))
        self.station = VoiceStation(
            identity,
            keeper=keeper,
            open_session=open_session,
            ready=ready,
            frame_bytes=2,
            counters=self._codec.counters,
        )
        self.station.attach(self)

    def post(self, event: Event) -> None:
        if not self.ended:
            self.down += [str(message) for message in self._codec.encode(event)]
            self.ended = isinstance(event, Closed) or (isinstance(event, Failure) and event.fatal)

    async def answers(self, within_s: float) -> bool:
        """A connection that is still there answers."""
        return self.alive

    def relieve(self) -> None:
        """Nothing waits for it: the scheduler asks the station each time."""

    async def take(self) -> None:
        """The server reads one message."""
        if not self.up or self.station.congested or not self.alive or self.ended:
            return
        for command in self._codec.decode(self.up.popleft()):
            self.station.receive(command, 0.0)
        while self.station._claim is not None:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def notice(self) -> None:
        """The server learns that the connection is gone."""
        if self.alive:
            self.alive = False
            self.station.detach()


class Schedule:
    """One run from a seed. `restarts`: servers are replaced, too."""

    def __init__(self, seed: int, *, restarts: bool = False) -> None:
        self.draw = random.Random(seed)
        self.restarts = restarts
        self.keeper = self._server()
        self.client = Conversation(RATE, 2, Limits(buffer_s=1e6, message_s=3 / RATE, catch_up_rate=0))
        self.links: list[Link] = []
        self.link: Link | None = None
        self.sessions: list[Any] = []
        self.script: list[int | None] = []  # samples; None is a finalize
        self.told: list[Any] = []
        self.faults = 0

    def _server(self) -> SessionKeeper:
        return SessionKeeper(ResumeSettings(catch_up_rate=0, max_events=200), clock=lambda: 0.0)

    async def run(self, steps: int = 60) -> None:
        """Go through it; raises AssertionError where the promise is broken."""
        actions = [self.speak, self.send, self.deliver, self.hear, self.work, self.fault]
        weights = [4, 8, 8, 8, 4, 1]
        for action in self.draw.choices(actions, weights, k=steps):
            await action()
        self.client.close()
        for _ in range(2000):
            if self.client.finished:
                break
            for action in (self.send, self.deliver, self.hear, self.work):
                await action()
        assert self.client.finished, "it ends once there are no faults any more"
        for link in self.links:
            link.notice()
        self.check()

    # --- steps -------------------------------------------------------------------------------------------------------

    async def speak(self) -> None:
        loud = self.draw.random() < 0.6
        samples = [self.draw.randrange(1, 100) if loud else 0 for _ in range(self.draw.randrange(1, 6))]
        self.script += samples
        self.client.push(pcm(*samples))
        if not self.restarts and self.draw.random() < 0.1:
            self.script.append(None)
            self.client.finalize()

    async def send(self) -> None:
        if self.link is None:
            self.link = Link(self.keeper, self.sessions)
            self.links.append(self.link)
            self.client.connected()
        for _ in range(self.draw.randrange(1, 4)):
            if (message := self.client.to_send(0.0)) is not None:
                self.link.up.append(message)

    async def deliver(self) -> None:
        """Any connection's turn, dead ones included: what they carried may still arrive."""
        for link in self.draw.sample(self.links, len(self.links)):
            await link.take()
        if self.draw.random() < 0.3 and self.links:
            self.draw.choice(self.links).station.acknowledge(0.0)

    async def hear(self) -> None:
        for _ in range(self.draw.randrange(1, 4)):
            if self.link is not None and self.link.down:
                self.told += self.client.receive(json.loads(self.link.down.popleft()), 0.0)
            elif self.link is not None and self.link.ended and not self.client.finished:
                self.cut()

    async def work(self) -> None:
        if self.sessions:
            runner = runner_of(self.draw.choice(self.sessions))
            runner.work()
            if self.draw.random() < 0.2 and runner.listener is not None:
                runner.partial()
        if self.draw.random() < 0.2:
            await self.keeper.save()

    async def fault(self) -> None:
        self.faults += 1
        if self.restarts and self.draw.random() < 0.3:
            self.keeper.close()
            self.keeper = self._server()
            for link in self.links:
                link.alive = False
                link.station._cancel_timers()
            self.sessions.clear()
        self.cut()
        if self.draw.random() < 0.5:
            self.draw.choice(self.links).notice() if self.links else None

    def cut(self) -> None:
        """The client loses its connection; of what it sent any first part still arrives."""
        link, self.link = self.link, None
        if link is not None:
            self.client.lost()
            for _ in range(self.draw.randrange(len(link.up) + 1)):
                link.up.pop()
            if self.draw.random() < 0.5:
                link.notice()

    # --- the promise -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        expected = uncut(self.script)
        told = [
            (type(event).__name__, event.seq, event.utterance, *_content(event))
            for event in self.told
            if isinstance(event, SpeechStarted | Final | SpeechEnded)
        ]
        assert told == expected, f"{told} instead of {expected}"
        assert self.client.lost_samples == 0


def _content(event: Any) -> tuple[Any, ...]:
    if isinstance(event, SpeechStarted):
        return (round(event.start * RATE),)
    if isinstance(event, Final):
        return event.text, round(event.start * RATE), round(event.end * RATE)
    return (round(event.end * RATE),)


def uncut(script: list[int | None]) -> list[Any]:
    """What one connection without faults would tell."""
    told: list[Any] = []

    class Ear:
        def hear(self, event: Event) -> None:
            if isinstance(event, ToldStarted):
                told.append(("SpeechStarted", event.seq, event.utterance, event.start))
            elif isinstance(event, ToldFinal):
                told.append(("Final", event.seq, event.utterance, event.text, event.start, event.end))
            elif isinstance(event, ToldEnded):
                told.append(("SpeechEnded", event.seq, event.utterance, event.end))

    runner = BlockRunner()
    runner.listener = Ear()
    for item in script:
        if item is None:
            runner.finalize(0.0)
        else:
            runner.receive_audio(_one(item), 0.0)
    runner.close(0.0, "requested")
    while runner.busy:
        runner.work()
    return told


def _one(sample: int) -> Any:
    import numpy as np

    return np.array([sample], np.int16)
