from __future__ import annotations

import itertools
import re

import pytest

from fastring.session import state
from fastring.session.state import Change, State, transition

LEGAL = {
    (State.OPEN, Change.CUT): State.CUTTING,
    (State.OPEN, Change.ENDPOINT): State.ENDING,
    (State.CUTTING, Change.DECODED): State.OPEN,
    (State.CUTTING, Change.ENDPOINT): State.LAST_CUT,
    (State.LAST_CUT, Change.DECODED): State.ENDING,
    (State.LAST_CUT, Change.FINISHED): State.DONE,
    (State.ENDING, Change.CUT): State.LAST_CUT,
    (State.ENDING, Change.FINISHED): State.DONE,
}


@pytest.mark.parametrize(("before", "change"), list(itertools.product(State, Change)))
def test_the_table(before: State, change: Change) -> None:
    if (before, change) in LEGAL:
        assert transition(before, change) is LEGAL[before, change]
    else:
        with pytest.raises(ValueError, match=re.escape(f"{change.name} cannot happen")):
            transition(before, change)


def test_every_state_is_reached_and_every_state_but_the_last_is_left() -> None:
    assert set(LEGAL.values()) == set(State)
    assert {before for before, _ in LEGAL} == set(State) - {State.DONE}


def test_the_drawing_names_every_state_and_change() -> None:
    assert state.__doc__ is not None
    for name in (*State.__members__, *(change.lower() for change in Change.__members__)):
        assert name in state.__doc__, name
