from __future__ import annotations

from typing import Literal

import numpy as np

from fastring.asr.transcriber import Job, Outcome
from fastring.errors import EngineFailedError, JobTimeoutError
from fastring.events import Failure, Status
from fastring.session.outbox import Outbox
from fastring.session.troubles import Troubles


def failure(kind: Literal["partial", "final"]) -> Outcome:
    return Outcome(Job(0, "s", 0, kind, 0, np.zeros(0, np.float32)), None, EngineFailedError("broke"))


def test_busy_is_said_once_a_second_and_recovered_once() -> None:
    outbox = Outbox()
    troubles = Troubles(outbox)
    for now in (10.0, 10.2, 10.9, 11.1, 11.2):
        troubles.busy(2, now)
    troubles.over()
    troubles.over()
    told = outbox.take()
    assert [(type(e), e.state, round(e.lag_ms)) for e in told if isinstance(e, Status)] == [
        (Status, "server_busy", 0),
        (Status, "server_busy", 1100),
        (Status, "recovered", 0),
    ]
    assert isinstance(told[0], Status)
    assert (told[0].queue_depth, told[0].retry_after_ms) == (2, 250)


def test_each_final_that_fails_is_told_and_of_partials_in_a_row_the_first() -> None:
    outbox = Outbox()
    troubles = Troubles(outbox)
    for kind in ("partial", "partial", "final", "final", "partial"):
        troubles.failed(failure(kind))  # type: ignore[arg-type]
    assert len(outbox.take()) == 3
    troubles.over()
    troubles.failed(failure("partial"))
    assert outbox.take() == [Failure("engine_failed", "broke")]


def test_the_code_is_the_error_s() -> None:
    outbox = Outbox()
    outcome = failure("final")
    Troubles(outbox).failed(Outcome(outcome.job, None, JobTimeoutError("late")))
    assert outbox.take() == [Failure("job_timeout", "late", text_lost=True)]


def test_a_final_that_is_owed_for_long_is_busy_and_over_only_when_none_is() -> None:
    outbox = Outbox()
    troubles = Troubles(outbox, max_lag_s=5.0)
    for now in (10.0, 14.9, 15.0, 15.5, 16.0):
        troubles.owed(3, 10.0, now)
    troubles.over(11.0, 16.5)  # an answer came, but the next is late, too
    assert troubles.is_busy
    troubles.over(14.0, 17.0)
    assert not troubles.is_busy
    told = [event for event in outbox.take() if isinstance(event, Status)]
    assert [(event.state, event.lag_ms) for event in told] == [
        ("server_busy", 5000.0),
        ("server_busy", 6000.0),
        ("recovered", 0.0),
    ]
