from __future__ import annotations

from fastring.events import Status
from fastring.session.backpressure import Backpressure


def test_it_is_said_at_once_then_once_a_second_and_when_it_is_over() -> None:
    pressure = Backpressure("mic")
    said: list[tuple[float, Status]] = []
    for tick in range(100):
        now = tick / 10
        behind = 1.0 <= now < 4.5
        if behind:
            pressure.lose(160)
        status = pressure.report(behind, waiting=tick, lag_s=now - 1.0, now=now)
        if status is not None:
            said.append((now, status))
    assert [(now, status.state) for now, status in said] == [
        (1.0, "backpressure"),
        (2.0, "backpressure"),
        (3.0, "backpressure"),
        (4.0, "backpressure"),
        (4.9, "recovered"),
    ]
    third = said[2][1]
    assert (third.source, third.queue_depth, third.lag_ms, third.retry_after_ms) == ("mic", 30, 2000.0, 2000)
    assert third.dropped_frames == 21 * 160
    assert said[-1][1].dropped_frames == 35 * 160


def test_each_episode_is_told_and_counts_anew() -> None:
    pressure = Backpressure()
    for start in (0.0, 10.0):
        pressure.lose(1)
        first = pressure.report(True, waiting=1, lag_s=0.0, now=start)
        assert first is not None
        assert (first.dropped_frames, first.retry_after_ms) == (1, 100)
        assert pressure.report(False, waiting=0, lag_s=0.0, now=start + 0.1) is None  # it may only be a breath
        last = pressure.report(False, waiting=0, lag_s=0.0, now=start + 1.0)
        assert last is not None
        assert last.state == "recovered"
        assert not pressure.active
        assert pressure.report(False, waiting=0, lag_s=0.0, now=start + 2.0) is None
