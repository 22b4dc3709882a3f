from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from typing import Any

import pytest

from fastring.streams.callbacks import Completion, LoopThread, callback_runner, stop_runners


class Source:
    """Something to fetch from, and a runner over it."""

    def __init__(self, callback: Any) -> None:
        self.waiting: deque[tuple[int]] = deque()
        self.runner = callback_runner("test", callback, lambda: self.waiting.popleft() if self.waiting else None)

    def put(self, *values: int) -> None:
        for value in values:
            self.waiting.append((value,))
            self.runner.wake()


def test_a_plain_callback_gets_everything_in_order_on_its_own_thread() -> None:
    got: list[tuple[int, int]] = []
    source = Source(lambda value: got.append((value, threading.get_ident())))
    loop = LoopThread()
    source.runner.start(loop.loop)
    source.put(*range(100))
    stop_runners([source.runner], 5)
    assert [value for value, _ in got] == list(range(100))
    assert {thread for _, thread in got} & {threading.get_ident()} == set()
    assert (source.runner.delivered, source.runner.running) == (100, False)
    loop.close()


async def test_an_async_callback_runs_in_the_loop_it_is_given() -> None:
    got: list[tuple[int, int]] = []

    async def callback(value: int) -> None:
        await asyncio.sleep(0)
        got.append((value, threading.get_ident()))

    source = Source(callback)
    source.runner.start(asyncio.get_running_loop())
    source.put(*range(10))
    await asyncio.to_thread(source.put, 10)  # from another thread
    await stop_runners([source.runner], 5)
    assert got == [(value, threading.get_ident()) for value in range(11)]


def test_an_async_callback_without_a_running_loop_gets_a_loop_thread() -> None:
    got = []

    async def callback(value: int) -> None:
        got.append(value)

    source, loop = Source(callback), LoopThread()
    source.runner.start(loop.loop)
    source.put(1, 2, 3)
    stop_runners([source.runner], 5)
    assert got == [1, 2, 3]
    loop.close()


@pytest.mark.parametrize("with_loop", [True, False])
def test_a_lambda_around_an_async_function_is_awaited(with_loop: bool) -> None:
    got = []

    async def inner(value: int) -> None:
        got.append(value)

    source, loop = Source(lambda value: inner(value)), LoopThread()
    source.runner.start(loop.loop if with_loop else None)
    source.put(7)
    stop_runners([source.runner], 5)
    assert got == [7]
    loop.close()


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_what_it_raises_is_counted_and_logged_and_it_goes_on(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    got = []

    def plain(value: int) -> None:
        if value % 2:
            raise RuntimeError(f"no {value}")
        got.append(value)

    async def asynchronous(value: int) -> None:
        plain(value)

    source = Source(plain if kind == "plain" else asynchronous)
    source.runner.start(asyncio.get_running_loop())
    source.put(*range(20))
    await stop_runners([source.runner], 5)
    assert got == list(range(0, 20, 2))
    assert (source.runner.delivered, source.runner.errors) == (10, 10)
    assert source.runner.last_error == "RuntimeError: no 19"
    assert len(caplog.records) == 4  # the 1st, 2nd, 4th and 8th


async def test_one_that_hangs_is_given_up_in_time(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    async def forever(value: int) -> None:
        await asyncio.Event().wait()

    plain, asynchronous = Source(lambda value: release.wait(10)), Source(forever)
    for source in (plain, asynchronous):
        source.runner.start(asyncio.get_running_loop())
        source.put(1, 2)
    await asyncio.sleep(0.01)
    await asyncio.wait_for(stop_runners([plain.runner, asynchronous.runner], 0.05), 2)
    assert len(caplog.records) == 2
    release.set()
    assert await asyncio.to_thread(plain.runner.join, 2)
    await asyncio.sleep(0.01)
    assert not asynchronous.runner.running
    assert list(plain.waiting) == [(2,)]


async def test_a_callback_may_stop_itself() -> None:
    stopped = asyncio.Event()

    async def callback(value: int) -> None:
        await stop_runners([source.runner], 5)
        stopped.set()

    source = Source(callback)
    source.runner.start(asyncio.get_running_loop())
    source.put(1)
    await asyncio.wait_for(stopped.wait(), 1)
    assert await asyncio.to_thread(source.runner.join, 1)
    assert (source.runner.delivered, source.runner.errors, source.runner.running) == (1, 0, False)


def test_a_loop_that_closes_under_an_async_callback_does_not_hurt_the_writer() -> None:
    async def callback(value: int) -> None: ...

    source = Source(callback)

    async def main() -> None:
        source.runner.start(asyncio.get_running_loop())
        await asyncio.sleep(0)

    asyncio.run(main())
    source.put(1)
    assert not source.runner.running


def test_a_runner_may_start_again() -> None:
    got: list[int] = []
    source, loop = Source(got.append), LoopThread()
    for value in (1, 2):
        source.runner.start(loop.loop)
        source.put(value)
        stop_runners([source.runner], 5)
    assert got == [1, 2]
    loop.close()


async def test_a_completion_need_not_be_awaited() -> None:
    waited = []

    async def wait() -> None:
        waited.append(True)

    Completion(wait)  # no "never awaited" warning, which would fail the test
    assert waited == []
    await Completion(wait)
    await Completion()
    assert waited == [True]


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="callable"):
        callback_runner("test", 3, lambda: None)  # type: ignore[arg-type]


def test_a_plain_callback_that_exits_is_counted_and_goes_on() -> None:
    def callback(value: int) -> None:
        if value == 1:
            raise SystemExit(1)

    source = Source(callback)
    source.runner.start(None)
    source.put(0, 1, 2)
    stop_runners([source.runner], 5)
    assert (source.runner.delivered, source.runner.errors, source.runner.running) == (2, 1, False)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a task cannot tell who cancels it")
async def test_what_an_async_callback_awaits_may_be_cancelled() -> None:
    async def callback(value: int) -> None:
        if value == 1:
            raise asyncio.CancelledError

    source = Source(callback)
    source.runner.start(asyncio.get_running_loop())
    source.put(0, 1, 2)
    await stop_runners([source.runner], 5)
    assert (source.runner.delivered, source.runner.errors, source.runner.running) == (2, 1, False)
