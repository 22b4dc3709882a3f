from __future__ import annotations

import numpy as np
import pytest

from fastring.asr.transcriber import Hypothesis, Job, Outcome
from fastring.errors import EngineFailedError, JobDroppedError, QueueFullError
from fastring.session.jobs import RETRY_S, JobDesk
from fastring.session.utterance import SegmentLimits, Utterance, Want

UTTERANCE = Utterance(3, 100, 0, 8000, SegmentLimits(100_000, 8000))
FULL, BROKEN = QueueFullError("no room"), EngineFailedError("broke")


def desk_with(*kinds: str, most: int = 3) -> tuple[JobDesk, list[Job]]:
    desk = JobDesk("stream", "en", most)
    for i, kind in enumerate(kinds):
        want = Want(kind, i * 10, i * 10 + 5, 1.0)  # type: ignore[arg-type]
        desk.make(UTTERANCE, want, np.zeros(5, np.float32), 1.5)
    return desk, desk.take()


def test_a_job_says_whose_and_what_it_is() -> None:
    desk, (first, second) = desk_with("partial", "final")
    assert (first.job_id, first.kind, first.start, first.stream_id) == (0, "partial", 0, "stream")
    assert (second.job_id, second.kind, second.start, second.utterance) == (1, "final", 10, 3)
    assert (first.language, first.created_s) == ("en", 1.5)
    assert desk.take() == []


def test_room_is_counted_until_a_job_is_settled() -> None:
    desk, (first, _) = desk_with("partial", "final", most=2)
    assert desk.partials == 1
    assert not desk.has_room
    request = desk.settle(Outcome(first, Hypothesis(())), 2.0)
    assert request is not None
    assert request.utterance is UTTERANCE
    assert desk.has_room
    assert desk.partials == 0
    assert desk.settle(Outcome(first, Hypothesis(())), 2.0) is None


def test_of_partials_only_the_last_takes_room() -> None:
    desk, (_, waiting) = desk_with("partial", "partial", most=2)
    assert (desk.partials, desk.has_room) == (2, True)
    desk.make(UTTERANCE, Want("final", 20, 25, 1.0), np.zeros(5, np.float32), 1.5)
    assert not desk.has_room
    desk.settle(Outcome(waiting, None, JobDroppedError("replaced")), 2.0)
    assert (desk.partials, desk.has_room) == (1, False)


def finals_due_s(*audio: tuple[float, float]) -> list[float]:
    """Since when finals are owed that end at second x of their stream, of which the last came at second y."""
    desk = JobDesk("stream", "en", 100)
    for end_s, arrived_s in audio:
        want = Want("final", 0, round(end_s * 16_000), arrived_s)
        desk.make(UTTERANCE, want, np.zeros(5, np.float32), arrived_s + 7)
    return [job.due_s for job in desk.take()]


def test_a_final_is_owed_from_when_its_audio_came() -> None:
    assert finals_due_s((2, 102), (5, 105.2), (6, 106), (7, 130)) == [102, 105.2, 106, 130]


def test_what_comes_faster_than_anybody_speaks_is_owed_no_sooner_than_at_twice_that_pace_and_never_much_later() -> None:
    assert finals_due_s((2, 100), (4, 100), (5, 100), (15, 100), (16, 101.8)) == [100, 101, 101.5, 102, 102.5]


def test_latency_by_stage() -> None:
    desk, (job,) = desk_with("final")
    outcome = Outcome(job, Hypothesis(()), queue_s=0.2, inference_s=0.3)
    request = desk.settle(outcome, 2.1)
    assert request is not None
    latency = request.latency(outcome, 2.1)
    assert (latency.buffer_ms, latency.queue_ms, latency.inference_ms) == pytest.approx((500, 200, 300))
    assert latency.total_ms == pytest.approx(1100)


def test_a_refused_final_is_tried_again_ever_later_and_a_refused_partial_is_not() -> None:
    desk, (partial, final) = desk_with("partial", "final")
    assert desk.settle(Outcome(partial, None, FULL), 2.0) is not None
    now, waits = 2.0, []
    for _ in range(6):
        assert desk.settle(Outcome(final, None, FULL), now) is None
        assert desk.next_retry is not None
        waits.append(desk.next_retry - now)
        desk.retry(desk.next_retry - 0.001)
        assert desk.take() == []
        now = desk.next_retry
        desk.retry(now)
        (again,) = desk.take()
        assert (again.job_id, again.samples, again.due_s) == (final.job_id, final.samples, final.due_s)
        assert again.created_s == now
        assert desk.next_retry is None
    assert waits == pytest.approx([RETRY_S, 0.5, 1.0, 2.0, 2.0, 2.0])
    assert desk.counts["refused"] == 7
    assert desk.settle(Outcome(final, Hypothesis(())), now) is not None


def test_what_failed_is_counted_and_what_was_replaced_is_not() -> None:
    desk, (first, second) = desk_with("partial", "partial")
    assert desk.settle(Outcome(first, None, BROKEN), 2.0) is not None
    assert desk.settle(Outcome(second, None, JobDroppedError("replaced")), 2.0) is not None
    assert desk.counts["failed"] == 1


def test_a_final_is_owed_since_it_was_due_and_a_partial_is_not() -> None:
    assert desk_with("partial")[0].owed_since is None
    desk, (_, final, _) = desk_with("partial", "final", "final")
    assert desk.owed_since == 1.0
    desk.settle(Outcome(final, Hypothesis(())), 2.0)
    assert desk.owed_since == 1.0
