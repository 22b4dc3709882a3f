from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from block_runner import block_session, pcm, runner_of

from fastring.config import ResumeSettings
from fastring.events import Audio, Resume
from fastring.server.sessions.keeper import Refusal, SessionKeeper
from fastring.server.sessions.resumable import Identity, ResumableSession
from fastring.server.sessions.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastring.server.sessions.store import SessionRecord

MB = 1 << 20


class Owner:
    moved = 0

    def hear(self, event: object) -> None:
        pass

    def relieve(self) -> None:
        pass

    def move(self) -> None:
        self.moved += 1


class SharedStore(MemoryStore):
    """One that other processes read, too. Notes how many records each call brought."""

    shared = True

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.puts: list[int] = []

    async def put(self, records: Sequence[SessionRecord]) -> set[str]:
        self.puts.append(len(records))
        return await super().put(records)


class World:
    """A keeper with a clock of its own."""

    def __init__(self, *, shared: bool = False, **settings: Any) -> None:
        self.now = 1000.0
        self.store = SharedStore(lambda: self.now) if shared else MemoryStore(clock=lambda: self.now)
        self.keeper = SessionKeeper(
            ResumeSettings(**settings), store=self.store, clock=lambda: self.now, wall_clock=lambda: self.now
        )

    def open(
        self, stream_id: str = "mic", ring_bytes: int = 1000, frame_bytes: int = 2, **identity: Any
    ) -> tuple[ResumableSession, Owner]:
        whose = replace(Identity(self.keeper.new_name(), stream_id, "key", "linear16", 16_000, 1), **identity)
        session, owner = block_session(whose, ring_bytes=ring_bytes, frame_bytes=frame_bytes), Owner()
        self.keeper.add(session)
        session.attach(owner, self.now)
        session.receive_audio(Audio(pcm(0, 0, 0, 5, 6)), self.now)
        return session, owner

    def lose(self, session: ResumableSession, owner: Owner) -> None:
        session.leave(owner, self.now)
        self.keeper.wait(session)

    async def claim(
        self, session: ResumableSession, *, epoch: int = 0, last_seq: int = 0, oldest: int = 0, **wanted: Any
    ) -> ResumableSession | Refusal:
        asked = Resume(self.keeper.token(session.identity, epoch), last_seq, oldest)
        return await self.keeper.claim(asked, replace(session.identity, session="", **wanted))


async def test_a_session_is_had_back() -> None:
    world = World()
    session, owner = world.open()
    world.lose(session, owner)
    assert world.keeper.waiting == 1
    assert await world.claim(session) is session
    assert session.epoch == 1
    assert world.keeper.waiting == 0
    assert world.keeper.counts["resumed"] == 1


async def test_it_is_had_back_from_a_connection_that_is_not_known_to_be_dead() -> None:
    world = World()
    session, first = world.open()
    assert await world.claim(session) is session
    session.attach(Owner(), world.now)
    assert first.moved == 1


async def test_it_waits_its_time_and_no_longer() -> None:
    world = World(wait_s=10)
    session, owner = world.open()
    world.lose(session, owner)
    world.now += 9.9
    world.keeper.sweep()
    assert len(world.keeper) == 1
    world.now += 0.2
    world.keeper.sweep()
    assert len(world.keeper) == 0
    assert runner_of(session).stopped
    answer = await world.claim(session)
    assert isinstance(answer, Refusal)
    assert answer.reason == "expired"
    assert world.keeper.counts == {"resumed": 0, "refused": 1, "expired": 1, "given_up": 0}


async def test_the_oldest_gives_way_in_number_and_in_memory() -> None:
    world = World(max_waiting=3, max_waiting_bytes=4 * MB)
    sessions = [world.open(f"s{n}", ring_bytes=MB) for n in range(5)]
    for pair in sessions:
        world.lose(*pair)
    assert [runner_of(session).stopped for session, _ in sessions] == [True, True, False, False, False]
    big = world.open("big", ring_bytes=3 * MB)
    world.lose(*big)
    assert world.keeper.waiting == 1
    assert not runner_of(big[0]).stopped
    assert world.keeper.counts["given_up"] == 5


async def test_what_had_no_audio_is_not_kept() -> None:
    world = World()
    session = block_session(Identity(world.keeper.new_name(), "mic", "", "linear16", 16_000, 1))
    world.keeper.add(session)
    world.keeper.wait(session)
    assert len(world.keeper) == 0


@pytest.mark.parametrize(("wait_s", "may_wait"), [(0.0, True), (60.0, False)])
async def test_what_does_not_wait_has_no_token(wait_s: float, may_wait: bool) -> None:
    world = World(wait_s=wait_s)
    session, owner = world.open(may_wait=may_wait)
    assert world.keeper.is_past_half(world.keeper.now - 1e6) == bool(wait_s)
    assert world.keeper.token(session.identity) == ""
    world.lose(session, owner)
    assert len(world.keeper) == 0


@pytest.mark.parametrize("wanted", [{"owner": "other"}, {"stream_id": "other"}, {"sample_rate": 8000}])
async def test_another_key_stream_or_format_gets_nothing(wanted: dict[str, Any]) -> None:
    world = World()
    session, owner = world.open()
    world.lose(session, owner)
    answer = await world.claim(session, **wanted)
    assert isinstance(answer, Refusal)
    assert answer.reason == "unknown"
    assert world.keeper.waiting == 1
    assert await world.claim(session) is session


async def test_a_token_ends_with_its_time() -> None:
    world = World(token_lifetime_s=100, wait_s=60)
    session, owner = world.open()
    token = world.keeper.token(session.identity)
    world.now += 101
    world.lose(session, owner)
    answer = await world.keeper.claim(Resume(token, 0, 0), session.identity)
    assert isinstance(answer, Refusal)
    assert answer.reason == "expired"


async def test_a_token_is_to_be_renewed_past_half_its_life() -> None:
    world = World(token_lifetime_s=100)
    issued_s = world.keeper.now
    world.now += 50
    assert not world.keeper.is_past_half(issued_s)
    world.now += 1
    assert world.keeper.is_past_half(issued_s)


async def test_a_container_meets_its_client_at_a_byte() -> None:
    world = World()
    session, owner = world.open(encoding="container", frame_bytes=0)
    assert session.received_bytes == 10
    world.lose(session, owner)
    asked = Resume(world.keeper.token(session.identity), 0, 0, oldest_byte=11)
    answer = await world.keeper.claim(asked, session.identity)
    assert isinstance(answer, Refusal)
    assert (answer.reason, answer.message) == ("gap", "1 bytes from 10 on are neither here nor with the client")
    session, owner = world.open(encoding="container", frame_bytes=0)
    world.lose(session, owner)
    asked = Resume(world.keeper.token(session.identity), 0, 10**6, oldest_byte=10)
    assert await world.keeper.claim(asked, session.identity) is session


async def test_a_token_is_used_up_once_the_next_one_is() -> None:
    world = World()
    session, _ = world.open()
    assert await world.claim(session, epoch=0) is session
    assert await world.claim(session, epoch=0) is session, "the answer may have been lost with the connection"
    session.receive_audio(Audio(pcm(1)), world.now)
    for epoch in (0, 1):
        answer = await world.claim(session, epoch=epoch)
        assert isinstance(answer, Refusal)
        assert answer.reason == "unknown"
    assert await world.claim(session, epoch=2) is session


@pytest.mark.parametrize("missing", [{"oldest": 6}, {"last_seq": 7}])
async def test_what_does_not_meet_is_a_gap_and_the_end_of_the_session(missing: dict[str, int]) -> None:
    world = World()
    session, owner = world.open()
    answer = await world.claim(session, **missing)
    assert isinstance(answer, Refusal)
    assert answer.reason == "gap"
    assert owner.moved == 1
    assert len(world.keeper) == 0


async def test_a_session_that_another_process_claimed_is_let_go() -> None:
    world = World(shared=True)
    session, owner = world.open()
    await world.keeper.save()
    assert await world.store.claim(session.identity.session, epoch=0, node="other") is not None
    session.receive_audio(Audio(pcm(1)), world.now)
    await world.keeper.save()
    assert owner.moved == 1
    assert len(world.keeper) == 0
    answer = await world.claim(session)
    assert isinstance(answer, Refusal)


async def test_a_shared_store_is_told_of_progress_a_few_sessions_at_a_time() -> None:
    world = World(shared=True)
    sessions = [world.open(f"s{n}")[0] for n in range(150)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.get_running_loop().create_task(others())
    await world.keeper.save()
    task.cancel()
    assert isinstance(world.store, SharedStore)
    assert world.store.puts == [32, 32, 32, 32, 22]
    assert turns >= len(world.store.puts) - 1, "live audio would wait for all of them"
    world.store.puts.clear()
    sessions[70].receive_audio(Audio(pcm(1)), world.now)
    await world.keeper.save()
    assert world.store.puts == [1]


async def test_a_store_of_this_process_alone_is_not_told_of_progress() -> None:
    world = World()
    session, _ = world.open()
    for _ in range(100):
        world.now += 30
        session.receive_audio(Audio(pcm(1)), world.now)
        await world.keeper.save()
    assert len(world.store) == 0
    assert await world.claim(session) is session


@pytest.mark.parametrize("shared", [False, True])
async def test_a_quiet_session_is_not_forgotten_by_the_store(shared: bool) -> None:
    world = World(shared=shared)
    session, owner = world.open()
    assert await world.claim(session) is session
    for _ in range(100):
        world.now += 30
        await world.keeper.save()
    assert owner.moved == 0
    world.lose(session, owner)
    assert await world.claim(session, epoch=1) is session


@pytest.mark.parametrize("shared", [False, True])
async def test_the_end_leaves_nothing_in_the_store(shared: bool) -> None:
    world = World(shared=shared)
    session, _ = world.open()
    assert await world.claim(session) is session
    await world.keeper.save()
    assert len(world.store) == 1
    world.keeper.end(session)
    await world.keeper.save()
    assert len(world.store) == 0
    world.open("b")
    world.keeper.close()
    assert len(world.keeper) == 0


async def test_the_task_looks_after_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastring.server.sessions.keeper._TICK_S", 0.001)
    world = World(wait_s=10)
    session, owner = world.open()
    world.lose(session, owner)
    task = asyncio.get_running_loop().create_task(world.keeper.run())
    world.now += 11
    for _ in range(1000):
        await asyncio.sleep(0.001)
        if not len(world.keeper):
            break
    task.cancel()
    assert len(world.keeper) == 0
