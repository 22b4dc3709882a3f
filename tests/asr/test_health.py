from __future__ import annotations

import pytest

from fastring.asr.health import EngineHealth
from fastring.errors import EngineDiedError, EngineFailedError


def health(*, rebuildable: bool = True) -> EngineHealth:
    return EngineHealth(2.0, 30.0, rebuildable=rebuildable)


def test_a_call_that_came_back_late_earns_patience_up_to_the_limit() -> None:
    engine = health()
    engine.came_back(0.5)
    assert engine.patience_s == 2.0
    engine.came_back(5.0)
    assert engine.patience_s == 10.0
    engine.came_back(100.0)
    assert engine.patience_s == 30.0
    assert EngineHealth(20.0, 5.0, rebuildable=False).patience_s == 5.0


@pytest.mark.parametrize("blow", [EngineDiedError("gone"), SystemExit()])
def test_an_engine_that_died_is_built_anew_once(blow: BaseException) -> None:
    engine = health()
    engine.failed(blow, 0)
    engine.failed(blow, 0)
    assert engine.rebuild_at is not None
    assert engine.rebuild_at <= 100.0
    engine.begin_rebuild(100.0)
    assert engine.rebuilding
    engine.failed(blow, 0)
    assert engine.rebuild_at is None
    engine.rebuilt()
    assert (engine.rebuilding, engine.generation) == (False, 1)
    engine.failed(blow, 0)  # a call of the engine that was
    assert engine.rebuild_at is None


def test_one_that_hangs_too() -> None:
    engine = health()
    assert engine.rebuild_at is None
    engine.hangs(0)
    assert engine.rebuild_at is not None


def test_failures_in_a_row_are_suspicious_and_scattered_ones_are_not() -> None:
    engine = health()
    for _ in range(10):
        engine.failed(EngineFailedError("bad audio"), 0)
        engine.failed(EngineFailedError("bad audio"), 0)
        engine.came_back(0.1)
    assert engine.rebuild_at is None
    for _ in range(4):
        engine.failed(EngineFailedError("bad engine"), 0)
    assert engine.rebuild_at is not None


def test_one_that_dies_before_it_answers_is_built_anew_ever_more_rarely() -> None:
    engine = health()
    waits = []
    now = 100.0
    for generation in range(8):
        engine.hangs(generation)
        assert engine.rebuild_at is not None
        waits.append(max(0.0, engine.rebuild_at - now))
        now += waits[-1]
        engine.begin_rebuild(now)
        engine.rebuilt()
    assert waits == [0, 0.25, 0.5, 1, 2, 4, 8, 8]
    engine.came_back(0.1)  # a sign of life
    engine.hangs(8)
    assert engine.rebuild_at is not None
    assert engine.rebuild_at <= now


def test_what_cannot_be_built_anew_is_not_asked_to() -> None:
    engine = health(rebuildable=False)
    engine.hangs(0)
    assert engine.rebuild_at is None
