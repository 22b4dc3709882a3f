"""Deepgram's endpoints: live and prerecorded transcription, turns of a talk, and how it words a refusal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from fastring.protocols.deepgram import DeepgramCodec
from fastring.server.channels_station import ChannelsStation
from fastring.server.endpoints.deepgram_flux import open_flux
from fastring.server.endpoints.deepgram_grant import grant
from fastring.server.endpoints.deepgram_options import (
    ListenOptions,
    endpoint_settings,
    model_info,
    new_request_id,
    utc_now,
)
from fastring.server.endpoints.deepgram_upload import transcribe
from fastring.server.family import Asked, Family, Opening, Page, SocketRoute
from fastring.server.surface import answers
from fastring.server.surface.operation import JSON, Operation, Parameter

if TYPE_CHECKING:
    from fastring.server.problems import Problem
    from fastring.server.services import Services

__all__ = ["DEEPGRAM", "IDLE_TIMEOUT_S", "open_listen", "refuse"]

IDLE_TIMEOUT_S: Final = 10.0
"""A client that sends neither audio nor KeepAlive for so long is let go, unless `server.idle_timeout_s` is shorter."""

_SESSION_RATE: Final = 16_000
_FRAME_MS: Final = 32
_NOTICED_MS: Final = 100  # how exactly a silence is measured whose length the client is told
_TOLD_MS: Final = 1000

_ERR_CODES: Final = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "SLOW_UPLOAD",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
_FULL: Final = {"too_many_streams", "too_many_connections"}  # a limit of ours, and Deepgram's clients know it as 429


def open_listen(services: Services, asked: Asked) -> Opening:
    """A live transcription.

    Raises:
        Problem: 400, 429 or 503.
    """
    request_id = new_request_id()
    options = ListenOptions.read(services, asked.query)
    services.registry.check_engine()
    endpoint = endpoint_settings(options, services.settings.endpoint)
    live = options.live(endpoint)
    codec = DeepgramCodec(
        request_id,
        created=utc_now(),
        model=model_info(services),
        options=live,
        max_message_bytes=services.settings.server.max_message_bytes,
    )
    notices_silence = bool(live.endpointing_ms or live.utterance_end_ms)
    station = ChannelsStation(
        request_id,
        open_runner=lambda number: services.voice_runner(
            services.session_name(f"{request_id}/{number}"),
            language=options.language,
            interim=options.interim,
            segments=True,
            endpoint=endpoint,
        ),
        decoder=services.decoders.open(options.audio, _SESSION_RATE, "keep" if options.multichannel else "mix"),
        channels=options.audio.channels if options.multichannel else 1,
        input_rate=options.audio.sample_rate,
        input_channels=options.audio.channels,
        frame_bytes=options.audio.frame_bytes,
        counters=codec.counters,
        reach_samples=(endpoint.min_speech_ms + 2 * _FRAME_MS) * _SESSION_RATE // 1000,
        tell_every_samples=(_NOTICED_MS if notices_silence else _TOLD_MS) * _SESSION_RATE // 1000,
        on_gone=services.registry.remove,
    )
    services.registry.add(station)
    return Opening(
        codec,
        station,
        headers={"dg-request-id": request_id},
        idle_timeout_s=min(IDLE_TIMEOUT_S, services.settings.server.idle_timeout_s),
    )


def refuse(problem: Problem, _request: web.Request) -> web.Response:
    """A refusal as Deepgram's clients read one: JSON body, and the reason in a header as well."""
    request_id = new_request_id()
    status = 429 if problem.code in _FULL else problem.status
    named = problem.param in (None, "file") or problem.message.startswith(str(problem.param))
    message = problem.message if named else f"{problem.param}: {problem.message}"
    body = {"err_code": _ERR_CODES.get(status, "Bad Request"), "err_msg": message, "request_id": request_id}
    return web.Response(
        status=status,
        text=json.dumps(body),
        content_type="application/json",
        headers={**problem.headers, "dg-request-id": request_id, "dg-error": _header_text(message)},
    )


def _header_text(text: str) -> str:
    """What a header can hold of it: printable ASCII on one line."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


DEEPGRAM: Final = Family(
    "deepgram",
    sockets=(
        SocketRoute("deepgram", "/v1/listen", open_listen),
        SocketRoute("deepgram_flux", "/v2/listen", open_flux),
    ),
    pages=(
        Page(
            "POST",
            "/v1/listen",
            transcribe,
            operation=Operation(
                "A recording to text, in Deepgram's form",
                answers.DeepgramTranscript,
                body_media="application/octet-stream",
                query=tuple(Parameter(name, str) for name in ("model", "language", "encoding", "sample_rate")),
                errors=(400, 408, 413, 503),
            ),
        ),
        Page(
            "POST",
            "/v1/auth/grant",
            grant,
            operation=Operation(
                "A short-lived key for /v1/listen and /v2/listen",
                answers.DeepgramToken,
                body=answers.DeepgramTokenRequest,
                body_media=JSON,
                body_required=False,
                errors=(400, 408, 413),
            ),
        ),
    ),
    refuse=refuse,
    realm="/v2/",
    problem=answers.DeepgramProblem,
)
