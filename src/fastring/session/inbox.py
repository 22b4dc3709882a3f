"""What waits to be taken into a session: audio, gaps and commands, in the order they came."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastring.events import Endpointing

__all__ = ["Gap", "Inbox", "Item", "Order"]


class Order(Enum):
    """A command that keeps its place among the audio."""

    FINALIZE = auto()
    CLOSE = auto()


class Gap:
    """Samples that are missing; it is cut like the audio that it stands for."""

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, part: slice) -> Gap:
        return Gap(len(range(self._samples)[part]))


class Item(NamedTuple):
    """What came, and when."""

    content: NDArray[np.int16] | Gap | Order | Endpointing
    arrived: float


class Inbox:
    """A queue that is emptied as fast as the ring has room; mostly it is empty at once."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._samples = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def samples(self) -> int:
        """Audio that waits, gaps not counted."""
        return self._samples

    @property
    def first(self) -> Item:
        """The oldest item."""
        return self._items[0]

    def put(self, content: NDArray[np.int16] | Gap | Order | Endpointing, now: float) -> None:
        """Add what came now."""
        self._items.append(Item(content, now))
        if isinstance(content, np.ndarray):
            self._samples += len(content)

    def take(self, count: int) -> None:
        """Remove the first `count` samples of the oldest item; a command as a whole."""
        content, arrived = self._items.popleft()
        if isinstance(content, Order | Endpointing):
            return
        if isinstance(content, np.ndarray):
            self._samples -= count
        if count < len(content):
            self._items.appendleft(Item(content[count:], arrived))

    def drop_over(self, most: int) -> int:
        """Turn the oldest audio into gaps until no more than `most` samples wait; how many were lost."""
        lost = max(0, self._samples - most)
        left = lost
        while left:
            index = next(i for i, item in enumerate(self._items) if isinstance(item.content, np.ndarray))
            content, arrived = self._items[index]
            assert isinstance(content, np.ndarray)
            count = min(len(content), left)
            left -= count
            self._samples -= count
            if count < len(content):
                self._items[index] = Item(content[count:], arrived)
            else:
                del self._items[index]
            before = self._items[index - 1].content if index else None
            if isinstance(before, Gap):
                self._items[index - 1] = Item(Gap(len(before) + count), arrived)
            else:
                self._items.insert(index, Item(Gap(count), arrived))
        return lost
