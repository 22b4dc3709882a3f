"""OpenAI's HTTP endpoints: a recording to text, as one answer or as a stream of events, and the models."""

from __future__ import annotations

import secrets
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fastring.asr.transcriber import join_words
from fastring.errors import ConfigError, ProtocolError
from fastring.protocols import openai_transcripts as bodies
from fastring.protocols.messages import write_object
from fastring.protocols.openai_vad import endpoint_for
from fastring.protocols.subtitles import cues_of, srt, vtt
from fastring.server.endpoints.openai_form import TranscriptionForm, read_form
from fastring.server.model_names import check_language, check_model
from fastring.server.problems import Problem
from fastring.server.services import SERVICES
from fastring.server.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastring.events import Final, Transcript, Word
    from fastring.server.services import Services
    from fastring.server.uploads import UploadRun

__all__ = ["json_answer", "model", "models", "refuse", "transcriptions"]

_CREATED_S = int(time.time())


def refuse(problem: Problem, _request: web.Request) -> web.Response:
    """A refusal as OpenAI words it."""
    body = bodies.error_body(problem.status, problem.code, problem.message, problem.param)
    return json_answer(body, status=problem.status, headers=problem.headers)


async def transcriptions(request: web.Request) -> web.StreamResponse:
    """`POST /v1/audio/transcriptions`."""
    services = request.app[SERVICES]
    async with services.uploads.place(request) as place:
        form = await read_form(request, place)
        run = place.run(_upload(services, form))
        if form.stream:
            return await _stream(request, run, form)
        return _answer(form, await run.whole())


async def models(request: web.Request) -> web.Response:
    """`GET /v1/models`: the loaded model by each of its names."""
    return json_answer(bodies.models_body(_names(request.app[SERVICES]), _CREATED_S))


async def model(request: web.Request) -> web.Response:
    """`GET /v1/models/{model}`."""
    name = request.match_info["model"]
    require_model(request.app[SERVICES], name)
    return json_answer(bodies.model_object(name, _CREATED_S))


def require_model(services: Services, name: str) -> None:
    """The loaded model by any of its names; else 404, as OpenAI refuses it.

    Raises:
        Problem: 404.
    """
    try:
        check_model(services, name)
    except Problem as problem:
        raise Problem(404, problem.code, problem.message, param="model") from None


def _names(services: Services) -> list[str]:
    own = PurePath(services.capabilities.model).name
    return list(dict.fromkeys([own, *services.settings.server.model_aliases]))


def _upload(services: Services, form: TranscriptionForm) -> Upload:
    require_model(services, form.model)
    try:
        endpoint = endpoint_for(form.vad, services.settings.endpoint) if form.vad else None
    except (ProtocolError, ConfigError) as error:
        raise Problem(400, "invalid_value", str(error), param="chunking_strategy") from None
    return Upload(form.file, language=check_language(services, form.language), endpoint=endpoint)


def _answer(form: TranscriptionForm, transcript: Transcript) -> web.Response:
    if form.response_format == "json":
        return json_answer(bodies.json_body(transcript, logprobs=form.logprobs))
    if form.response_format == "verbose_json":
        segments, words = (name in form.granularities for name in ("segment", "word"))
        return json_answer(bodies.verbose_body(transcript, segments=segments, words=words))
    if form.response_format == "text":
        return _text(f"{transcript.text}\n", "text/plain")
    cues = cues_of(transcript.finals)
    if form.response_format == "srt":
        return _text(srt(cues), "application/x-subrip")
    return _text(vtt(cues), "text/vtt")


async def _stream(request: web.Request, run: UploadRun, form: TranscriptionForm) -> web.StreamResponse:
    """Server-sent events. The answer begins with the first text, so that what fails before is an HTTP error."""
    response: web.StreamResponse | None = None
    try:
        async for event in _events(run, logprobs=form.logprobs):
            if response is None:
                response = web.StreamResponse(headers=_headers() | {"X-Accel-Buffering": "no"})
                response.content_type = "text/event-stream"
                await response.prepare(request)
            await response.write(bodies.server_sent(event))
    except Problem as problem:
        if response is None:
            raise
        await response.write(
            bodies.server_sent(bodies.error_body(problem.status, problem.code, problem.message, problem.param))
        )
    assert response is not None  # the last event always comes
    await response.write_eof()
    return response


async def _events(run: UploadRun, *, logprobs: bool) -> AsyncIterator[dict[str, Any]]:
    before: Final | None = None
    async for final in run:
        yield bodies.delta_event(_delta(before.words[-1] if before else None, final), final.words, logprobs=logprobs)
        before = final
    yield bodies.done_event(run.transcript, logprobs=logprobs)


def _delta(last: Word | None, final: Final) -> str:
    """The text of a final as it goes on after a word."""
    return final.text if last is None else join_words([last, *final.words])[len(last.text) :]


def json_answer(body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer as OpenAI gives it, with a name of its own in a header."""
    return web.Response(
        status=status, text=write_object(body), content_type="application/json", headers=_headers() | (headers or {})
    )


def _text(text: str, content_type: str) -> web.Response:
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=_headers())


def _headers() -> dict[str, str]:
    return {"x-request-id": f"req_{secrets.token_hex(16)}"}
