"""OpenAI's endpoints: the table of paths."""

from __future__ import annotations

from typing import Final

from fastring.protocols.openai_realtime import MAX_MESSAGE_BYTES
from fastring.server.endpoints import openai_http as http
from fastring.server.endpoints.openai_realtime import open_realtime
from fastring.server.endpoints.openai_secrets import client_secrets, transcription_sessions
from fastring.server.family import Family, Page, SocketRoute
from fastring.server.surface import answers
from fastring.server.surface.operation import JSON, MULTIPART, Operation

__all__ = ["OPENAI"]

OPENAI: Final = Family(
    "openai",
    sockets=(SocketRoute("openai_realtime", "/v1/realtime", open_realtime, MAX_MESSAGE_BYTES),),
    pages=(
        Page(
            "POST",
            "/v1/audio/transcriptions",
            http.transcriptions,
            operation=Operation(
                "A recording to text",
                answers.Transcription,
                media=("text/plain", "text/vtt", "application/x-subrip", "text/event-stream"),
                body=answers.TranscriptionForm,
                body_media=MULTIPART,
                errors=(400, 404, 408, 413, 503),
            ),
        ),
        Page("GET", "/v1/models", http.models, operation=Operation("The loaded model by its names", answers.ModelList)),
        Page(
            "GET",
            "/v1/models/{model}",
            http.model,
            operation=Operation("One of its names", answers.Model, errors=(404,)),
        ),
        Page(
            "POST",
            "/v1/realtime/client_secrets",
            client_secrets,
            operation=Operation(
                "A short-lived key for /v1/realtime, and the session it starts with",
                answers.ClientSecret,
                body=answers.ClientSecretRequest,
                body_media=JSON,
                body_required=False,
                errors=(400, 404, 408, 413),
            ),
        ),
        Page(
            "POST",
            "/v1/realtime/transcription_sessions",
            transcription_sessions,
            operation=Operation(
                "The same in OpenAI's older shape",
                answers.OldTranscriptionSession,
                body=answers.OldTranscriptionSessionRequest,
                body_media=JSON,
                body_required=False,
                errors=(400, 404, 408, 413),
            ),
        ),
    ),
    refuse=http.refuse,
    realm="/v1/",
    problem=answers.OpenAIProblem,
)
"""Transcription of recordings and of live speech, short-lived keys, and the models, at `base_url = http://HOST:PORT/v1`."""
