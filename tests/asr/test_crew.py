from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fastring.asr.crew import Crew, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def crew_of(size: int, most_abandoned: int, gate: threading.Event) -> tuple[Crew, list[Worker]]:
    workers: list[Worker] = []

    def work(worker: Worker) -> None:
        workers.append(worker)
        gate.wait(10)

    crew = Crew(size, most_abandoned, work)
    crew.fill()
    return crew, workers


def test_a_crew_is_filled_and_everybody_has_a_thread(gate: threading.Event) -> None:
    crew, workers = crew_of(3, 1, gate)
    crew.fill()
    assert len(crew) == len(crew.threads()) == 3
    gate.set()
    for thread in crew.threads():
        thread.join()
    assert len(workers) == 3


def test_who_is_in_the_engine_for_too_long_is_overdue(gate: threading.Event) -> None:
    crew, workers = crew_of(1, 1, gate)
    assert crew.next_deadline() is None
    (worker,) = workers or [next(iter(crew._workers))]
    worker.begin([], 10.0, 2.0, 0)
    assert crew.next_deadline() == 12.0
    assert crew.overdue(11.9) == []
    assert crew.overdue(12.0) == [worker]
    assert worker.come_back(12.5) == 2.5
    assert (crew.overdue(20.0), crew.next_deadline()) == ([], None)


def test_the_abandoned_are_replaced_as_long_as_there_are_not_too_many(gate: threading.Event) -> None:
    crew, _ = crew_of(1, 2, gate)
    for abandoned, left in ((1, 1), (2, 1), (3, 0)):
        (worker,) = crew._workers
        crew.abandon(worker)
        assert (crew.abandoned, len(crew)) == (abandoned, left)
    assert len(crew.threads()) == 3
    assert crew.stays(worker)  # nobody else is there
    assert (crew.abandoned, len(crew)) == (2, 1)


def test_who_was_replaced_may_go(gate: threading.Event) -> None:
    crew, _ = crew_of(1, 2, gate)
    (worker,) = crew._workers
    assert crew.stays(worker)
    crew.abandon(worker)
    assert not crew.stays(worker)
    crew.leave(worker)
    assert (crew.abandoned, len(crew)) == (0, 1)
