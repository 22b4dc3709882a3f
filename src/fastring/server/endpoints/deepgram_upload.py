"""Deepgram's prerecorded transcription: a recording in the body of `POST /v1/listen`, its transcript in the answer."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from aiohttp import web

from fastring.protocols.deepgram_prerecorded import Recording, answer
from fastring.server.channels_station import MAX_CHANNELS_APART
from fastring.server.endpoints.deepgram_options import ListenOptions, model_info, new_request_id, utc_now
from fastring.server.options import Query
from fastring.server.problems import Problem
from fastring.server.services import SERVICES
from fastring.server.uploads import Upload

if TYPE_CHECKING:
    from fastring.events import Transcript
    from fastring.server.uploads import UploadPlace

__all__ = ["transcribe"]

_SESSION_RATE = 16_000


async def transcribe(request: web.Request) -> web.Response:
    """Transcribe a recording.

    Raises:
        Problem: 400, 408, 413, 429, 500 or 503.
    """
    services, request_id, created = request.app[SERVICES], new_request_id(), utc_now()
    options = ListenOptions.read(services, request.query)
    wanted = Query({name: request.query[name] for name in (*_FLAGS, "smart_format") if name in request.query})
    flags = {name: wanted.flag(name, False) for name in _FLAGS}
    flags["paragraphs"] = wanted.flag("paragraphs", wanted.flag("smart_format", False))
    if request.content_type == "application/json":
        raise Problem(400, "unsupported_media_type", "this server fetches no URLs: send the audio itself as the body")
    async with services.uploads.place(request) as place:
        data = await place.read(request.content)
        if not data:
            raise Problem(400, "invalid_audio", "the body holds no audio")
        transcripts, channels = await _heard(place, data, options)
    recording = Recording(
        request_id,
        created,
        sha256=hashlib.sha256(data).hexdigest(),
        duration_s=transcripts[0].samples / _SESSION_RATE,
        channels=channels,
    )
    body = answer(recording, transcripts, model_info(services), punctuate=options.punctuate, **flags)
    return web.json_response(body, headers={"dg-request-id": request_id})


_FLAGS = ("utterances", "paragraphs", "detect_language")


async def _heard(place: UploadPlace, data: bytes, options: ListenOptions) -> tuple[list[Transcript], int]:
    """What was said on each channel, or on their mean; and how many channels there are."""

    def upload(channel: int) -> Upload:
        return Upload(data, options.audio, channel if options.multichannel else "mix", options.language)

    first = place.run(upload(0))
    transcripts = [await first.whole()]
    channels = first.input_channels
    if options.multichannel and channels > 1:
        if channels > MAX_CHANNELS_APART:
            raise Problem(400, "invalid_audio", f"{channels} channels: at most {MAX_CHANNELS_APART} are heard apart")
        runs = [place.run(upload(channel)) for channel in range(1, channels)]
        transcripts += await asyncio.gather(*(run.whole() for run in runs))
    return transcripts, channels
