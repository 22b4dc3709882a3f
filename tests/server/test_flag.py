from __future__ import annotations

import asyncio
import sys

import pytest

from fastring.server.flag import Flag


async def test_whoever_waits_goes_on_when_it_is_set_and_nobody_waits_after_that() -> None:
    flag = Flag()
    waits = [asyncio.ensure_future(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(wait.done() for wait in waits)
    flag.set()
    await asyncio.wait_for(asyncio.gather(*waits), 1)
    await asyncio.wait_for(flag.wait(), 1)
    assert flag.is_set()


async def test_it_can_be_taken_down_again() -> None:
    flag = Flag()
    flag.set()
    flag.clear()
    assert not flag.is_set()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(flag.wait(), 0.01)


async def test_who_gave_up_waiting_is_forgotten() -> None:
    flag = Flag()
    for _ in range(3):
        wait = asyncio.ensure_future(flag.wait())
        await asyncio.sleep(0)
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)
    assert flag._waiters == ()
    flag.set()


def test_it_is_small() -> None:
    assert sys.getsizeof(Flag()) < 64
