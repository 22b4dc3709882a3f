"""What every session store must do; a store that several servers share passes the same tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastring.server.sessions.store import MemoryStore, SessionRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastring.server.sessions.store import SessionStore


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[lambda clock: MemoryStore(ttl_s=600, clock=clock)], ids=["memory"])
def store(request: pytest.FixtureRequest, clock: Clock) -> SessionStore:
    make: Callable[[Clock], SessionStore] = request.param
    return make(clock)


RECORD = SessionRecord("ab" * 16, 0, 0, "node-1", "key", "mic", "linear16", 16_000, 1)


async def test_a_claim_raises_the_epoch_and_moves_the_session(store: SessionStore) -> None:
    assert await store.put([replace(RECORD, received=100, committed=50, next_seq=3)]) == set()
    claimed = await store.claim(RECORD.session, epoch=0, node="node-2")
    assert claimed == replace(RECORD, epoch=1, node="node-2", received=100, committed=50, next_seq=3)


async def test_a_stale_writer_is_refused_and_changes_nothing(store: SessionStore) -> None:
    await store.put([RECORD])
    await store.claim(RECORD.session, epoch=0, node="node-2")
    other = replace(RECORD, session="cd" * 16)
    assert await store.put([replace(RECORD, received=999), other]) == {RECORD.session}
    claimed = await store.claim(RECORD.session, epoch=1, node="node-3")
    assert claimed is not None
    assert claimed.received == 0
    assert await store.put([replace(claimed, received=5)]) == set()


async def test_an_old_token_is_good_until_a_newer_one_is_confirmed(store: SessionStore) -> None:
    await store.put([RECORD])
    for epoch in (1, 2, 3):
        claimed = await store.claim(RECORD.session, epoch=0, node="node-1")
        assert claimed is not None
        assert claimed.epoch == epoch
    await store.put([replace(claimed, confirmed=2)])
    assert await store.claim(RECORD.session, epoch=1, node="node-1") is None
    assert await store.claim(RECORD.session, epoch=2, node="node-1") is not None


async def test_an_epoch_that_was_never_given_claims_nothing(store: SessionStore) -> None:
    await store.put([RECORD])
    assert await store.claim(RECORD.session, epoch=1, node="node-1") is None
    assert await store.claim("ef" * 16, epoch=0, node="node-1") is None


async def test_what_nobody_writes_is_forgotten(store: SessionStore, clock: Clock) -> None:
    await store.put([RECORD])
    clock.now = 500
    await store.put([RECORD])
    clock.now = 1000
    assert await store.claim(RECORD.session, epoch=0, node="node-1") is not None
    clock.now = 1601
    assert await store.claim(RECORD.session, epoch=1, node="node-1") is None
    assert await store.put([replace(RECORD, epoch=1)]) == {RECORD.session}


async def test_only_its_owner_drops_a_session(store: SessionStore) -> None:
    await store.put([RECORD])
    await store.claim(RECORD.session, epoch=0, node="node-2")
    await store.drop(RECORD.session, epoch=0)
    assert await store.claim(RECORD.session, epoch=1, node="node-2") is not None
    await store.drop(RECORD.session, epoch=2)
    assert await store.claim(RECORD.session, epoch=2, node="node-2") is None
    await store.drop(RECORD.session, epoch=2)


async def test_memory_keeps_no_more_than_it_must(clock: Clock) -> None:
    store = MemoryStore(ttl_s=10, clock=clock)
    for number in range(1000):
        clock.now = number
        await store.put([replace(RECORD, session=f"{number:032x}")])
    assert len(store) <= 11
