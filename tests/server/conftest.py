"""A real server on a real port with whatever engine a test wants, or with nothing but the pump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from pump import Pump
from serving_fixtures import digits, serve, server

from fastring.config import ServerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["digits", "serve", "server"]


@pytest.fixture
async def pump(request: pytest.FixtureRequest) -> AsyncIterator[Pump]:
    settings = getattr(request, "param", ServerSettings(max_message_bytes=4096, send_queue=16))
    async with Pump(settings).running() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
