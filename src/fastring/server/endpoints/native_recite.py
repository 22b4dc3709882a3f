"""Recitations: from a request to the station that follows one, and what is verified without a WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web

from fastring.errors import StreamExistsError, UnknownVerseError
from fastring.protocols.messages import shown
from fastring.protocols.native_events import verification_fields
from fastring.protocols.recite import ReciteCodec
from fastring.recitation.feedback import verify
from fastring.recitation.references import MAX_REFERENCE_CHARACTERS
from fastring.recitation.spelling import words_of
from fastring.server.endpoints.openai_form import BROKEN_FORM
from fastring.server.family import Asked, Opening
from fastring.server.model_names import check_language
from fastring.server.options import AudioOptions, Query, stream_id_of
from fastring.server.problems import Problem
from fastring.server.recitation_station import RecitationStation
from fastring.server.services import SERVICES
from fastring.server.uploads import Upload
from fastring.session.recitation import RecitationSession

if TYPE_CHECKING:
    from fastring.server.services import Services
    from fastring.server.uploads import UploadPlace

__all__ = ["open_recitation", "reference_of", "verify_upload"]

SESSION_RATE = 16_000
_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 65_536
_DEFAULTS = AudioOptions("linear16", SESSION_RATE)


def open_recitation(services: Services, asked: Asked) -> Opening:
    """A recitation of a verse (`surah` and `ayah`) or of a text (`reference`).

    Raises:
        Problem: 400, 404 (no such verse), 409 or 503.
    """
    query = Query.once(asked.query)
    audio = AudioOptions.read(query, _DEFAULTS)
    language = check_language(services, query.text("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"))
    reference = reference_of(services, query)
    services.registry.check_engine()
    name = services.session_name("recitation")
    stream_id = stream_id_of(query.text("stream_id", ".*", name.replace("#", "-")))
    codec = ReciteCodec(
        stream_id,
        encoding=audio.encoding,
        channels=audio.channels,
        sample_rate=SESSION_RATE,
        framing=audio.framing,
        max_message_bytes=services.settings.server.max_message_bytes,
    )
    station = RecitationStation(
        stream_id,
        runner=services.voice_runner(name, language=language, interim=True),
        recitation=RecitationSession(reference, services.settings.recitation.minor_similarity),
        decoder=services.decoders.open(audio.format, SESSION_RATE),
        audio=audio,
        counters=codec.counters,
        on_gone=services.registry.remove,
    )
    try:
        services.registry.add(station)
    except StreamExistsError as error:
        raise Problem(409, "stream_exists", str(error), param="stream_id") from None
    return Opening(codec, station)


async def verify_upload(request: web.Request) -> web.Response:
    """A whole recitation as an upload: multipart with `audio`, and `surah` and `ayah` or `reference`.

    Raises:
        Problem: 400, 404 (no such verse), 413, 429 or 503.
    """
    services = request.app[SERVICES]
    if not request.content_type.startswith("multipart/"):
        raise Problem(415, "unsupported_media_type", "multipart/form-data with a file named audio is wanted")
    async with services.uploads.place(request) as place:
        audio, fields = await _parts(request, place)
        reference = reference_of(services, Query(fields))
        language = check_language(services, Query(fields).text("language", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"))
        transcript = await place.run(Upload(audio, language=language, part="audio")).whole()
    minor = services.settings.recitation.minor_similarity
    found = await asyncio.to_thread(verify, transcript.text, reference, minor=minor)  # a long text takes a while
    return web.json_response(
        {"type": "final_result", **verification_fields(found, transcript.samples / SESSION_RATE)}, dumps=_dumps
    )


async def _parts(request: web.Request, place: UploadPlace) -> tuple[bytes, dict[str, str]]:
    audio = b""
    fields: dict[str, str] = {}
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                raise Problem(400, "invalid_body", "multipart in multipart is not taken")
            if part.name == "audio":
                audio = await place.read(part)
            elif part.name and len(fields) < _MAX_FIELDS:
                fields[part.name] = _text(await place.read(part, _MAX_FIELD_BYTES), part.name)
            else:
                raise Problem(400, "invalid_body", f"at most {_MAX_FIELDS} fields, each with a name")
    except BROKEN_FORM as error:
        raise Problem(400, "invalid_body", f"not multipart/form-data: {shown(str(error))}") from None
    if not audio:
        raise Problem(400, "invalid_parameter", "a file named audio is wanted, and it must not be empty", param="audio")
    return audio, fields


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "invalid_parameter", "UTF-8 is wanted", param=name[:64]) from None


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def reference_of(services: Services, query: Query) -> str:
    """The text that is to be recited.

    Raises:
        Problem: 400, or 404 if there is no such verse.
    """
    if query.has("reference"):
        text = query.text("reference", r"(?s:.)*")
        if len(text) > MAX_REFERENCE_CHARACTERS or not words_of(text):
            raise Problem(
                400,
                "invalid_parameter",
                f"reference = {shown(text)}: must be 1..{MAX_REFERENCE_CHARACTERS} characters with words in them",
                param="reference",
            )
        return text
    for name in ("surah", "ayah"):
        if not query.has(name):
            raise Problem(400, "invalid_parameter", "give surah and ayah, or a reference", param=name)
    try:
        return services.references.verse(query.whole("surah", 1, 999_999, 1), query.whole("ayah", 1, 999_999, 1))
    except UnknownVerseError as error:
        raise Problem(404, error.code, str(error), param="ayah") from None
