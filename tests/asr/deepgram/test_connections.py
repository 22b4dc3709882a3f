from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from fastring.asr.deepgram.connections import Connections
from fastring.config import DeepgramSettings
from fastring.errors import EngineUnavailableError, QueueFullError


class FakeConnection:
    """What the pool sees of a connection."""

    def __init__(self, language: str) -> None:
        self.language, self.owner, self.busy, self.lost = language, "", False, None
        self.idle_s = 1.0
        self.closed = False

    async def close(self) -> None:
        self.closed = True


class Factory:
    def __init__(self, *failures: EngineUnavailableError) -> None:
        self.made: list[FakeConnection] = []
        self.failures = list(failures)
        self.times: list[float] = []

    async def __call__(self, _settings: DeepgramSettings, language: str) -> Any:
        self.times.append(time.monotonic())
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(FakeConnection(language))
        return self.made[-1]


def pool(factory: Factory, connections: int = 2, backoff_s: float = 0.0, spare: int = 0) -> Connections:
    return Connections(DeepgramSettings(connections=connections, backoff_s=backoff_s, spare=spare), factory)


async def test_a_stream_gets_its_own_again() -> None:
    connections = pool(Factory())
    first = await connections.lease("a", "en")
    first.busy = False
    other = await connections.lease("b", "en")
    assert other is not first
    other.busy = False
    assert await connections.lease("a", "en") is first
    assert connections.counts == {"opened": 2, "reused": 1}


async def test_what_a_gone_stream_leaves_is_used_by_others() -> None:
    connections = pool(Factory())
    first = await connections.lease("a", "en")
    first.busy = False
    connections.release("a")
    assert await connections.lease("b", "en") is first


async def test_a_stream_that_goes_in_the_middle_leaves_nothing() -> None:
    factory = Factory()
    connections = pool(factory)
    await connections.lease("a", "en")
    connections.release("a")
    await asyncio.sleep(0)
    assert factory.made[0].closed
    assert len(connections) == 0


async def test_the_bound_holds_while_many_come_at_once() -> None:
    factory = Factory()
    connections = pool(factory, connections=2)
    answers = await asyncio.gather(*(connections.lease(f"s{i}", "en") for i in range(5)), return_exceptions=True)
    assert len(factory.made) == 2
    refused = [answer for answer in answers if isinstance(answer, QueueFullError)]
    assert len(refused) == 3
    assert "all 2 connections" in str(refused[0])


async def test_a_full_pool_gives_away_what_waited_longest() -> None:
    factory = Factory()
    connections = pool(factory, connections=2)
    await connections.lease("a", "en")
    await connections.lease("b", "en")
    for connection, idle_s in zip(factory.made, (1.0, 5.0), strict=True):
        connection.busy, connection.idle_s = False, idle_s
    assert await connections.lease("c", "en") is factory.made[1]


async def test_another_language_needs_another_connection() -> None:
    factory = Factory()
    connections = pool(factory, connections=1)
    (await connections.lease("a", "en")).busy = False
    german = await connections.lease("a", "de")
    await asyncio.sleep(0)
    assert german.language == "de"
    assert factory.made[0].closed
    assert len(connections) == 1


async def test_lost_connections_do_not_count() -> None:
    factory = Factory()
    connections = pool(factory, connections=1)
    first = await connections.lease("a", "en")
    factory.made[0].lost = EngineUnavailableError("cut")  # type: ignore[assignment]
    assert await connections.lease("b", "en") is not first


async def test_a_failed_try_gives_its_place_back_and_the_next_one_waits() -> None:
    factory = Factory(EngineUnavailableError("no", retry_after_s=0.1))
    connections = pool(factory, connections=1)
    with pytest.raises(EngineUnavailableError, match="no"):
        await connections.lease("a", "en")
    await connections.lease("a", "en")
    assert factory.times[1] - factory.times[0] >= 0.1


async def test_if_the_next_try_is_far_away_nobody_waits_for_it() -> None:
    factory = Factory(EngineUnavailableError("HTTP 429", reason="busy", retry_after_s=30.0))
    connections = pool(factory)
    with pytest.raises(EngineUnavailableError):
        await connections.lease("a", "en")
    with pytest.raises(EngineUnavailableError, match=r"HTTP 429; the next try is in (29|30)\.") as caught:
        await connections.lease("a", "en")
    assert (caught.value.reason, caught.value.passing) == ("busy", False)
    assert 29 < caught.value.retry_after_s <= 30
    assert len(factory.times) == 1


async def test_streams_that_fail_together_are_one_failure() -> None:
    factory = Factory(*(EngineUnavailableError("no") for _ in range(20)))
    connections = pool(factory, connections=20)
    answers = await asyncio.gather(*(connections.lease(f"s{i}", "en") for i in range(20)), return_exceptions=True)
    assert all(isinstance(answer, EngineUnavailableError) for answer in answers)
    assert connections.counts["failed"] == 1


async def test_once_it_works_the_waits_start_over() -> None:
    factory = Factory(EngineUnavailableError("no", retry_after_s=30.0))
    connections = pool(factory)
    with pytest.raises(EngineUnavailableError):
        await connections.lease("a", "en")
    connections.works()
    await connections.lease("a", "en")


async def test_close_ends_all() -> None:
    factory = Factory()
    connections = pool(factory)
    await connections.lease("a", "en")
    await connections.lease("b", "en")
    await connections.close()
    assert [connection.closed for connection in factory.made] == [True, True]
    assert len(connections) == 0


async def test_the_next_stream_finds_one_open() -> None:
    factory = Factory()
    connections = pool(factory, connections=4, spare=1)
    first = await connections.lease("a", "en")
    await asyncio.sleep(0.01)
    assert len(factory.made) == 2
    assert await connections.lease("b", "en") is factory.made[1]
    await asyncio.sleep(0.01)
    assert len(factory.made) == 3
    first.busy = False
    assert await connections.lease("a", "en") is first  # its own, and a spare one is there already
    await asyncio.sleep(0.01)
    assert connections.counts == {"opened": 3, "reused": 2}
    await connections.close()
    assert all(connection.closed for connection in factory.made)


async def test_spares_keep_to_the_bound_and_nobody_is_refused_for_one() -> None:
    factory = Factory()
    connections = pool(factory, connections=2, spare=5)
    first, second = await asyncio.gather(connections.lease("a", "en"), connections.lease("b", "en"))
    assert first is not second
    await asyncio.sleep(0.01)
    assert len(factory.made) == 2
    third = pool(Factory(), connections=2, spare=1)
    await third.lease("a", "en")
    await third.lease("b", "en")  # while the spare one is being opened
    with pytest.raises(QueueFullError):
        await third.lease("c", "en")


async def test_a_spare_that_cannot_be_had_harms_nobody() -> None:
    factory = Factory()
    connections = pool(factory, spare=1)
    first = await connections.lease("a", "en")
    factory.failures = [EngineUnavailableError("no", reason="busy")]
    await asyncio.sleep(0.01)
    assert first.busy
    assert len(factory.made) == 1
    assert await connections.lease("b", "en") is factory.made[1]
    await connections.close()
