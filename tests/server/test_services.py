from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastring.analysis.silero import silero_available
from fastring.config import EndpointSettings

if TYPE_CHECKING:
    from serving import Running


async def test_session_names_never_repeat(server: Running) -> None:
    names = {server.services.session_name("a") for _ in range(100)}
    assert len(names) == 100


@pytest.mark.parametrize("vad", ["energy", "auto"])
async def test_each_voice_session_has_a_detector_of_its_own(server: Running, vad: str) -> None:
    services = server.services
    services.settings = replace(services.settings, endpoint=EndpointSettings(vad=vad))  # type: ignore[arg-type]
    first, second = services._vad(), services._vad()
    if vad == "energy" or not silero_available():
        assert first is None
    else:
        assert first is not second
