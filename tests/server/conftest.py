"""A real server on a real port, with whatever engine a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from serving import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving import Running, Serve


@pytest.fixture
def serve() -> Serve:
    """`async with serve(settings, transcriber) as server`; both have defaults, keywords are server settings."""
    return serving


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    """One with every default."""
    async with serving() as running:
        yield running
