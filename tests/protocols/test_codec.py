from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastring.protocols.codec import Counters, SequenceCheck


def missing(numbers: list[int]) -> int:
    check = SequenceCheck()
    return sum(check.missing_before(number) for number in numbers)


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ([0, 1, 2], 0),
        ([7, 8, 9], 0),
        ([0, 2], 1),
        ([0, 5, 6, 10], 7),
        ([0xFFFFFFFE, 0xFFFFFFFF, 0, 1], 0),
        ([0xFFFFFFFE, 1], 2),
        ([5, 6, 6, 7], 0),
        ([5, 6, 3, 7], 0),
    ],
    ids=["whole", "starts anywhere", "one", "several", "wraps", "gap over the wrap", "repeated", "late"],
)
def test_missing_numbers_are_counted(numbers: list[int], gaps: int) -> None:
    assert missing(numbers) == gaps


@pytest.mark.parametrize(
    ("numbers", "late"),
    [([7, 8, 9], []), ([5, 6, 6, 7], [6]), ([5, 9, 7, 8, 10], [7, 8]), ([0xFFFFFFFF, 0, 0xFFFFFFFF], [0xFFFFFFFF])],
    ids=["in order", "repeated", "overtaken", "over the wrap"],
)
def test_what_comes_after_a_later_one_is_late(numbers: list[int], late: list[int]) -> None:
    check = SequenceCheck()
    found = []
    for number in numbers:
        if check.is_late(number):
            found.append(number)
        check.missing_before(number)
    assert found == late


@given(st.integers(0, 2**32 - 1), st.lists(st.booleans(), min_size=1, max_size=300))
def test_gaps_are_what_was_left_out_between_first_and_last(first: int, sent: list[bool]) -> None:
    kept = [index for index, is_sent in enumerate(sent) if is_sent]
    numbers = [(first + index) & 0xFFFFFFFF for index in kept]
    between = kept[-1] - kept[0] + 1 - len(kept) if kept else 0
    assert missing(numbers) == between


def test_counters_add_up() -> None:
    total = Counters(1, 10, 2, 3, 4)
    total.add(Counters(4, 50, 1, 1, 2))
    assert total == Counters(5, 60, 3, 4, 6)
