"""Our remote engines against our own server: one fastring hears for another, over the vendors' protocols."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from serving import serving

from fastring.asr.engines import create_transcriber
from fastring.asr.transcriber import Job
from fastring.config import AsrSettings, DeepgramSettings, OpenAISettings, Settings
from fastring.errors import EngineUnavailableError
from fastring.recordings import recording, recording_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastring.asr.transcriber import Hypothesis, Transcriber
    from fastring.config import Engine

START = 40_000
HOP = 4_000


@pytest.fixture
def digits() -> Transcriber:
    """The server closes it."""
    return create_transcriber(AsrSettings(model="digits", workers=1, threads=1))


def speech(name: str) -> np.ndarray:
    pcm = np.frombuffer(recording_path(name).read_bytes()[44:], "<i2")
    return pcm.astype(np.float32) / 32768


def settings(engine: Engine, url: str, **own: Any) -> Settings:
    service = {"base_url": url, "api_key": "a-key", **own}
    return Settings(
        asr=AsrSettings(engine=engine),
        deepgram=DeepgramSettings(**service) if engine != "openai" else DeepgramSettings(),
        openai=OpenAISettings(**{**service, "base_url": f"{url}/v1"}) if engine == "openai" else OpenAISettings(),
    )


def converse(engine: Transcriber, samples: np.ndarray) -> Sequence[Hypothesis]:
    """As a session would: partials if the engine has them, then the final."""
    ends = range(HOP, len(samples), HOP) if engine.capabilities.partials else ()
    heard = [engine.transcribe([Job(0, "s", 0, "partial", START, samples[:end])])[0] for end in ends]
    return [*heard, engine.transcribe([Job(0, "s", 0, "final", START, samples)])[0]]


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch", "openai"])
async def test_one_fastring_hears_for_another(digits: Transcriber, engine: Engine) -> None:
    name = "seen_8"
    samples, truth = speech(name), recording(name)
    async with serving(transcriber=digits) as running:
        remote = create_transcriber(settings(engine, running.url))
        try:
            heard = await asyncio.to_thread(converse, remote, samples)
        finally:
            await asyncio.to_thread(remote.close)
    assert [word.text.strip(".,").lower() for word in heard[-1].words] == truth.text.split()
    for word, spoken in zip(heard[-1].words, truth.words, strict=True):
        assert word.start == pytest.approx(START + 16_000 * spoken.start_s, abs=5_600)
        assert word.end == pytest.approx(START + 16_000 * spoken.end_s, abs=5_600)
        assert 0 < word.confidence <= 1


@pytest.mark.parametrize("engine", ["deepgram", "deepgram-batch", "openai"])
async def test_a_model_it_does_not_have_is_refused(digits: Transcriber, engine: Engine) -> None:
    async with serving(transcriber=digits) as running:
        remote = create_transcriber(settings(engine, running.url, model="no-such-model"))
        try:
            with pytest.raises(EngineUnavailableError, match="HTTP 4") as caught:
                await asyncio.to_thread(converse, remote, speech("seen_2"))
        finally:
            await asyncio.to_thread(remote.close)
    assert (caught.value.reason, caught.value.passing) == ("refused", False)
