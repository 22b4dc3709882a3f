"""Fixtures of the rooms that need a real server: one, as many as a test wants, and the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from serving import Kept, serving

from fastring.config import AsrSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from serving import Running, Serve

    from fastring.asr.transcriber import Transcriber


@pytest.fixture
def serve() -> Serve:
    """`async with serve(settings, transcriber) as server`; both have defaults, keywords are server settings."""
    return serving


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    """One with every default."""
    async with serving() as running:
        yield running


@pytest.fixture(scope="session")
def digits() -> Iterator[Transcriber]:
    """The real engine with the model that ships; a server leaves it open."""
    pytest.importorskip("faster_whisper")
    from fastring.asr.engines import create_transcriber

    engine = create_transcriber(AsrSettings(model="digits", workers=1, threads=1))
    yield Kept(engine)
    engine.close()
