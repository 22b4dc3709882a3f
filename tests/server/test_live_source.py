"""One source with a session that is not ready: what waits, what goes, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fastring.audio.decode import open_decoder
from fastring.events import Closed, Event
from fastring.server.live_source import LiveSource
from fastring.server.options import AudioOptions
from fastring.session.sources import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Stats:
    waiting_samples: int = 0


@dataclass
class Runner:
    """Takes down what it is given."""

    listener: LiveSource | None = None
    congested: bool = False
    behind_s: float = 0.0
    taken: list[tuple[str, int]] = field(default_factory=list)

    def lag_s(self, _now: float) -> float:
        return self.behind_s

    def stats(self) -> Stats:
        return Stats()

    def receive_audio(self, samples: NDArray[np.int16], _now: float) -> None:
        self.taken.append(("audio", len(samples)))

    def receive_gap(self, missing: int, _now: float) -> None:
        self.taken.append(("gap", missing))

    def finalize(self, _now: float) -> None:
        self.taken.append(("finalize", 0))

    def close(self, _now: float, reason: str) -> None:
        assert self.listener is not None
        self.listener.hear(Closed(reason))

    def stop(self) -> None:
        self.taken.append(("stop", 0))


PLAIN = AudioOptions()


def source(audio: AudioOptions = PLAIN) -> tuple[LiveSource, Runner, list[Event]]:
    runner = Runner()
    made = LiveSource(
        "c.mic",
        "mic",
        audio=audio,
        decoder=open_decoder(audio.format, 16_000),
        runner=runner,  # type: ignore[arg-type]
        queue_max=3,
        max_bytes=10_000,
        max_lag_s=1.0,
        reach_samples=0,
    )
    told: list[Event] = []
    made.tell = told.append
    return made, runner, told


async def test_what_comes_is_handed_over_while_the_session_is_ready() -> None:
    mic, runner, _ = source()
    mic.take(bytes(640), Decision.SUBMIT, 0.0)
    assert runner.taken == [("audio", 320)]
    ack = mic.new_ack()
    assert ack is not None
    assert ack.received == 320
    assert mic.new_ack() is None


@pytest.mark.parametrize("late", [True, False], ids=["a final is owed", "the ring is full"])
async def test_what_waits_is_bounded_and_the_hole_is_told_in_its_place(late: bool) -> None:
    mic, runner, _ = source()
    runner.behind_s, runner.congested = (2.0, False) if late else (0.0, True)
    assert not mic.is_ready(0.0)
    for _ in range(3):
        mic.take(bytes(640), Decision.QUEUE, 0.0)
    mic.take(bytes(640), Decision.DROP_OLDEST, 0.0)
    assert runner.taken == []
    assert (mic.waiting, mic.stats()["dropped_frames"]) == (3, 320)
    status = mic.report(0.5)
    assert status is not None
    assert (status.state, status.dropped_frames, status.queue_depth) == ("backpressure", 320, 3)
    runner.behind_s, runner.congested = 0.0, False
    mic.finalize(1.0)
    assert runner.taken == [("gap", 320), ("audio", 320), ("audio", 320), ("audio", 320), ("finalize", 0)]


async def test_the_queue_is_full_in_bytes_too() -> None:
    mic, runner, _ = source()
    runner.congested = True
    mic.take(bytes(9_000), Decision.QUEUE, 0.0)
    assert mic.load(500) == 1
    assert mic.load(2_000) == 3


async def test_a_refused_chunk_leaves_a_hole() -> None:
    mic, runner, _ = source(AudioOptions("linear16", 8_000))
    mic.take(bytes(1600), Decision.SUBMIT, 0.0)
    mic.take(bytes(1600), Decision.REJECT, 0.1)
    mic.take(bytes(1600), Decision.SUBMIT, 0.2)
    assert ("gap", 1600) in runner.taken
    assert mic.stats()["refused_chunks"] == 1


async def test_a_dropped_source_forgets_what_waits_and_ends_what_was_said() -> None:
    mic, runner, _ = source()
    runner.congested = True
    mic.take(bytes(640), Decision.QUEUE, 0.0)
    assert mic.drop(1.0) == 320
    assert (mic.waiting, runner.taken) == (0, [("gap", 1)])
    assert mic.stats()["is_dropped"]
    assert mic.restore() == 320
    assert not mic.stats()["is_dropped"]


async def test_a_container_waits_instead_of_losing_its_middle() -> None:
    webm, runner, _ = source(AudioOptions("container"))
    runner.congested = True
    for _ in range(3):
        webm.take(b"\x1a\x45\xdf\xa3", Decision.QUEUE, 0.0)
    assert webm.must_wait
    webm.stop_now()


async def test_bytes_that_are_no_audio_are_told() -> None:
    mic, _, told = source(AudioOptions("container"))
    mic.take(b"no audio at all" * 200, Decision.SUBMIT, 0.0)
    mic.close(0.0, "requested")
    assert [type(event).__name__ for event in told] == ["Failure", "Closed"]
    assert mic.closed
    mic.stop_now()
