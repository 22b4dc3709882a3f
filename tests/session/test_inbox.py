from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastring.events import Endpointing
from fastring.session.inbox import Gap, Inbox, Order


def counting(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


def drain(inbox: Inbox, step: int = 7) -> list[int | Order | Endpointing | None]:
    """Every sample that waits, None for one that is missing, and the orders in their places."""
    out: list[int | Order | Endpointing | None] = []
    while inbox:
        content, _ = inbox.first
        if isinstance(content, Order | Endpointing):
            out.append(content)
            inbox.take(0)
            continue
        count = min(step, len(content))
        out += [None] * count if isinstance(content, Gap) else content[:count].tolist()
        inbox.take(count)
    return out


def test_what_came_first_goes_first() -> None:
    inbox = Inbox()
    inbox.put(counting(0, 10), 1.0)
    inbox.put(Order.FINALIZE, 2.0)
    inbox.put(Gap(3), 3.0)
    inbox.put(Endpointing(500), 3.5)
    inbox.put(counting(10, 5), 4.0)
    assert inbox.samples == 15
    assert inbox.first.arrived == 1.0
    assert drain(inbox) == [*range(10), Order.FINALIZE, None, None, None, Endpointing(500), *range(10, 15)]
    assert inbox.samples == 0


def test_too_much_audio_loses_its_oldest_and_keeps_its_length() -> None:
    inbox = Inbox()
    inbox.put(counting(0, 10), 1.0)
    inbox.put(Order.FINALIZE, 1.5)
    inbox.put(counting(10, 10), 2.0)
    assert inbox.drop_over(7) == 13
    assert inbox.samples == 7
    assert inbox.drop_over(7) == 0
    assert drain(inbox) == [*[None] * 10, Order.FINALIZE, *[None] * 3, *range(13, 20)]


@given(st.lists(st.integers(1, 30), max_size=20), st.integers(0, 50))
def test_samples_never_change_place(sizes: list[int], most: int) -> None:
    inbox, lost = Inbox(), 0
    for i, size in enumerate(sizes):
        inbox.put(counting(sum(sizes[:i]), size), float(i))
        lost += inbox.drop_over(most)
        assert inbox.samples <= most
    out = drain(inbox)
    assert out == [*[None] * lost, *range(lost, sum(sizes))]
