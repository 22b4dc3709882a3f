from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.recitation.alignment import Match
from fastring.recitation.smoothing import Smoother

VERDICTS = ["correct", "minor_mistake", "wrong", "missing", "pending"]


@pytest.mark.parametrize("verdict", ["minor_mistake", "wrong", "missing"])
def test_one_window_calls_nothing_a_mistake(verdict: str) -> None:
    smoother = Smoother(1)
    seen = [smoother.show([Match(said)])[0].verdict for said in ("correct", verdict, "correct", verdict, verdict)]  # type: ignore[arg-type]
    assert seen == ["correct", "correct", "correct", "correct", verdict]


def test_windows_that_call_it_different_mistakes_do_not_agree() -> None:
    smoother = Smoother(1)
    assert [smoother.show([Match(said)])[0].verdict for said in ("wrong", "minor_mistake", "wrong")] == ["pending"] * 3


def test_what_is_heard_last_is_shown() -> None:
    smoother = Smoother(1)
    smoother.show([Match("wrong", "sen")])
    assert smoother.show([Match("wrong", "seven")]) == (Match("wrong", "seven"),)


@given(st.lists(st.sampled_from(VERDICTS), max_size=30))
def test_a_mistake_is_shown_only_after_two_in_a_row(verdicts: list[str]) -> None:
    smoother, shown = Smoother(1), "pending"
    for index, verdict in enumerate(verdicts):
        now = smoother.show([Match(verdict)])[0].verdict  # type: ignore[arg-type]
        if now != shown and now in ("wrong", "minor_mistake", "missing"):
            assert index > 0
            assert verdicts[index - 1 : index + 1] == [now, now]
        shown = now
