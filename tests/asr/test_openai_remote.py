"""The engine against a local service of the same endpoint; FASTRING_OPENAI_TEST_URL points a test at another one."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import time
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tone_language
from aiohttp import web
from tone_language import say

from fastring.asr.openai_remote import UNKNOWN_CONFIDENCE, OpenAITranscriber
from fastring.asr.transcriber import Job
from fastring.config import OpenAISettings
from fastring.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "bana bapo bari base"
SPEECH = say([0.1, TEXT, 0.2]).astype(np.float32) / 32768
START = 7_000


@dataclass
class Service:
    """POST /v1/audio/transcriptions, heard in the language of tones."""

    verbose: bool = True
    words: bool = True
    refusals: list[int] = field(default_factory=list)
    retry_after: str = ""
    stall: bool = False
    forms: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Service:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(started)), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        app = web.Application()
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _transcribe(self, request: web.Request) -> web.Response:
        form: dict[str, Any] = {}
        async for part in await request.multipart():
            value = await part.read() if part.name == "file" else await part.text()
            form[part.name] = [*form.get(part.name, []), value] if part.name.endswith("[]") else value
        self.forms.append({**form, "authorization": request.headers.get("Authorization")})
        if self.stall:
            await self._stopping.wait()
        if self.refusals:
            return self._refuse(self.refusals.pop(0), "as the test wants it")
        if form["response_format"] == "verbose_json" and not self.verbose:
            return self._refuse(400, "response_format 'verbose_json' is not compatible with model")
        return web.json_response(self._answer(form))

    def _refuse(self, status: int, message: str) -> web.Response:
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        error = {"message": message, "type": "t", "param": None, "code": "c"}
        return web.json_response({"error": error}, status=status, headers=headers)

    def _answer(self, form: dict[str, Any]) -> dict[str, Any]:
        with wave.open(io.BytesIO(form["file"])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        words = tone_language.hear(samples)
        text = " ".join(word.text for word in words)
        if form["response_format"] == "json":
            return {"text": text}
        duration = len(samples) / 16_000
        segment = {"id": 0, "seek": 0, "start": 0.1, "end": duration, "text": f" {text}", "tokens": []}
        segment |= {"temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
        answer = {"task": "transcribe", "language": "english", "duration": duration, "text": text}
        answer["segments"] = [segment] if words else []
        if self.words and "word" in form["timestamp_granularities[]"]:
            answer["words"] = [{"word": w.text, "start": w.start / 16_000, "end": w.end / 16_000} for w in words]
        return answer


OPENED: list[OpenAITranscriber] = []


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running
        while OPENED:
            OPENED.pop().close()


def engine_for(service: Service, **changes: Any) -> OpenAITranscriber:
    settings = OpenAISettings(**{"api_key": "k3y", "base_url": service.url, "timeout_s": 5.0, **changes})
    OPENED.append(OpenAITranscriber(settings))
    return OPENED[-1]


def job(samples: Any = SPEECH, language: str = "") -> Job:
    return Job(0, "s", 0, "final", START, samples, language)


def test_words_with_their_times(service: Service) -> None:
    (heard,) = engine_for(service).transcribe([job(language="en")])
    truth = tone_language.hear(SPEECH)
    assert [(w.text, w.start, w.end) for w in heard.words] == [(t.text, START + t.start, START + t.end) for t in truth]
    assert heard.words[0].confidence == pytest.approx(np.exp(-0.1))
    form = service.forms[0]
    assert (form["model"], form["language"], form["authorization"]) == ("whisper-1", "en", "Bearer k3y")


@pytest.mark.skipif("FASTRING_OPENAI_TEST_URL" not in os.environ, reason="no other service is named")
def test_another_service(speech: Any) -> None:
    settings = OpenAISettings(base_url=os.environ["FASTRING_OPENAI_TEST_URL"], api_key="k3y", model="whisper-1")
    (heard,) = OpenAITranscriber(settings).transcribe([job(speech("seen_2"))])
    assert heard.text
    assert all(START <= w.start <= w.end for w in heard.words)


def test_without_word_times_a_segment_is_shared_out(service: Service) -> None:
    service.words = False
    (heard,) = engine_for(service).transcribe([job()])
    assert heard.text == TEXT
    edges = [edge for word in heard.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert abs(edges[0] - (START + 1_600)) <= 1
    assert abs(edges[-1] - (START + len(SPEECH))) <= 1


def test_a_model_without_verbose_answers_is_asked_only_once(service: Service) -> None:
    service.verbose = False
    engine = engine_for(service)
    heard = engine.transcribe([job(), job()])
    assert [each.text for each in heard] == [TEXT, TEXT]
    assert {word.confidence for word in heard[0].words} == {UNKNOWN_CONFIDENCE}
    assert [form["response_format"] for form in service.forms] == ["verbose_json", "json", "json"]


def test_silence_is_no_text(service: Service) -> None:
    assert engine_for(service).transcribe([job(np.zeros(16_000, np.float32))])[0].words == ()


def test_nothing_is_asked_about_nothing(service: Service) -> None:
    assert engine_for(service).transcribe([job(SPEECH[:100])])[0].words == ()
    assert service.forms == []


def test_finals_only_unless_partials_are_wanted(service: Service) -> None:
    assert not engine_for(service).capabilities.partials
    assert engine_for(service, partials=True).capabilities.partials


@pytest.mark.parametrize(("status", "tries"), [(400, 2), (401, 1), (403, 1), (404, 1), (429, 3), (500, 3), (503, 3)])
def test_only_what_may_pass_is_tried_again(service: Service, status: int, tries: int) -> None:
    service.refusals, service.retry_after = [status] * 9, "0.01"
    with pytest.raises(EngineUnavailableError, match=f"HTTP {status}"):
        engine_for(service).transcribe([job()])
    assert len(service.forms) == tries


def test_it_comes_back_when_the_service_says(service: Service) -> None:
    service.refusals, service.retry_after = [429], "0.3"
    begun = time.monotonic()
    assert engine_for(service).transcribe([job()])[0].text == TEXT
    assert time.monotonic() - begun >= 0.3


def test_a_service_that_wants_a_long_wait_is_left_to_others(service: Service) -> None:
    service.refusals, service.retry_after = [429], "30"
    begun = time.monotonic()
    with pytest.raises(EngineUnavailableError) as caught:
        engine_for(service).transcribe([job()])
    assert (caught.value.reason, caught.value.retry_after_s) == ("busy", 30.0)
    assert time.monotonic() - begun < 5.0


def test_no_answer_is_a_timeout(service: Service) -> None:
    service.stall = True
    with pytest.raises(EngineUnavailableError, match=r"within 0\.2 s") as caught:
        engine_for(service, timeout_s=0.2).transcribe([job()])
    assert caught.value.reason == "timeout"
    assert len(service.forms) == 1


def test_nobody_is_there() -> None:
    engine = OpenAITranscriber(OpenAISettings(base_url="http://127.0.0.1:9/v1", retries=0))
    with pytest.raises(EngineUnavailableError, match="cannot be reached") as caught:
        engine.transcribe([job()])
    engine.close()
    assert caught.value.reason == "unreachable"


def test_a_wrong_key_is_told_without_the_key(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    service.refusals = [401]
    with pytest.raises(EngineUnavailableError, match="OPENAI_API_KEY") as caught:
        engine_for(service).transcribe([job()])
    engine_for(service).transcribe([job()])
    assert "k3y" not in str(caught.value) + caplog.text
