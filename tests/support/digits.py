"""The real engine with the digits model, loaded once for all tests of a process that need it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from fastring.asr.engines import create_transcriber
from fastring.config import AsrSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.asr.transcriber import Capabilities, Hypothesis, Job, Transcriber

DIGITS = Settings(asr=AsrSettings(model="digits"))


class DigitsEngine:
    """The engine as a server may have it: what the server closes is not closed for the next one."""

    def __init__(self) -> None:
        self._engine = _loaded()

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        return self._engine.transcribe(jobs)

    def forget(self, stream_id: str) -> None:
        self._engine.forget(stream_id)

    def close(self) -> None: ...


@cache
def _loaded() -> Transcriber:
    return create_transcriber(DIGITS.asr)
