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
    assert engine.begin_rebuild(100.0)
    engine.rebuilt()
    assert engine.generation == 1
    engine.failed(blow, 0)  # a call of the engine that was
    assert not engine.begin_rebuild(200.0)


def test_one_that_hangs_too() -> None:
    engine = health()
    assert not engine.begin_rebuild(100.0)
    engine.hangs(0)
    assert engine.begin_rebuild(100.0)


def test_failures_in_a_row_are_suspicious_and_scattered_ones_are_not() -> None:
    engine = health()
    for _ in range(10):
        engine.failed(EngineFailedError("bad audio"), 0)
        engine.failed(EngineFailedError("bad audio"), 0)
        engine.came_back(0.1)
    assert not engine.begin_rebuild(100.0)
    for _ in range(4):
        engine.failed(EngineFailedError("bad engine"), 0)
    assert engine.begin_rebuild(100.0)


def test_it_is_not_built_anew_all_the_time_but_not_forgotten_either() -> None:
    engine = health()
    engine.hangs(0)
    assert engine.begin_rebuild(100.0)
    engine.rebuilt()
    engine.hangs(1)
    assert not engine.begin_rebuild(101.0)
    assert engine.begin_rebuild(106.0)


def test_what_cannot_be_built_anew_is_not_asked_to() -> None:
    engine = health(rebuildable=False)
    engine.hangs(0)
    assert not engine.begin_rebuild(100.0)
