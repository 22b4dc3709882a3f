from __future__ import annotations

import numpy as np
import pytest

from fastring.asr.job_queue import Ticket
from fastring.asr.ledger import Ledger
from fastring.asr.transcriber import Hypothesis, Job, Outcome
from fastring.errors import EngineFailedError


def ticket(told: list[Outcome], accepted_s: float = 1.0) -> Ticket:
    return Ticket(Job(0, "a", 0, "final", 0, np.zeros(0, np.float32)), told.append, accepted_s)


def test_a_ticket_is_answered_once() -> None:
    ledger, told = Ledger(), list[Outcome]()
    given = ticket(told)
    given.started_s = 2.0
    ledger.accept(given)
    assert given in ledger
    report = ledger.settle(given, "done", Hypothesis(()), None, 5.0)
    assert report is not None
    assert told == []
    report()
    assert (told[0].queue_s, told[0].inference_s) == (1.0, 3.0)
    assert given not in ledger
    assert ledger.settle(given, "failed", None, EngineFailedError("late"), 6.0) is None
    stats = ledger.stats(workers=1, abandoned=2, queued=3, running=4)
    assert (stats.accepted, stats.done, stats.failed) == (1, 1, 0)
    assert (stats.workers, stats.abandoned, stats.queued, stats.running) == (1, 2, 3, 4)
    assert (stats.queue.p50_ms, stats.inference.p50_ms, stats.total.p50_ms) == (1000, 3000, 4000)


def test_the_oldest_is_the_first_that_is_not_answered() -> None:
    ledger, told = Ledger(), list[Outcome]()
    first, second = ticket(told, 1.0), ticket(told, 2.0)
    assert ledger.oldest is None
    ledger.accept(first)
    ledger.accept(second)
    ledger.settle(first, "dropped", None, EngineFailedError("x"), 3.0)
    assert ledger.oldest is second


def test_an_owner_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    given = ticket([])
    given.done = lambda outcome: 1 / 0
    ledger.accept(given)
    report = ledger.settle(given, "done", Hypothesis(()), None, 5.0)
    assert report is not None
    report()
    assert "the owner of job 0 of a raised" in caplog.text
